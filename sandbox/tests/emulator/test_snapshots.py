"""Snapshots: everything comes back, in a second or so, and a kill in between leaves one state or the other."""

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import requests
from psycopg import sql

from sandbox.core.documents import Json
from sandbox.tests import faults
from sandbox.tests.faults import held
from sandbox.tests.running import PROJECT, Sandbox

BUCKET, DATABASE = "snapshots", "mlflow"
LIMIT_SECONDS = 2.0
# What a resumable upload keeps of an unfinished chunk.
UNIT = 256 << 10
# Of MLflow's schema, what fills: some runs with their parameters, a training's metrics.
RUNS, METRICS = 500, 50_000
MLFLOW_LIKE = """
CREATE TABLE runs (run_uuid varchar(32) PRIMARY KEY, name text, status text, artifact_uri text);
CREATE TABLE params (key varchar(250), value varchar(8000), run_uuid varchar(32) REFERENCES runs);
CREATE TABLE metrics (key varchar(250), value float, timestamp bigint, step bigint, run_uuid varchar(32));
CREATE INDEX ON metrics (run_uuid, key);
INSERT INTO runs SELECT md5(n::text), 'run ' || n, 'FINISHED', 'gs://b/' || n FROM generate_series(1, {runs}) n;
INSERT INTO params SELECT 'p' || p, repeat('v', 200), run_uuid FROM runs, generate_series(1, 10) p;
INSERT INTO metrics SELECT 'loss', random(), n, n, md5((1 + n % {runs})::text) FROM generate_series(1, {metrics}) n;
"""


@pytest.fixture(scope="module")
def own() -> Iterator[Sandbox]:
    """A process of the module's own: it is killed here and there."""
    sandbox = Sandbox()
    sandbox.reset()
    sandbox.create_instance("metadata")
    sandbox.operator.must("POST", "instances/metadata/databases", {"name": DATABASE})
    execute(sandbox, MLFLOW_LIKE.format(runs=RUNS, metrics=METRICS))
    sandbox.operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    for number in range(20):
        put(sandbox, f"artifact-{number}", secrets.token_bytes(1 << 20))
    yield sandbox
    sandbox.destroy()


@pytest.fixture(autouse=True)
def no_snapshots(own: Sandbox) -> Iterator[None]:
    """None of another test."""
    yield
    requests.delete(f"{own.management}/faults", timeout=10)
    for one in requests.get(f"{own.management}/snapshots", timeout=10).json():
        requests.delete(f"{own.management}/snapshots/{one['name']}", timeout=10).raise_for_status()


def execute(sandbox: Sandbox, statements: str) -> None:
    """SQL in the instance's database."""
    with connection(sandbox) as session:
        session.execute(statements.encode())


def connection(sandbox: Sandbox) -> psycopg.Connection:
    """A session as Cloud SQL's administrator, past the emulator."""
    folders = (path for path in (sandbox.state / "postgresql").iterdir() if path.name != "templates")
    # Each instance's folder has the name that its DNS name begins with.
    name = sandbox.operator.get("instances/metadata/connectSettings")["dnsName"].partition(".")[0]
    socket = next(path / "socket" for path in folders if path.name == name)
    return psycopg.connect(host=str(socket), user="cloudsqladmin", dbname=DATABASE, autocommit=True)


def count(sandbox: Sandbox, table: str) -> int:
    with connection(sandbox) as session:
        row = session.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def put(sandbox: Sandbox, name: str, data: bytes) -> None:
    path = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name}"
    assert sandbox.operator.call("POST", path, data=data).status == 200


def read(sandbox: Sandbox, name: str) -> bytes:
    return sandbox.operator.call("GET", f"/storage/v1/b/{BUCKET}/o/{name}?alt=media").content


def manage(sandbox: Sandbox, method: str, path: str, body: Json | None = None) -> float:
    """A call of the management port that must succeed; its seconds."""
    started = time.monotonic()
    reply = requests.request(method, f"{sandbox.management}{path}", json=body, timeout=60)
    assert reply.ok, reply.text
    return time.monotonic() - started


def refusal(sandbox: Sandbox, method: str, path: str, body: Json | None = None) -> str:
    """What is said to a call that must be refused."""
    reply = requests.request(method, f"{sandbox.management}{path}", json=body, timeout=60)
    assert reply.status_code == 400, reply.text
    return str(reply.json()["error"])


def test_everything_comes_back(own: Sandbox) -> None:
    operator = own.operator
    operator.must("POST", "secrets?secretId=kept", {"replication": {"automatic": {}}})
    put(own, "overwritten", b"before")
    upload = f"/upload/storage/v1/b/{BUCKET}/o?uploadType=resumable&name=later"
    session = operator.call("POST", upload, {}).headers["Location"].removeprefix(operator.url)
    operator.call("PUT", session, data=bytes(UNIT), Content_Range=f"bytes 0-{UNIT - 1}/{UNIT + 4}")
    before = operator.get("instances/metadata")
    asked = len(own.requests())
    manage(own, "POST", "/snapshots", {"name": "first"})

    rest = f"bytes {UNIT}-{UNIT + 3}/{UNIT + 4}"
    assert operator.call("PUT", session, data=b"late", Content_Range=rest).status == 200
    execute(own, "DROP TABLE params; DELETE FROM metrics; CREATE TABLE late (n int)")
    operator.must("DELETE", "secrets/kept")
    put(own, "overwritten", b"after")
    put(own, "late", b"late")
    operator.wait(operator.must("PATCH", "instances/metadata", {"settings": {"userLabels": {"late": "yes"}}}))
    own.create_instance("late")
    late = own.account("late-account")
    manage(own, "POST", "/snapshots/first:restore")

    assert operator.get("instances/metadata") == before
    assert operator.call("GET", "instances/late").status == 404
    assert (count(own, "metrics"), count(own, "params"), count(own, "runs")) == (METRICS, 10 * RUNS, RUNS)
    with pytest.raises(psycopg.errors.UndefinedTable):
        count(own, "late")
    assert operator.get("secrets/kept")["name"].endswith("/kept")
    assert (read(own, "overwritten"), len(read(own, "artifact-19"))) == (b"before", 1 << 20)
    assert operator.call("GET", f"/storage/v1/b/{BUCKET}/o/late").status == 404
    done = operator.call("PUT", session, data=b"rest", Content_Range=rest)
    assert (done.status, read(own, "later")) == (200, bytes(UNIT) + b"rest")
    assert late.call("GET", "secrets").status == 401, "tokens are what they were"
    assert len(own.requests()) > asked, "the recorder goes on"
    folders = {path.name for path in (own.state / "postgresql").iterdir()} - {"templates"}
    assert len(folders) == 1, "nothing stays of an instance that is no more"


def test_both_ways_take_less_than_two_seconds(own: Sandbox) -> None:
    saving, restoring = [], []
    for number in range(3):
        saving.append(manage(own, "POST", "/snapshots", {"name": f"timed-{number}"}))
        execute(own, "DELETE FROM metrics WHERE step % 3 = 0; DROP TABLE params")
        restoring.append(manage(own, "POST", "/snapshots/timed-0:restore"))
    print(f"saved in {seconds(saving)} s, restored in {seconds(restoring)} s")
    assert count(own, "metrics") == METRICS
    # The best of three: other programs of a busy machine are not the sandbox's doing.
    assert max(min(saving), min(restoring)) < LIMIT_SECONDS


def seconds(durations: list[float]) -> str:
    return ", ".join(f"{duration:.2f}" for duration in durations)


def test_a_snapshot_can_be_restored_again_and_after_a_reset(own: Sandbox) -> None:
    manage(own, "POST", "/snapshots", {"name": "again"})
    for disaster in (own.reset, own.reset):
        disaster()
        assert own.operator.call("GET", "instances/metadata").status == 404
        manage(own, "POST", "/snapshots/again:restore")
        assert (count(own, "metrics"), len(read(own, "artifact-0"))) == (METRICS, 1 << 20)


def test_sessions_go_on_while_a_snapshot_is_saved(own: Sandbox) -> None:
    with connection(own) as session:
        manage(own, "POST", "/snapshots", {"name": "quiet"})
        assert session.execute("SELECT 1").fetchone() == (1,)
        manage(own, "POST", "/snapshots/quiet:restore")
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")


def test_what_is_refused(own: Sandbox) -> None:
    assert "no name for a snapshot" in refusal(own, "POST", "/snapshots", {"name": "../etc"})
    assert "`name` and nothing else" in refusal(own, "POST", "/snapshots", {"nmae": "x"})
    assert "There is no snapshot 'none'. Those there are: none." in refusal(own, "POST", "/snapshots/none:restore")
    assert "There is no snapshot" in refusal(own, "DELETE", "/snapshots/none")
    manage(own, "POST", "/snapshots", {"name": "one"})
    assert "There is a snapshot one already" in refusal(own, "POST", "/snapshots", {"name": "one"})
    (shown,) = requests.get(f"{own.management}/snapshots", timeout=10).json()
    assert (shown["name"], shown["instances"]) == ("one", ["metadata"])


def test_it_waits_for_requests_and_gives_up_on_held_ones(own: Sandbox) -> None:
    with ThreadPoolExecutor() as pool, faults.faults(own, {"path": ".*/secrets", "action": {"hold": True}}):
        answer = pool.submit(own.operator.call, "GET", "secrets")
        held(own)
        said = refusal(own, "POST", "/snapshots", {"name": "busy"})
        assert said == "1 requests are still being answered. Release what fault rules hold (GET /faults), or try again."
        assert own.operator.call("GET", "instances").status == 200, "the door is open again"
        requests.delete(f"{own.management}/faults", timeout=10)
        assert answer.result(timeout=10).status == 200
    slow = {"path": ".*/secrets", "action": {"delay": 0.5}}
    with ThreadPoolExecutor() as pool, faults.faults(own, slow):
        answer = pool.submit(own.operator.call, "GET", "secrets")
        while not faults.rule(own)["hits"]:
            time.sleep(0.01)
        manage(own, "POST", "/snapshots", {"name": "waited"})
        assert answer.result(timeout=10).status == 200


def test_an_operation_that_runs_is_not_caught_half_way(own: Sandbox) -> None:
    with faults.faults(own, {"operation": "UPDATE", "action": {"hold": True}}):
        change = own.operator.must("PATCH", "instances/metadata", {"settings": {"tier": "db-g1-small"}})
        held(own)
        said = refusal(own, "POST", "/snapshots", {"name": "busy"})
        assert said == "An operation runs (UPDATE of metadata): wait until it is DONE."
    own.operator.wait(change)


@pytest.mark.parametrize("delay", [0.02, 0.1])
def test_a_kill_while_one_is_saved_leaves_a_whole_one_or_none(own: Sandbox, delay: float) -> None:
    thread = threading.Thread(target=attempt, args=(own, "/snapshots", {"name": "interrupted"}))
    thread.start()
    time.sleep(delay)
    own.kill()
    thread.join()
    own.restart()
    assert not list((own.state / "snapshots").glob(".*"))
    if not requests.get(f"{own.management}/snapshots", timeout=10).json():
        manage(own, "POST", "/snapshots", {"name": "interrupted"})
    execute(own, "DELETE FROM metrics")
    manage(own, "POST", "/snapshots/interrupted:restore")
    assert count(own, "metrics") == METRICS


def attempt(sandbox: Sandbox, path: str, body: Json) -> None:
    """A call whose sandbox may be killed meanwhile."""
    with contextlib.suppress(requests.ConnectionError):
        requests.post(f"{sandbox.management}{path}", json=body, timeout=30)


def state_of(sandbox: Sandbox) -> tuple[bool, bool, bool, bool]:
    """Whether each kind of state is the changed one."""
    secret = sandbox.operator.call("GET", "secrets/changed").status == 200
    instance = sandbox.operator.call("GET", "instances/changed").status == 200
    return secret, instance, count(sandbox, "metrics") == 0, read(sandbox, "marker") == b"changed"


@pytest.mark.parametrize("delay", [0.002, 0.01, 0.05, 0.2, 0.5])
def test_a_kill_during_a_restore_leaves_one_state_or_the_other(own: Sandbox, delay: float) -> None:
    put(own, "marker", b"saved")
    manage(own, "POST", "/snapshots", {"name": "base"})
    own.operator.must("POST", "secrets?secretId=changed", {"replication": {"automatic": {}}})
    own.create_instance("changed")
    put(own, "marker", b"changed")
    execute(own, "DELETE FROM metrics")

    thread = threading.Thread(target=attempt, args=(own, "/snapshots/base:restore", {}))
    thread.start()
    time.sleep(delay)
    own.kill()
    thread.join()
    own.restart()
    found = state_of(own)
    print(f"killed after {delay} s: {'the changed' if found[0] else 'the restored'} state")
    assert found in ((False,) * 4, (True,) * 4)
    manage(own, "POST", "/snapshots/base:restore")
    assert state_of(own) == (False,) * 4
    running = list((own.state / "postgresql").glob("*/data/postmaster.pid"))
    assert len(running) == 1
    assert all(Path(f"/proc/{path.read_text().splitlines()[0]}").exists() for path in running)
