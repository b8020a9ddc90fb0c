"""A sandbox killed in the middle of a backup, a restore, a clone or a deletion: the next one ends what was begun."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, manage, note, notes
from sandbox.tests.running import Client, Sandbox

INSTANCE = "metadata"
# Somewhere in the work, and when all of it is done but not saved yet.
MOMENTS = ("amid", "after")
AMID = 0.12


@pytest.fixture(scope="module")
def slow_sandbox() -> Iterator[Sandbox]:
    """A process of the module's own, with operations long enough to be killed in."""
    sandbox = Sandbox(operation_seconds=0.2)
    yield sandbox
    sandbox.destroy()


@pytest.fixture
def own_sandbox(slow_sandbox: Sandbox) -> Sandbox:
    """A fresh project with one instance and a row."""
    slow_sandbox.reset()
    slow_sandbox.create_instance(INSTANCE)
    note(slow_sandbox, INSTANCE, "first")
    return slow_sandbox


def killed(sandbox: Sandbox, moment: str, kind: str, begin: Callable[[], Json], worked: Callable[[], object]) -> None:
    """Begin an operation, kill and restart at that moment; it must end well. `worked`: whether its files show it."""
    if moment == "after":
        manage(sandbox, "POST", "/faults", {"operation": kind, "action": {"at": "after", "hold": True}})
    operation = begin()
    time.sleep(AMID)
    deadline = time.monotonic() + 20
    # Files only: a request would save what is to be lost.
    while moment == "after" and not worked():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    sandbox.kill()
    sandbox.restart()
    ended = sandbox.operator.wait(operation)
    assert "error" not in ended, ended


def clusters(sandbox: Sandbox) -> list[Path]:
    """The instances' data directories."""
    return list((sandbox.state / "postgresql").glob("*/data"))


def back_up(operator: Client) -> str:
    """A backup's run id."""
    operation = done(operator, "POST", f"instances/{INSTANCE}/backupRuns", {})
    return str(operation["backupContext"]["backupId"])


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_backup(own_sandbox: Sandbox, moment: str) -> None:
    operator, folder = own_sandbox.operator, own_sandbox.state / "backups"
    killed(
        own_sandbox,
        moment,
        "BACKUP_VOLUME",
        lambda: operator.must("POST", f"instances/{INSTANCE}/backupRuns", {}),
        lambda: list(folder.glob("*/data")),
    )
    (run,) = operator.get(f"instances/{INSTANCE}/backupRuns")["items"]
    assert run["status"] == "SUCCESSFUL"
    note(own_sandbox, INSTANCE, "second")
    body = {"restoreBackupContext": {"backupRunId": run["id"]}}
    done(operator, "POST", f"instances/{INSTANCE}/restoreBackup", body)
    assert notes(own_sandbox, INSTANCE) == ["first"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_restore(own_sandbox: Sandbox, moment: str) -> None:
    operator = own_sandbox.operator
    body = {"restoreBackupContext": {"backupRunId": back_up(operator)}}
    note(own_sandbox, INSTANCE, "second")
    (data,) = clusters(own_sandbox)
    killed(
        own_sandbox,
        moment,
        "RESTORE_VOLUME",
        lambda: operator.must("POST", f"instances/{INSTANCE}/restoreBackup", body),
        lambda: (data / "replaced").exists() and (data / "postmaster.pid").exists(),
    )
    assert notes(own_sandbox, INSTANCE) == ["first"]
    assert {path.name for path in data.parent.iterdir()} == {"data", "socket", "postgresql.log"}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_clone(own_sandbox: Sandbox, moment: str) -> None:
    operator = own_sandbox.operator
    body = {"cloneContext": {"destinationInstanceName": "copy"}}
    killed(
        own_sandbox,
        moment,
        "CLONE",
        lambda: operator.must("POST", f"instances/{INSTANCE}/clone", body),
        lambda: len(clusters(own_sandbox)) > 1,
    )
    assert operator.get("instances/copy")["state"] == "RUNNABLE"
    assert notes(own_sandbox, "copy") == notes(own_sandbox, INSTANCE) == ["first"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_deletion_with_a_final_backup(own_sandbox: Sandbox, moment: str) -> None:
    operator = own_sandbox.operator
    back_up(operator)
    killed(
        own_sandbox,
        moment,
        "DELETE",
        lambda: operator.must("DELETE", f"instances/{INSTANCE}?enableFinalBackup=true"),
        lambda: not clusters(own_sandbox),
    )
    assert operator.call("GET", f"instances/{INSTANCE}").status == 404
    (final,) = operator.get("backups")["backups"]
    assert (final["type"], final["state"]) == ("FINAL", "SUCCESSFUL")
    done(operator, "POST", "instances/reborn/restoreBackup", {"backup": final["name"]})
    assert notes(own_sandbox, "reborn") == ["first"]
    files = {path.name for path in (own_sandbox.state / "backups").iterdir()}
    assert files == {final["name"].rpartition("/")[2]}
