"""Operations: one at a time an instance, refused in Google's words, listed and found again."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, manage, sql
from sandbox.tests.running import Client, Sandbox

INSTANCE = "metadata"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance for the module."""
    return sandbox.create_instance(INSTANCE)


def test_every_write_on_a_busy_instance_is_409(operator: Client) -> None:
    path = f"instances/{INSTANCE}"
    clone = {"cloneContext": {"destinationInstanceName": "copy"}}
    running = operator.must("POST", f"{path}/backupRuns", {})
    replies = [
        operator.call("PATCH", path, {"settings": {}}),
        operator.call("DELETE", f"{path}?enableFinalBackup=true"),
        operator.call("POST", f"{path}/restart"),
        operator.call("POST", f"{path}/backupRuns", {}),
        operator.call("POST", f"{path}/clone", clone),
        operator.call("POST", f"{path}/databases", {"name": "early"}),
        operator.call("DELETE", f"{path}/users?name=postgres"),
    ]
    assert {(reply.status, reply.reason) for reply in replies} == {(409, "operationInProgress")}
    assert replies[0].message == (
        "Operation failed because another operation was already in progress. "
        "Try your request after the current operation is complete."
    )
    operator.wait(running)
    assert len(operator.get(f"{path}/backupRuns")["items"]) == 1, "a refused backup leaves nothing"
    assert "copy" not in [one["name"] for one in operator.get("instances")["items"]]


def test_a_restart_restarts(sandbox: Sandbox, operator: Client) -> None:
    before = sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()")
    assert done(operator, "POST", f"instances/{INSTANCE}/restart")["operationType"] == "RESTART"
    assert sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()") > before


def test_operations_are_listed_newest_first_and_in_pages(operator: Client) -> None:
    first = operator.get(f"operations?instance={INSTANCE}&maxResults=2")
    second = operator.get(f"operations?instance={INSTANCE}&maxResults=2&pageToken={first['nextPageToken']}")
    times = [one["insertTime"] for one in first["items"] + second["items"]]
    assert times == sorted(times, reverse=True)
    assert not {one["name"] for one in first["items"]} & {one["name"] for one in second["items"]}


def test_an_unknown_operation_is_404_in_googles_words(operator: Client) -> None:
    for method, path in (("GET", "operations/nope"), ("POST", "operations/nope/cancel")):
        reply = operator.call(method, path)
        assert (reply.status, reply.reason) == (404, "operationDoesNotExist"), path
        assert reply.message == "The Cloud SQL instance operation does not exist."


def test_what_is_done_or_cannot_be_undone_is_not_cancelled(operator: Client) -> None:
    running = operator.must("POST", f"instances/{INSTANCE}/restart")
    replies = [operator.call("POST", f"operations/{running['name']}/cancel")]
    operator.wait(running)
    replies.append(operator.call("POST", f"operations/{running['name']}/cancel"))
    assert {(reply.status, reply.reason) for reply in replies} == {(409, "invalidState")}
    assert replies[0].message == "The instance or operation is not in an appropriate state to handle the request."


def test_a_deleted_name_is_free_at_once_unless_it_is_reserved(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("short")
    done(operator, "DELETE", "instances/short")
    manage(sandbox, "PUT", "/instance-names", {"reservedDays": 7})
    body: Json = {"name": "short", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    body |= {"settings": {"tier": "db-f1-micro"}}
    reply = operator.call("POST", "instances", body)
    assert (reply.status, reply.reason) == (409, "instanceAlreadyExists")
    assert "until one week from the deletion date" in reply.message
    clone = {"cloneContext": {"destinationInstanceName": "short"}}
    assert operator.call("POST", f"instances/{INSTANCE}/clone", clone).status == 409
    assert manage(sandbox, "PUT", "/instance-names", {"reservedDays": 0}) == {"reservedDays": 0}
    done(operator, "POST", "instances", body)
    assert "reservedDays" in manage(sandbox, "PUT", "/instance-names", {"reservedDays": -1}, status=400)["error"]


def test_two_instances_are_worked_on_at_a_time(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("second")
    running = [operator.must("POST", f"instances/{name}/restart") for name in (INSTANCE, "second")]
    assert all("error" not in operator.wait(operation) for operation in running)


@pytest.mark.parametrize(
    ("kind", "path", "body"),
    [
        ("RESTART", f"instances/{INSTANCE}/restart", {}),
        ("BACKUP_VOLUME", f"instances/{INSTANCE}/backupRuns", {}),
        ("CLONE", f"instances/{INSTANCE}/clone", {"cloneContext": {"destinationInstanceName": "failed-copy"}}),
        ("CREATE_USER", f"instances/{INSTANCE}/users", {"name": "ada", "password": "x"}),
    ],
)
def test_an_operation_that_fails_is_done_with_its_error(
    sandbox: Sandbox, operator: Client, kind: str, path: str, body: Json
) -> None:
    error = {"code": "INTERNAL_ERROR", "message": "out of luck"}
    manage(sandbox, "POST", "/faults", {"operation": kind, "nth": 1, "action": {"error": error}})
    ended = operator.wait(operator.must("POST", path, body))
    assert ended["error"]["errors"] == [{"kind": "sql#operationError", **error}]
    manage(sandbox, "DELETE", "/faults")


def test_what_failed_is_there_to_see_and_to_delete(sandbox: Sandbox, operator: Client) -> None:
    """After the failures above."""
    run = operator.get(f"instances/{INSTANCE}/backupRuns")["items"][0]
    assert (run["status"], run["error"]["message"]) == ("FAILED", "out of luck")
    assert operator.get("instances/failed-copy")["state"] == "FAILED"
    for method, path in (("PATCH", "instances/failed-copy"), ("POST", "instances/failed-copy/restart")):
        reply = operator.call(method, path, {})
        assert (reply.status, reply.reason) == (409, "invalidState")
    done(operator, "DELETE", "instances/failed-copy")
    assert operator.call("GET", f"instances/{INSTANCE}/users/ada").status == 404

    error = {"code": "INTERNAL_ERROR"}
    manage(sandbox, "POST", "/faults", {"operation": "DELETE", "nth": 1, "action": {"error": error}})
    ended = operator.wait(operator.must("DELETE", f"instances/{INSTANCE}?enableFinalBackup=true"))
    assert ended["error"]["errors"] == [{"kind": "sql#operationError", **error}]
    assert operator.get(f"instances/{INSTANCE}")["state"] == "RUNNABLE"
    assert "backups" not in operator.get("backups?filter=type:FINAL")


def test_a_page_token_that_nobody_gave_out_is_refused(operator: Client) -> None:
    for path in ("instances", "operations", f"instances/{INSTANCE}/backupRuns", "backups"):
        reply = operator.call("GET", f"{path}?pageToken=later")
        assert (reply.status, "page token" in reply.message) == (400, True), path
