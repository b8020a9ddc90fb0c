"""Uploads of all kinds; the resumable ones go on after lost chunks, and after the sandbox was killed."""

import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import pytest

from sandbox.apis.storage.object_store import settle
from sandbox.core.store import Store
from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Reply, Sandbox

UNIT = 256 << 10
WEEK = 7 * 24 * 3600
RIVALS = 8
DATA = os.urandom(3 * UNIT + 1000)
LAST = len(DATA) - 1


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket that keeps nothing of what it lets go of."""
    return Bucket(sandbox.operator, "uploads", softDeletePolicy={"retentionDurationSeconds": "0"})


def start(bucket: Bucket, name: str, prefix: str = "", query: str = "") -> str:
    """A session, by its path."""
    path = f"{prefix}{bucket.uploads}?uploadType=resumable&name={name}{query}"
    reply = bucket.client.call("POST", path, {"contentType": "text/x-model"})
    assert reply.status == 200, reply.content
    return reply.headers["Location"].removeprefix(bucket.client.url)


def send(client: Client, session: str, first: int, end: int, total: int | str = "*") -> Reply:
    """A chunk of DATA."""
    return client.call("PUT", session, data=DATA[first:end], Content_Range=f"bytes {first}-{end - 1}/{total}")


def ask(client: Client, session: str, total: int | str = "*") -> tuple[int, str | None]:
    """Where a session stands: status and how much is kept."""
    reply = client.call("PUT", session, Content_Range=f"bytes */{total}")
    return reply.status, reply.headers.get("Range")


def test_multipart_keeps_metadata(operator: Client, bucket: Bucket) -> None:
    meta = {"name": "dir/multi", "metadata": {"run": "7"}, "contentType": "application/json"}
    data = os.urandom(4096) + b"\r\n--not-the-boundary\r\n"
    parts = [b"--edge", b"Content-Type: application/json; charset=UTF-8", b"", json.dumps(meta).encode()]
    parts += [b"--edge", b"Content-Type: application/octet-stream", b"", data, b"--edge--", b""]
    path, header = f"{bucket.uploads}?uploadType=multipart", 'multipart/related; boundary="edge"'
    reply = operator.call("POST", path, data=b"\r\n".join(parts), Content_Type=header)
    assert reply.status == 200, reply.content
    assert (reply.body["metadata"], reply.body["contentType"]) == ({"run": "7"}, "application/json")
    assert bucket.read("dir%2Fmulti") == data
    broken = operator.call("POST", path, data=b"--edge\r\n", Content_Type=header)
    assert (broken.status, broken.message.partition(":")[0]) == (400, "Malformed multipart body")


def test_an_upload_of_no_known_kind(operator: Client, bucket: Bucket) -> None:
    assert operator.call("POST", f"{bucket.uploads}?uploadType=carrier-pigeon&name=x", data=b"x").status == 400


@pytest.mark.parametrize("prefix", ["", "/resumable"])
def test_chunks_of_unknown_total(sandbox: Sandbox, bucket: Bucket, prefix: str) -> None:
    before = set((sandbox.state / "uploads").iterdir())
    session = start(bucket, "big", prefix)
    assert ask(bucket.client, session) == (308, None)
    half = send(bucket.client, session, 0, UNIT)
    assert (half.status, half.headers["Range"]) == (308, f"bytes=0-{UNIT - 1}")
    gap = send(bucket.client, session, 2 * UNIT, 3 * UNIT)
    assert gap.status == 400
    done = send(bucket.client, session, UNIT, len(DATA), len(DATA))
    assert (done.status, done.body["size"], done.body["contentType"]) == (200, str(len(DATA)), "text/x-model")
    assert bucket.read("big") == DATA
    assert ask(bucket.client, session)[0] == 200, "a finished session answers with its object"
    assert set((sandbox.state / "uploads").iterdir()) == before


def test_a_chunk_is_kept_in_units_and_sent_again_in_part(bucket: Bucket) -> None:
    session = start(bucket, "units")
    odd = send(bucket.client, session, 0, UNIT + 5)
    assert odd.headers["Range"] == f"bytes=0-{UNIT - 1}"
    again = send(bucket.client, session, 0, 2 * UNIT)
    assert again.headers["Range"] == f"bytes=0-{2 * UNIT - 1}"
    assert send(bucket.client, session, 0, len(DATA), len(DATA)).status == 200
    assert bucket.read("units") == DATA


def test_the_last_request_may_be_only_a_question(bucket: Bucket) -> None:
    session = start(bucket, "asked")
    assert send(bucket.client, session, 0, UNIT).status == 308
    assert ask(bucket.client, session, UNIT)[0] == 200
    assert bucket.read("asked") == DATA[:UNIT]


def test_the_content_type_may_be_announced(bucket: Bucket) -> None:
    path = f"{bucket.uploads}?uploadType=resumable&name=announced"
    reply = bucket.client.call("POST", path, X_Upload_Content_Type="image/png")
    session = reply.headers["Location"].removeprefix(bucket.client.url)
    assert send(bucket.client, session, 0, len(DATA), len(DATA)).body["contentType"] == "image/png"


def test_a_whole_body_without_a_range(bucket: Bucket) -> None:
    session = start(bucket, "whole")
    assert bucket.client.call("PUT", session, data=DATA).status == 200
    assert bucket.read("whole") == DATA


@pytest.mark.parametrize("header", ["bytes 0-5", "0-5/6", "bytes 0-9/5"])
def test_ranges_that_make_no_sense(bucket: Bucket, header: str) -> None:
    session = start(bucket, "nonsense")
    assert bucket.client.call("PUT", session, data=b"012345", Content_Range=header).status == 400


def test_a_cancelled_session_stays_cancelled(sandbox: Sandbox, bucket: Bucket) -> None:
    before = set((sandbox.state / "uploads").iterdir())
    for prefix in ("", "/resumable"):
        session = start(bucket, "cancelled", prefix)
        send(bucket.client, session, 0, UNIT)
        assert bucket.client.call("DELETE", session).status == 499
        assert ask(bucket.client, session)[0] == 499
    assert set((sandbox.state / "uploads").iterdir()) == before
    assert bucket.client.call("DELETE", session.replace("upload_id=", "upload_id=x")).status == 404


def test_a_checksum_refuses_the_last_chunk(operator: Client, bucket: Bucket) -> None:
    session = start(bucket, "damaged")
    reply = operator.call(
        "PUT", session, data=DATA, Content_Range=f"bytes 0-{LAST}/{len(DATA)}", X_Goog_Hash="crc32c=AAAAAA=="
    )
    assert (reply.status, "doesn't match calculated CRC32C" in reply.message) == (400, True)
    assert operator.call("GET", f"{bucket.path}/o/damaged").status == 404


def test_a_condition_holds_at_the_start_and_at_the_end(bucket: Bucket) -> None:
    session = start(bucket, "raced", query="&ifGenerationMatch=0")
    bucket.put("raced", b"first")
    assert send(bucket.client, session, 0, len(DATA), len(DATA)).status == 412
    assert bucket.read("raced") == b"first"
    path = f"{bucket.uploads}?uploadType=resumable&name=raced&ifGenerationMatch=0"
    assert bucket.client.call("POST", path, {}).status == 412


def test_of_many_that_create_an_object_one_wins(sandbox: Sandbox, bucket: Bucket) -> None:
    key = json.loads(sandbox.key_file.read_text())
    clients = [Client(sandbox.url, key) for _ in range(RIVALS)]

    def create(number: int) -> int:
        path = f"{bucket.uploads}?uploadType=media&name=contested&ifGenerationMatch=0"
        return clients[number].call("POST", path, data=bytes([number]) * UNIT).status

    with ThreadPoolExecutor(RIVALS) as pool:
        assert sorted(pool.map(create, range(RIVALS))) == [200] + [412] * (RIVALS - 1)
    assert len(set(bucket.read("contested"))) == 1, "the bytes of one alone"


def test_a_sessions_address_lets_in(bucket: Bucket) -> None:
    session = start(bucket, "addressed")
    assert bucket.client.call("PUT", session, data=DATA, Authorization="").status == 200
    anonymous = bucket.client.call("PUT", session.partition("upload_id=")[0] + "upload_id=guess", Authorization="")
    assert anonymous.status == 404


def test_a_session_belongs_to_who_may_create(sandbox: Sandbox, bucket: Bucket) -> None:
    session = start(bucket, "mine")
    assert send(sandbox.account("upload-outsider"), session, 0, UNIT).status == 403


def test_a_dropped_connection_loses_only_what_had_not_arrived(bucket: Bucket) -> None:
    session = start(bucket, "dropped")
    host, _, port = bucket.client.url.removeprefix("http://").partition(":")
    head = f"PUT {session} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {bucket.client.token}\r\n"
    head += f"Content-Range: bytes 0-{LAST}/{len(DATA)}\r\nContent-Length: {len(DATA)}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + DATA[: 2 * UNIT + 9])
    _wait_for(lambda: ask(bucket.client, session) == (308, f"bytes=0-{2 * UNIT - 1}"))
    assert send(bucket.client, session, 2 * UNIT, len(DATA), len(DATA)).status == 200
    assert bucket.read("dropped") == DATA


def test_a_kill_between_chunks_loses_nothing_that_was_answered(sandbox: Sandbox, bucket: Bucket) -> None:
    session = start(bucket, "killed")
    kept = send(bucket.client, session, 0, 2 * UNIT).headers["Range"]
    sandbox.kill()
    sandbox.restart()
    assert ask(bucket.client, session) == (308, kept)
    assert send(bucket.client, session, 2 * UNIT, len(DATA), len(DATA)).status == 200
    assert bucket.read("killed") == DATA


def test_a_kill_right_after_the_last_chunk(sandbox: Sandbox, bucket: Bucket) -> None:
    bucket.put("finished", b"older")
    session = start(bucket, "finished")
    done = send(bucket.client, session, 0, len(DATA), len(DATA))
    sandbox.kill()
    sandbox.restart()
    asked = bucket.client.call("PUT", session, Content_Range=f"bytes */{len(DATA)}")
    assert (asked.status, asked.body) == (200, done.body)
    assert bucket.read("finished") == DATA
    files = {path.name for path in (sandbox.state / "objects").iterdir()}
    assert len(files) == len(bucket.names("versions=true")), "no stray file is left"


def test_a_kill_in_the_middle_of_a_chunk(sandbox: Sandbox, bucket: Bucket) -> None:
    session = start(bucket, "torn")
    kept = send(bucket.client, session, 0, UNIT).headers["Range"]
    host, _, port = bucket.client.url.removeprefix("http://").partition(":")
    head = f"PUT {session} HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {bucket.client.token}\r\n"
    head += f"Content-Range: bytes {UNIT}-{LAST}/{len(DATA)}\r\nContent-Length: {len(DATA) - UNIT}\r\n\r\n"
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + DATA[UNIT : UNIT + 10])
        sandbox.kill()
    sandbox.restart()
    assert ask(bucket.client, session) == (308, kept)
    assert send(bucket.client, session, UNIT, len(DATA), len(DATA)).status == 200
    assert bucket.read("torn") == DATA


def test_a_session_expires_after_a_week(sandbox: Sandbox, bucket: Bucket) -> None:
    session = start(bucket, "old")
    upload_id = session.partition("upload_id=")[2]
    sandbox.kill()
    with sqlite3.connect(sandbox.state / "state.sqlite") as database:
        read = "SELECT document FROM documents WHERE collection = 'uploads' AND key = ?"
        upload = json.loads(database.execute(read, (upload_id,)).fetchone()[0])
        old = json.dumps(upload | {"started": time.time() - WEEK - 1})
        write = "UPDATE documents SET document = ? WHERE collection = 'uploads' AND key = ?"
        database.execute(write, (old, upload_id))
    sandbox.restart()
    assert ask(bucket.client, session)[0] == 410
    assert ask(bucket.client, session)[0] == 404


class Witness:
    """A file that remembers what was committed when it was let go of."""

    def __init__(self, database: Path) -> None:
        self._database, self.committed = database, False

    def unlink(self, *, missing_ok: bool) -> None:
        """As a file's."""
        assert missing_ok
        with sqlite3.connect(self._database) as database:
            self.committed = bool(database.execute("SELECT * FROM documents").fetchall())


def test_bytes_go_only_after_the_commit(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("objects", "bucket/name", {"file": "new"})
    witness = Witness(tmp_path / "state.sqlite")
    settle(store, [cast("Path", witness)])
    assert witness.committed
    store.close()


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
