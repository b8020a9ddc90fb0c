"""A killed sandbox comes back as it was: nothing answered is lost, nothing begun is left half done."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from sandbox.tests.running import ATTACHED, PROJECT, Sandbox

BUCKET = "survives"
# What a resumable upload keeps of an unfinished chunk.
UNIT = 256 << 10


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    """A process of the module's own, with operations long enough to be killed in."""
    sandbox = Sandbox(operation_seconds=0.3)
    yield sandbox
    sandbox.destroy()


@pytest.fixture
def own_sandbox(slow_sandbox: Sandbox) -> Sandbox:
    """A fresh project in it."""
    slow_sandbox.reset()
    return slow_sandbox


def postmasters(sandbox: Sandbox) -> list[str]:
    """Process ids of PostgreSQL servers below the sandbox's state."""
    found = (sandbox.state / "postgresql").glob("*/data/postmaster.pid")
    return [path.read_text().splitlines()[0] for path in found]


def is_alive(pid: str) -> bool:
    """Whether the process runs (one that ended but that nobody reaped yet does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_kill_loses_nothing_and_clusters_are_adopted(own_sandbox: Sandbox) -> None:
    operator = own_sandbox.operator
    own_sandbox.create_instance("metadata")
    operator.must("POST", "instances/metadata/users", {"name": "ada", "password": "right"})
    operator.must("POST", "instances/metadata/databases", {"name": "runs"})
    operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    upload = f"/upload/storage/v1/b/{BUCKET}/o?uploadType"
    operator.call("POST", f"{upload}=media&name=model", data=b"weights")
    session = operator.call("POST", f"{upload}=resumable&name=later", {}).headers["Location"].removeprefix(operator.url)
    operator.call("PUT", session, data=bytes(UNIT), Content_Range=f"bytes 0-{UNIT - 1}/{UNIT + 4}")
    operator.must("POST", "serviceAccounts", {"accountId": ATTACHED.partition("@")[0]})
    before = operator.get("instances/metadata")
    running = postmasters(own_sandbox)

    own_sandbox.kill()
    own_sandbox.restart()

    assert operator.get("instances/metadata") == before, "the same CA, settings and token too"
    assert postmasters(own_sandbox) == running != []
    assert {user["name"] for user in operator.get("instances/metadata/users")["items"]} == {"postgres", "ada"}
    assert operator.call("GET", f"/storage/v1/b/{BUCKET}/o/model?alt=media").content == b"weights"
    done = operator.call("PUT", session, data=b"rest", Content_Range=f"bytes {UNIT}-{UNIT + 3}/{UNIT + 4}")
    assert (done.status, done.body["size"]) == (200, str(UNIT + 4))
    assert operator.get(f"serviceAccounts/{ATTACHED}")["email"] == ATTACHED


def test_operations_that_a_kill_interrupted_end_well(own_sandbox: Sandbox) -> None:
    operator = own_sandbox.operator
    body = {"name": "metadata", "region": "europe-west3", "databaseVersion": "POSTGRES_14", "rootPassword": "root-pw"}
    creation = operator.must("POST", "instances", body | {"settings": {"tier": "db-f1-micro"}})
    own_sandbox.kill()
    own_sandbox.restart()
    assert "error" not in operator.wait(creation)
    assert operator.get("instances/metadata")["state"] == "RUNNABLE"

    change = operator.must("PATCH", "instances/metadata", {"settings": {"tier": "db-g1-small"}})
    own_sandbox.kill()
    own_sandbox.restart()
    operator.wait(change)
    settings = operator.get("instances/metadata")["settings"]
    assert (settings["tier"], settings["settingsVersion"]) == ("db-g1-small", "2")

    removal = operator.must("DELETE", "instances/metadata")
    own_sandbox.kill()
    own_sandbox.restart()
    operator.wait(removal)
    assert operator.call("GET", "instances/metadata").status == 404
    assert postmasters(own_sandbox) == []


def test_a_clean_stop_stops_the_clusters_and_keeps_the_data(own_sandbox: Sandbox) -> None:
    own_sandbox.create_instance("metadata")
    own_sandbox.operator.must("POST", "instances/metadata/databases", {"name": "runs"})
    (pid,) = postmasters(own_sandbox)
    assert own_sandbox.stop() == 0
    assert not is_alive(pid)
    assert postmasters(own_sandbox) == []
    own_sandbox.restart()
    assert own_sandbox.operator.get("instances/metadata/databases/runs")["name"] == "runs"


def test_a_tier_or_flag_change_really_restarts_postgresql(own_sandbox: Sandbox) -> None:
    operator = own_sandbox.operator
    own_sandbox.create_instance("metadata")
    (socket,) = (own_sandbox.state / "postgresql").glob("*/socket")

    def asked(setting: str) -> str:
        with psycopg.connect(host=str(socket), user="cloudsqladmin", dbname="postgres") as connection:
            row = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
        assert row is not None
        return str(row[0])

    def patch(**settings: object) -> None:
        operator.wait(operator.must("PATCH", "instances/metadata", {"settings": settings}))

    assert asked("max_connections") == "25"
    first = postmasters(own_sandbox)
    patch(tier="db-g1-small")
    second = postmasters(own_sandbox)
    assert (asked("max_connections"), first == second) == ("50", False)
    patch(databaseFlags=[{"name": "log_min_duration_statement", "value": "250"}])
    assert (asked("log_min_duration_statement"), postmasters(own_sandbox)) == ("250ms", second)
    patch(databaseFlags=[{"name": "max_connections", "value": "33"}])
    assert (asked("max_connections"), asked("log_min_duration_statement")) == ("33", "-1")
    assert postmasters(own_sandbox) != second
