"""Backups: taken while sessions go on, restored with their data, gone or kept when their instance goes."""

import datetime as dt

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, manage, note, notes, sql
from sandbox.tests.running import PROJECT, Client, Sandbox

INSTANCE = "metadata"


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance for the module."""
    return sandbox.create_instance(INSTANCE)


def back_up(operator: Client, instance: str = INSTANCE, **body: str) -> Json:
    """An on-demand backup; its backup run."""
    operation = done(operator, "POST", f"instances/{instance}/backupRuns", dict(body))
    assert operation["operationType"] == "BACKUP_VOLUME"
    return operator.get(f"instances/{instance}/backupRuns/{operation['backupContext']['backupId']}")


def restore(operator: Client, run: str, *, source: str = INSTANCE, target: str = INSTANCE) -> Json:
    """A restore by backup run; the finished operation."""
    context = {"kind": "sql#restoreBackupContext", "backupRunId": run, "instanceId": source}
    return done(operator, "POST", f"instances/{target}/restoreBackup", {"restoreBackupContext": context})


def test_a_backup_run_has_the_fields_of_googles(operator: Client) -> None:
    found = back_up(operator, description="before the upgrade", location="europe-west3")
    assert set(found) == {
        "kind",
        "id",
        "status",
        "enqueuedTime",
        "startTime",
        "endTime",
        "windowStartTime",
        "type",
        "description",
        "instance",
        "selfLink",
        "location",
        "databaseVersion",
        "backupKind",
        "maxChargeableBytes",
    }
    assert (found["kind"], found["status"], found["type"]) == ("sql#backupRun", "SUCCESSFUL", "ON_DEMAND")
    assert (found["description"], found["location"]) == ("before the upgrade", "europe-west3")
    assert (found["databaseVersion"], found["backupKind"]) == ("POSTGRES_14", "SNAPSHOT")
    assert found["enqueuedTime"] <= found["startTime"] <= found["endTime"]
    assert int(found["maxChargeableBytes"]) > 1_000_000
    assert found["selfLink"].endswith(f"/v1/projects/{PROJECT}/instances/{INSTANCE}/backupRuns/{found['id']}")


def test_runs_are_listed_newest_first_in_pages_and_deleted(operator: Client) -> None:
    ids = [back_up(operator)["id"] for _ in range(2)]
    listed = operator.get(f"instances/{INSTANCE}/backupRuns?maxResults=1")
    assert [item["id"] for item in listed["items"]] == ids[1:]
    following = operator.get(f"instances/{INSTANCE}/backupRuns?maxResults=1&pageToken={listed['nextPageToken']}")
    assert following["items"][0]["id"] == ids[0]
    operation = done(operator, "DELETE", f"instances/{INSTANCE}/backupRuns/{ids[0]}")
    assert (operation["operationType"], operation["targetId"]) == ("DELETE_BACKUP", INSTANCE)
    reply = operator.call("GET", f"instances/{INSTANCE}/backupRuns/{ids[0]}")
    assert (reply.status, reply.reason) == (404, "backupRunDoesNotExist")
    assert reply.message == "The backup run does not exist."


def test_a_restore_brings_back_rows_databases_users_and_passwords(sandbox: Sandbox, operator: Client) -> None:
    operator.must("POST", f"instances/{INSTANCE}/users", {"name": "ada", "password": "old"})
    note(sandbox, INSTANCE, "before")
    old = sql(sandbox, INSTANCE, "SELECT rolpassword FROM pg_authid WHERE rolname = 'ada'")
    run = back_up(operator)["id"]

    note(sandbox, INSTANCE, "after")
    operator.must("PUT", f"instances/{INSTANCE}/users?name=ada", {"password": "new"})
    operator.must("POST", f"instances/{INSTANCE}/users", {"name": "late", "password": "late"})
    operator.must("POST", f"instances/{INSTANCE}/databases", {"name": "late"})
    before = operator.get(f"instances/{INSTANCE}")
    operation = restore(operator, run)

    assert (operation["operationType"], operation["targetId"]) == ("RESTORE_VOLUME", INSTANCE)
    assert operation["backupContext"]["backupId"] == run
    assert notes(sandbox, INSTANCE) == ["before"]
    assert {user["name"] for user in operator.get(f"instances/{INSTANCE}/users")["items"]} == {"postgres", "ada"}
    assert operator.call("GET", f"instances/{INSTANCE}/databases/late").status == 404
    assert sql(sandbox, INSTANCE, "SELECT rolpassword FROM pg_authid WHERE rolname = 'ada'") == old
    assert operator.get(f"instances/{INSTANCE}") == before, "settings, address and CA are the instance's own"
    assert operator.get(f"instances/{INSTANCE}/backupRuns/{run}")["status"] == "SUCCESSFUL"


def test_sessions_go_on_while_a_backup_is_taken(sandbox: Sandbox, operator: Client) -> None:
    since = sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()")
    back_up(operator)
    assert sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()") == since


def test_a_backup_is_restored_into_another_instance(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("other")
    sql(sandbox, INSTANCE, "DROP TABLE IF EXISTS notes")
    note(sandbox, INSTANCE, "carried")
    run = back_up(operator)["id"]
    restore(operator, run, target="other")
    assert notes(sandbox, "other") == ["carried"]
    assert operator.get("instances/other/users")["items"][0]["instance"] == "other"
    assert "items" not in operator.get("instances/other/backupRuns")


def test_what_a_restore_refuses(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("large", dataDiskSizeGb="20")
    large = back_up(operator, "large")["id"]
    before = notes(sandbox, INSTANCE)

    def refused(target: str, **context: str) -> tuple[int, str]:
        reply = operator.call("POST", f"instances/{target}/restoreBackup", {"restoreBackupContext": context})
        return reply.status, reply.reason

    assert refused(INSTANCE, backupRunId="7") == (404, "backupRunDoesNotExist")
    assert refused("nope", backupRunId="7") == (404, "instanceDoesNotExist")
    smaller = refused(INSTANCE, backupRunId=large, instanceId="large")
    assert smaller == (400, "errorBackupSizeExceedsInstanceSize")
    assert notes(sandbox, INSTANCE) == before


def test_a_stopped_instance_is_neither_backed_up_nor_restored(operator: Client) -> None:
    run = back_up(operator)["id"]
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": {"activationPolicy": "NEVER"}})
    context = {"restoreBackupContext": {"backupRunId": run}}
    for path, body in (("backupRuns", {}), ("restoreBackup", context)):
        reply = operator.call("POST", f"instances/{INSTANCE}/{path}", body)
        assert (reply.status, "instance is not running" in reply.message) == (400, True), path
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": {"activationPolicy": "ALWAYS"}})


def test_the_same_backup_is_one_of_the_projects(operator: Client) -> None:
    run = back_up(operator, description="named")
    found = operator.get(f"backups?filter=instance:{INSTANCE}")["backups"][0]
    assert found["backupRun"] == f"projects/{PROJECT}/instances/{INSTANCE}/backupRuns/{run['id']}"
    assert found == operator.get(f"/v1/{found['name']}")
    assert (found["kind"], found["state"], found["type"]) == ("sql#backup", "SUCCESSFUL", "ON_DEMAND")
    assert found["backupInterval"] == {"startTime": run["startTime"], "endTime": run["endTime"]}
    assert found["instanceSettings"]["settings"]["tier"] == "db-f1-micro"
    change = {"description": "renamed", "ttlDays": "3"}
    operation = done(operator, "PATCH", f"/v1/{found['name']}?updateMask=description,ttl_days", change)
    assert operation["operationType"] == "UPDATE_BACKUP"
    changed = operator.get(f"/v1/{found['name']}")
    assert changed["description"] == "renamed"
    in_three_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=3)
    assert abs(dt.datetime.fromisoformat(changed["expiryTime"]) - in_three_days) < dt.timedelta(minutes=1)
    operation = done(operator, "DELETE", f"/v1/{found['name']}")
    assert operation["operationType"] == "DELETE_BACKUP"
    assert operation["targetLink"].endswith(found["name"].partition("/backups/")[2])
    assert operator.call("GET", f"/v1/{found['name']}").status == 404
    assert operator.call("GET", f"instances/{INSTANCE}/backupRuns/{run['id']}").status == 404


def test_a_backup_of_the_project_expires(operator: Client) -> None:
    body = {"instance": INSTANCE, "description": "short", "ttlDays": "2"}
    operation = done(operator, "POST", "backups", body)
    found = operator.get(f"/v1/{operation['backupContext']['name']}")
    in_two_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=2)
    assert abs(dt.datetime.fromisoformat(found["expiryTime"]) - in_two_days) < dt.timedelta(minutes=1)
    for wrong in ({"ttlDays": "366"}, {"ttlDays": "x"}, {"expiryTime": "2020-01-01T00:00:00Z"}):
        reply = operator.call("POST", "backups", {"instance": INSTANCE} | wrong)
        assert (reply.status, "expir" in reply.message) == (400, True), wrong
    assert operator.call("POST", "backups", {"instance": "nope"}).reason == "instanceDoesNotExist"


def test_backups_go_with_their_instance(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("brief")
    back_up(operator, "brief")
    files = set((sandbox.state / "backups").iterdir())
    done(operator, "DELETE", "instances/brief")
    assert "backups" not in operator.get("backups?filter=instance:brief")
    assert len(files - set((sandbox.state / "backups").iterdir())) == 1


def test_a_final_backup_outlives_its_instance_and_makes_a_new_one(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("finished", userLabels={"team": "ml"})
    note(sandbox, "finished", "last words")
    back_up(operator, "finished")
    done(
        operator, "DELETE", "instances/finished?enableFinalBackup=true&finalBackupTtlDays=5&finalBackupDescription=bye"
    )
    (final,) = operator.get("backups?filter=instance:finished")["backups"]
    assert (final["type"], final["state"], final["description"]) == ("FINAL", "SUCCESSFUL", "bye")
    assert final["instanceDeletionTime"]
    in_five_days = dt.datetime.now(dt.UTC) + dt.timedelta(days=5)
    assert abs(dt.datetime.fromisoformat(final["expiryTime"]) - in_five_days) < dt.timedelta(minutes=1)

    overrides = {"settings": {"tier": "db-g1-small"}}
    body = {"backup": final["name"], "restoreInstanceSettings": overrides}
    operation = done(operator, "POST", "instances/reborn/restoreBackup", body)
    assert (operation["operationType"], operation["targetId"]) == ("RESTORE_VOLUME", "reborn")
    assert notes(sandbox, "reborn") == ["last words"]
    settings = operator.get("instances/reborn")["settings"]
    assert (settings["tier"], settings["userLabels"]) == ("db-g1-small", {"team": "ml"})


def test_an_instance_that_is_gone_is_made_anew_under_its_name(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("again", finalBackupConfig={"enabled": True, "retentionDays": 9})
    note(sandbox, "again", "kept")
    done(operator, "DELETE", "instances/again")
    (final,) = operator.get("backups?filter=instance:again AND type:FINAL")["backups"]
    done(operator, "POST", "instances/again/restoreBackup", {"backup": final["name"]})
    assert notes(sandbox, "again") == ["kept"]
    assert "items" not in operator.get("instances/again/backupRuns"), "it is another instance of the same name"


def test_backups_are_retained_where_the_settings_say_so(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("retained", retainBackupsOnDelete=True)
    run = back_up(operator, "retained")["id"]
    done(operator, "DELETE", "instances/retained?enableFinalBackup=false")
    (kept,) = operator.get("backups?filter=instance:retained")["backups"]
    assert (kept["type"], kept["backupRun"].rpartition("/")[2]) == ("ON_DEMAND", run)


def test_the_automated_backup_runs_when_the_sandbox_is_told_and_as_many_are_kept(
    sandbox: Sandbox, operator: Client
) -> None:
    retention = {"retainedBackups": 2, "retentionUnit": "COUNT"}
    configuration = {"enabled": True, "startTime": "03:00", "backupRetentionSettings": retention}
    sandbox.create_instance("nightly", backupConfiguration=configuration)
    on_demand = back_up(operator, "nightly")["id"]
    for _ in range(3):
        operation = manage(sandbox, "POST", "/automated-backups", {"instance": "nightly"})
        operator.wait(operator.get(f"operations/{operation['operation']}"))
    runs = operator.get("instances/nightly/backupRuns")["items"]
    assert [run["type"] for run in runs] == ["AUTOMATED", "AUTOMATED", "ON_DEMAND"]
    assert runs[2]["id"] == on_demand
    refused = manage(sandbox, "POST", "/automated-backups", {"instance": INSTANCE}, status=400)
    assert "backupConfiguration.enabled is false" in refused["error"]
