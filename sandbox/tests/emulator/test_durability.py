"""What was answered as done survives SIGKILL: writers of every API side by side, killed at random moments.

`DURABILITY_SEED=N` repeats a run's moments and contents.
"""

import base64
import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
import requests

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Client, Sandbox

SEED = int(os.environ.get("DURABILITY_SEED") or secrets.randbelow(10**6))
KILLS = 5
PAUSE_SECONDS = 0.05
# How many of each writer's last things are looked at after each kill; all of them after the last one.
NEWEST = 20
BUCKET, INSTANCE = "durable", "metadata"
# Between a kill and the restart there is nobody to answer.
DOWN = (requests.ConnectionError, requests.Timeout)


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    """A process of the module's own, with operations long enough to be killed in."""
    sandbox = Sandbox(operation_seconds=0.2)
    sandbox.reset()
    sandbox.operator.bind("roles/iam.roleAdmin", sandbox.operator.email)
    sandbox.create_instance(INSTANCE)
    sandbox.operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    sandbox.operator.must("POST", "secrets?secretId=many", {"replication": {"automatic": {}}})
    yield sandbox
    sandbox.destroy()


def drawn(what: str, number: int) -> bytes:
    """Bytes that the seed decides."""
    return hashlib.sha256(f"{SEED}-{what}-{number}".encode()).digest()


@dataclass
class Writer:
    """Writes one kind of thing again and again; `done` is what it was told is done, with its content."""

    write: Callable[[Client, str, bytes], bool]
    check: Callable[[Client, dict[str, bytes]], list[str]]
    done: dict[str, bytes] = field(default_factory=dict)

    def run(self, sandbox: Sandbox, kind: str, stop: threading.Event) -> None:
        """Until told to stop, over all kills."""
        client, number = own_client(sandbox), 0
        while not stop.is_set():
            number += 1
            name, content = f"{kind}-{number}", drawn(kind, number)
            try:
                if self.write(client, name, content):
                    self.done[name] = content
            except DOWN:
                pass
            time.sleep(PAUSE_SECONDS)


def own_client(sandbox: Sandbox) -> Client:
    """The operator, with a connection of its own (requests' sessions are not for several threads)."""
    client = Client.__new__(Client)
    client.url, client.email, client.token = sandbox.url, sandbox.operator.email, sandbox.operator.token
    client._session = requests.Session()
    return client


def ok(client: Client, method: str, path: str, body: Json | None = None) -> bool:
    """Whether a write was answered as done; an operation that runs is waited for, over a restart if need be."""
    reply = client.call(method, path, body)
    assert reply.status in (200, 409), reply.content
    if reply.status == 200 and reply.body.get("kind") == "sql#operation":
        return finished(client, reply.body)
    return reply.status == 200


def finished(client: Client, operation: Json) -> bool:
    """An operation that was answered is never lost, and ends well."""
    deadline = time.monotonic() + 30
    while operation["status"] != "DONE":
        assert time.monotonic() < deadline, f"never done: {operation}"
        time.sleep(0.02)
        try:
            reply = client.call("GET", f"operations/{operation['name']}")
        except DOWN:
            continue
        assert reply.status == 200, f"lost: {operation}"
        operation = reply.body
    assert "error" not in operation, operation
    return True


def missing(done: dict[str, bytes], there: set[str]) -> list[str]:
    return sorted(set(done) - there)


def add_version(client: Client, name: str, content: bytes) -> bool:
    payload = base64.b64encode(f"{name}:".encode() + content).decode()
    return ok(client, "POST", "secrets/many:addVersion", {"payload": {"data": payload}})


def versions(client: Client, done: dict[str, bytes]) -> list[str]:
    last = client.get("secrets/many/versions?pageSize=1")
    there = set()
    for number in range(1, int(last["versions"][0]["name"].rpartition("/")[2]) + 1 if last else 1):
        data = base64.b64decode(client.get(f"secrets/many/versions/{number}:access")["payload"]["data"])
        there.add(data.partition(b":")[0].decode() if data.partition(b":")[2] in done.values() else "")
    return missing(done, there)


def bind_member(client: Client, name: str, _: bytes) -> bool:
    """Read, modify, write under the etag: a lost update would lose another writer's member."""
    policy = client.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {}).body
    member = {"role": "roles/logging.logWriter", "members": [f"user:{name}@example.com"]}
    return ok(client, "POST", f"/v1/projects/{PROJECT}:setIamPolicy", {"policy": merged(policy, member)})


def merged(policy: Json, added: Json) -> Json:
    known = [one for one in policy["bindings"] if one["role"] == added["role"]]
    others = [one for one in policy["bindings"] if one["role"] != added["role"]]
    members = sorted({*(member for one in known for member in one["members"]), *added["members"]})
    return policy | {"bindings": [*others, {"role": added["role"], "members": members}]}


def members(client: Client, done: dict[str, bytes]) -> list[str]:
    policy = client.must("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    there = {member[5:].partition("@")[0] for one in policy["bindings"] for member in one["members"]}
    return missing(done, there)


def upload(client: Client, name: str, content: bytes) -> bool:
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
    return client.call("POST", path, data=content * 5000).status == 200


def objects(client: Client, done: dict[str, bytes]) -> list[str]:
    def is_there(name: str) -> bool:
        return client.call("GET", f"/storage/v1/b/{BUCKET}/o/{name}?alt=media").content == done[name] * 5000

    return [name for name in done if not is_there(name)]


def create_bucket(client: Client, name: str, _: bytes) -> bool:
    return ok(client, "POST", f"/storage/v1/b?project={PROJECT}", {"name": name})


def buckets(client: Client, done: dict[str, bytes]) -> list[str]:
    listed = client.get(f"/storage/v1/b?project={PROJECT}&maxResults=1000")["items"]
    return missing(done, {one["name"] for one in listed})


def create_user(client: Client, name: str, _: bytes) -> bool:
    return ok(client, "POST", f"instances/{INSTANCE}/users", {"name": name, "password": "pw"})


def users(client: Client, done: dict[str, bytes]) -> list[str]:
    return missing(done, {one["name"] for one in client.get(f"instances/{INSTANCE}/users")["items"]})


def create_database(client: Client, name: str, _: bytes) -> bool:
    return ok(client, "POST", f"instances/{INSTANCE}/databases", {"name": name})


def databases(client: Client, done: dict[str, bytes]) -> list[str]:
    return missing(done, {one["name"] for one in client.get(f"instances/{INSTANCE}/databases")["items"]})


def create_role(client: Client, name: str, content: bytes) -> bool:
    role = {"roleId": name.replace("-", "_"), "role": {"title": content.hex(), "includedPermissions": []}}
    return ok(client, "POST", "roles", role)


def roles(client: Client, done: dict[str, bytes]) -> list[str]:
    def is_there(name: str) -> bool:
        reply = client.call("GET", f"roles/{name.replace('-', '_')}")
        return reply.status == 200 and reply.body["title"] == done[name].hex()

    return [name for name in done if not is_there(name)]


def set_label(client: Client, name: str, _: bytes) -> bool:
    return ok(client, "PATCH", f"instances/{INSTANCE}", {"settings": {"userLabels": {name: "yes"}}})


def labels(client: Client, done: dict[str, bytes]) -> list[str]:
    return missing(done, set(client.get(f"instances/{INSTANCE}")["settings"]["userLabels"]))


def create_account(client: Client, name: str, _: bytes) -> bool:
    return ok(client, "POST", "serviceAccounts", {"accountId": name})


def accounts(client: Client, done: dict[str, bytes]) -> list[str]:
    def is_there(name: str) -> bool:
        email = f"{name}@{PROJECT}.iam.gserviceaccount.com"
        return client.call("GET", f"serviceAccounts/{email}").status == 200

    return [name for name in done if not is_there(name)]


WRITERS = {
    "version": (add_version, versions),
    "member": (bind_member, members),
    "member-b": (bind_member, members),
    "object": (upload, objects),
    "object-b": (upload, objects),
    "bucket": (create_bucket, buckets),
    "user": (create_user, users),
    "database": (create_database, databases),
    "role": (create_role, roles),
    "label": (set_label, labels),
    "account": (create_account, accounts),
}


def test_nothing_that_was_answered_as_done_is_lost(own: Sandbox) -> None:
    print(f"seed {SEED} (DURABILITY_SEED={SEED} repeats it)")
    stop = threading.Event()
    writers = {kind: Writer(*functions) for kind, functions in WRITERS.items()}
    problems: list[BaseException] = []

    def guarded(kind: str) -> None:
        try:
            writers[kind].run(own, kind, stop)
        except BaseException as error:
            problems.append(error)
            raise

    threads = [threading.Thread(target=guarded, args=(kind,)) for kind in writers]
    for thread in threads:
        thread.start()
    try:
        for kill in range(KILLS):
            time.sleep(0.3 + drawn("kill", kill)[0] / 256)
            known = {kind: dict(list(writer.done.items())[-NEWEST:]) for kind, writer in writers.items()}
            own.kill()
            own.restart()
            client = own_client(own)
            lost = {kind: writers[kind].check(client, done) for kind, done in known.items()}
            assert not any(lost.values()), f"seed {SEED}: {lost}"
            assert not problems
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not problems
    counts = {kind: len(writer.done) for kind, writer in writers.items()}
    print(f"{KILLS} kills, nothing lost of {counts}")
    assert all(counts.values()), "every writer got through"
    assert not any(writer.check(own_client(own), writer.done) for writer in writers.values())
