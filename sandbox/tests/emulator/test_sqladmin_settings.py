"""Settings: what is refused, replaced whole or reset, what restarts PostgreSQL, and the catalog of flags."""

import psycopg
import pytest

from sandbox.cloudsql.flag_table import TABLE
from sandbox.core.documents import Json
from sandbox.tests.emulator.database import done, sql
from sandbox.tests.running import Client, Sandbox

INSTANCE = "metadata"
# Where Google's page begins later than PostgreSQL does.
HIGHER_FLOOR = {
    "max_connections",
    "max_wal_senders",
    "max_worker_processes",
    "max_replication_slots",
    "temp_file_limit",
}
TYPES = {"integer": "INTEGER", "bool": "BOOLEAN", "real": "FLOAT", "enum": "STRING"}


@pytest.fixture(scope="module", autouse=True)
def instance(sandbox: Sandbox) -> Json:
    """One running instance for the module."""
    return sandbox.create_instance(INSTANCE)


def settings(operator: Client) -> Json:
    """The instance's settings now."""
    found: Json = operator.get(f"instances/{INSTANCE}")["settings"]
    return found


def patch(operator: Client, **change: object) -> Json:
    """A patch that must end well; the settings after it."""
    done(operator, "PATCH", f"instances/{INSTANCE}", {"settings": change})
    return settings(operator)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"maintenanceWindow": {"day": 9, "hour": 3}}, "maintenanceWindow.day (9) must be 0 to 7"),
        ({"maintenanceWindow": {"days": 1}}, 'Unknown name "days"'),
        ({"insightsConfig": {"queryStringLength": 10}}, "queryStringLength (10) must be 256 to 4500"),
        ({"backupConfiguration": {"startTime": "25:00"}}, "25:00"),
        ({"backupConfiguration": {"backupRetentionSettings": {"retainedBackups": 0}}}, "COUNT, 1 to 365"),
        ({"backupConfiguration": {"transactionLogRetentionDays": 8}}, "1 to 7 days"),
        ({"finalBackupConfig": {"enabled": True, "retentionDays": 366}}, "1 to 365"),
        ({"userLabels": {"Team": "ml"}}, "Invalid label (Team: ml)"),
        ({"edition": "DEVELOPER"}, "edition"),
        ({"ipConfiguration": {"sslMode": "SOMETIMES"}}, "ssl_mode"),
        ({"activeDirectoryConfig": {"domain": "x"}}, "does not emulate settings.activeDirectoryConfig"),
        ({"databaseFlags": [{"name": "max_connections", "value": "2"}]}, "Value requested is not valid."),
        ({"databaseFlags": [{"name": "log_statement", "value": "MOD"}]}, "MOD was not an expected string."),
        (
            {"databaseFlags": [{"name": "wrok_mem", "value": "64"}]},
            "misspelled or unsupported by Cloud SQL. (wrok_mem)",
        ),
        ({"databaseFlags": [{"name": "cloudsql.enable_pgaudit", "value": "on"}]}, "does not emulate the flag"),
        ({"databaseFlags": [{"name": "jit", "value": "on"}] * 2}, "twice"),
    ],
)
def test_what_settings_cannot_be(operator: Client, change: Json, fragment: str) -> None:
    before = settings(operator)
    reply = operator.call("PATCH", f"instances/{INSTANCE}", {"settings": change})
    assert (reply.status, fragment in reply.message) == (400, True), reply.message
    assert settings(operator) == before


@pytest.mark.parametrize("field", ["masterInstanceName", "diskEncryptionConfiguration", "onPremisesConfiguration"])
def test_what_is_not_emulated_is_refused(operator: Client, field: str) -> None:
    value: object = "other" if field == "masterInstanceName" else {"kmsKeyName": "k"}
    body: Json = {"name": "other", "region": "europe-west3", "databaseVersion": "POSTGRES_14", field: value}
    reply = operator.call("POST", "instances", body | {"settings": {"tier": "db-f1-micro"}})
    assert (reply.status, f"does not emulate {field}" in reply.message) == (400, True)


def test_a_patch_replaces_lists_whole_and_null_clears(operator: Client) -> None:
    first = [{"name": "work_mem", "value": "8192"}, {"name": "jit", "value": "true"}]
    after = patch(operator, databaseFlags=first, userLabels={"team": "ml", "env": "dev"})
    assert after["databaseFlags"] == [{"name": "work_mem", "value": "8192"}, {"name": "jit", "value": "on"}]
    after = patch(operator, databaseFlags=[{"name": "jit", "value": "off"}], userLabels={"env": "prod"})
    assert after["databaseFlags"] == [{"name": "jit", "value": "off"}]
    assert after["userLabels"] == {"team": "ml", "env": "prod"}, "a map merges"
    after = patch(operator, databaseFlags=[], userLabels=None)
    assert after["databaseFlags"] == []
    assert "userLabels" not in after
    before = patch(operator, ipConfiguration={"requireSsl": True}, backupConfiguration={"startTime": "03:00"})
    after = patch(operator, ipConfiguration=None, backupConfiguration={"startTime": None})
    assert (before["ipConfiguration"]["requireSsl"], after["ipConfiguration"]["requireSsl"]) == (True, False)
    assert after["backupConfiguration"]["startTime"] == "12:00"


def test_a_put_resets_what_it_leaves_out(operator: Client) -> None:
    window = {"day": 7, "hour": 3, "updateTrack": "stable"}
    before = patch(operator, maintenanceWindow=window, dataDiskSizeGb="12", userLabels={"team": "ml"})
    assert before["maintenanceWindow"] == {"kind": "sql#maintenanceWindow", **window}
    wanted = {"tier": "db-f1-micro", "settingsVersion": before["settingsVersion"], "dataDiskSizeGb": "12"}
    done(operator, "PUT", f"instances/{INSTANCE}", {"settings": wanted})
    after = settings(operator)
    assert not {"maintenanceWindow", "userLabels"} & after.keys()
    assert int(after["settingsVersion"]) == int(before["settingsVersion"]) + 1
    stale = operator.call("PUT", f"instances/{INSTANCE}", {"settings": wanted})
    assert (stale.status, stale.reason, stale.message) == (412, "staleData", "Condition does not match.")


def test_what_was_read_can_be_sent_back(operator: Client) -> None:
    found = operator.get(f"instances/{INSTANCE}")
    done(operator, "PUT", f"instances/{INSTANCE}", found)
    found["settings"]["settingsVersion"] = settings(operator)["settingsVersion"]
    assert settings(operator) == found["settings"]
    body = {"maintenanceVersion": "POSTGRES_14_14.R20200101.00_00"}
    assert operator.call("PATCH", f"instances/{INSTANCE}", body).status == 400


@pytest.mark.parametrize(
    ("change", "restarts"),
    [
        ({"userLabels": {"team": "ml"}}, False),
        ({"storageAutoResizeLimit": "100"}, False),
        ({"databaseFlags": [{"name": "work_mem", "value": "9000"}]}, False),
        ({"databaseFlags": [{"name": "track_commit_timestamp", "value": "on"}]}, True),
        ({"insightsConfig": {"queryInsightsEnabled": True, "queryStringLength": 2048}}, True),
        ({"backupConfiguration": {"enabled": True, "pointInTimeRecoveryEnabled": True}}, True),
    ],
)
def test_what_restarts_postgresql(sandbox: Sandbox, operator: Client, change: Json, *, restarts: bool) -> None:
    before = sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()")
    patch(operator, **change)
    assert (sql(sandbox, INSTANCE, "SELECT pg_postmaster_start_time()") != before) == restarts


def test_instances_are_filtered(sandbox: Sandbox, operator: Client) -> None:
    sandbox.create_instance("tuned", userLabels={"env": "prod"}, deletionProtectionEnabled=True)
    for expression, names in (
        ("settings.userLabels.env:prod", ["tuned"]),
        ("settings.userLabels.env:*", ["tuned"]),
        ("settings.deletionProtectionEnabled:true", ["tuned"]),
        ('state="RUNNABLE" AND name!=tuned', [INSTANCE]),
        ("NOT settings.tier:db-f1-micro", []),
        ("settings.userLabels.env:prod state:STOPPED", []),
    ):
        found = operator.call("GET", f"instances?filter={expression}").body.get("items", [])
        assert [one["name"] for one in found] == names, expression
    for expression in ("name", "name:a OR name:b", "(name:a)"):
        reply = operator.call("GET", f"instances?filter={expression}")
        assert (reply.status, "Invalid filter" in reply.message) == (400, True), expression


def test_the_flags_are_postgresqls_own(sandbox: Sandbox) -> None:
    """Type, restart and range of every flag, against the real PostgreSQL 14 of the instance."""
    query = "SELECT name, vartype, context, min_val, max_val, enumvals FROM pg_settings"
    own = {row[0]: row[1:] for row in sql(sandbox, INSTANCE, query)}
    flags = [flag for flag in TABLE if flag.parameter]
    assert len(flags) > 90
    for flag in flags:
        kind, context, least, most, values = own[flag.name]
        assert flag.type == TYPES[str(kind)], flag
        assert flag.restart == (context == "postmaster"), flag
        assert list(flag.values) == (values or []), flag
        if flag.type == "INTEGER":
            assert flag.maximum == int(str(most)), flag
            assert flag.minimum == int(str(least)) or flag.name in HIGHER_FLOOR, flag


def test_flags_list(operator: Client) -> None:
    flags = {flag["name"]: flag for flag in operator.get("/v1/flags?databaseVersion=POSTGRES_14")["items"]}
    assert flags["max_connections"] == {
        "kind": "sql#flag",
        "name": "max_connections",
        "type": "INTEGER",
        "appliesTo": [f"POSTGRES_{version}" for version in ("9_6", *range(10, 19))],
        "requiresRestart": True,
        "flagScope": "SQL_FLAG_SCOPE_DATABASE",
        "minValue": "14",
        "maxValue": "262143",
    }
    assert flags["log_statement"]["allowedStringValues"] == ["none", "ddl", "mod", "all"]
    assert flags["random_page_cost"]["type"] == "FLOAT"
    older = {flag["name"] for flag in operator.get("/v1/flags?databaseVersion=POSTGRES_13")["items"]}
    assert flags.keys() - older == {"idle_session_timeout"}
    assert operator.get("/v1/flags?databaseVersion=MYSQL_8_0")["items"] == []


def test_flags_reach_postgresql(sandbox: Sandbox, operator: Client) -> None:
    flags = [{"name": "cloudsql.logical_decoding", "value": "on"}, {"name": "statement_timeout", "value": "1500"}]
    patch(operator, databaseFlags=flags)
    assert sql(sandbox, INSTANCE, "SELECT current_setting('wal_level')") == [("logical",)]
    with pytest.raises(psycopg.errors.QueryCanceled):
        sql(sandbox, INSTANCE, "SELECT pg_sleep(5)")
