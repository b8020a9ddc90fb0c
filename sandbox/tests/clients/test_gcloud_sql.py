"""gcloud's sql commands as an operator types them: what each prints, field by field, and what it did."""

from concurrent.futures import Future
from pathlib import Path

import pytest

from sandbox.core.documents import Json
from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.emulator.database import manage, note, notes
from sandbox.tests.running import PROJECT, Sandbox

pytestmark = NEEDED

REGION, VERSION = "europe-west3", "POSTGRES_14"
NEW = (f"--database-version={VERSION}", "--edition=enterprise", f"--region={REGION}", "--storage-size=10")
BACKUP_RUN = {
    "backupKind": "SNAPSHOT",
    "databaseVersion": VERSION,
    "kind": "sql#backupRun",
    "location": "eu",
    "status": "SUCCESSFUL",
    "type": "ON_DEMAND",
}


def has(found: Json, expected: Json) -> None:
    """Every expected field has its value."""
    assert {name: found.get(name) for name in expected} == expected


def _bumped(patched: Json) -> Json:
    """The settings after a patch, which has counted its version up by one."""
    settings: Json = patched["new"]["settings"]
    assert int(settings["settingsVersion"]) == int(patched["old"]["settings"]["settingsVersion"]) + 1
    return settings


def creation(gcloud: Gcloud, _: Sandbox, __: Path) -> None:
    """An instance made, described and found."""
    flags = "--database-flags=log_statement=ddl,work_mem=8192"
    made = gcloud("sql instances create", "made", *NEW, "--tier=db-f1-micro", "--no-backup", flags)
    described = gcloud("sql instances describe", "made")
    expected = {
        "backendType": "SECOND_GEN",
        "connectionName": f"{PROJECT}:{REGION}:made",
        "databaseVersion": VERSION,
        "gceZone": f"{REGION}-a",
        "instanceType": "CLOUD_SQL_INSTANCE",
        "name": "made",
        "project": PROJECT,
        "region": REGION,
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "state": "RUNNABLE",
    }
    for found in (made, described):
        has(found, expected)
        assert found["databaseInstalledVersion"].startswith("POSTGRES_14_")
        assert [one["type"] for one in found["ipAddresses"]] == ["PRIMARY", "OUTGOING"]
        assert found["serverCaCert"]["kind"] == "sql#sslCert"
    settings = {
        "activationPolicy": "ALWAYS",
        "availabilityType": "ZONAL",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "databaseFlags": [{"name": "log_statement", "value": "ddl"}, {"name": "work_mem", "value": "8192"}],
        "deletionProtectionEnabled": False,
        "edition": "ENTERPRISE",
        "kind": "sql#settings",
        "pricingPlan": "PER_USE",
        "replicationType": "SYNCHRONOUS",
        "settingsVersion": "1",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "tier": "db-f1-micro",
    }
    has(described["settings"], settings)
    has(described["settings"]["backupConfiguration"], {"enabled": False, "startTime": "00:00"})
    (found,) = gcloud("sql instances list", "--filter=name=made AND settings.tier:db-f1")
    assert found == described | {"kind": found["kind"]}
    assert gcloud("sql instances list", "--filter=settings.tier:db-custom") == []
    assert "already exists" in gcloud.refused("sql instances create", "made", *NEW, "--tier=db-f1-micro")
    assert "The Cloud SQL instance does not exist." in gcloud.refused("sql instances describe", "nope")
    (ca,) = gcloud("sql ssl server-ca-certs list", "--instance=made")
    has(ca, {"instance": "made", "kind": "sql#sslCert", "cert": described["serverCaCert"]["cert"]})


def changes(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Tier, flags, labels, storage, windows and protection changed one after the other."""
    sandbox.create_instance("changed")

    def patched(*change: str) -> Json:
        return _bumped(gcloud("sql instances patch", "changed", *change))

    assert patched("--tier=db-g1-small")["tier"] == "db-g1-small"
    settings = patched("--database-flags=max_connections=60", "--storage-size=12GB")
    assert settings["databaseFlags"] == [{"name": "max_connections", "value": "60"}]
    assert settings["dataDiskSizeGb"] == "12"
    assert "cannot be decreased" in gcloud.refused("sql instances patch", "changed", "--storage-size=10GB")
    # Labels are beta in gcloud 528.
    settings = _bumped(gcloud("beta sql instances patch", "changed", "--update-labels=team=ml,env=dev"))
    assert settings["userLabels"] == {"team": "ml", "env": "dev"}
    (found,) = gcloud("sql instances list", "--filter=settings.userLabels.team:ml AND name:changed")
    assert found["settings"]["userLabels"] == {"team": "ml", "env": "dev"}
    settings = patched("--clear-database-flags", "--backup-start-time=03:00")
    assert settings.get("databaseFlags", []) == []
    has(settings["backupConfiguration"], {"enabled": True, "startTime": "03:00"})
    settings = patched(
        "--maintenance-window-day=SUN",
        "--maintenance-window-hour=4",
        "--insights-config-query-insights-enabled",
        "--deletion-protection",
    )
    has(settings["maintenanceWindow"], {"day": 7, "hour": 4})
    has(settings["insightsConfig"], {"queryInsightsEnabled": True, "queryPlansPerMinute": 5, "queryStringLength": 1024})
    assert settings["deletionProtectionEnabled"] is True
    assert "The instance is protected. Please disable the deletion protection and try again." in gcloud.refused(
        "sql instances delete", "changed"
    )
    patched("--no-deletion-protection")
    assert "Deleted" in gcloud.told("sql instances delete", "changed")
    assert "The Cloud SQL instance does not exist." in gcloud.refused("sql instances delete", "changed")


def stop_and_start(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """activationPolicy, and what a stopped or a busy instance answers."""
    sandbox.create_instance("stopped")
    stopped = gcloud("sql instances patch", "stopped", "--activation-policy=NEVER")["new"]
    assert (stopped["settings"]["activationPolicy"], stopped["state"]) == ("NEVER", "RUNNABLE")
    assert "HTTPError 400: Invalid request: Invalid request since instance is not running." in gcloud.refused(
        "sql users list", "--instance=stopped"
    )
    started = gcloud("sql instances patch", "stopped", "--activation-policy=ALWAYS")["new"]
    assert started["settings"]["activationPolicy"] == "ALWAYS"
    (user,) = gcloud("sql users list", "--instance=stopped")
    has(user, {"kind": "sql#user", "name": "postgres", "host": "", "instance": "stopped", "project": PROJECT})
    assert "Restarted" in gcloud.told("sql instances restart", "stopped")
    rule = {"operation": "RESTART", "instance": "stopped", "action": {"seconds": 20}}
    manage(sandbox, "POST", "/faults", rule)
    pending = gcloud("sql instances restart", "stopped", "--async")
    has(pending, {"operationType": "RESTART", "status": "PENDING", "targetId": "stopped"})
    assert "Operation failed because another operation was already in progress." in gcloud.refused(
        "sql instances patch", "stopped", "--tier=db-g1-small"
    )


def databases(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Databases of an instance."""
    sandbox.create_instance("databases")
    expected = {"charset": "UTF8", "collation": "en_US.UTF8", "instance": "databases", "project": PROJECT}
    made = gcloud("sql databases create", "runs", "--instance=databases")
    has(made, {"name": "runs", "instance": "databases", "project": PROJECT})
    described = gcloud("sql databases describe", "runs", "--instance=databases")
    has(described, expected | {"kind": "sql#database", "name": "runs"})
    assert described["selfLink"].endswith(f"/projects/{PROJECT}/instances/databases/databases/runs")
    listed = {one["name"]: one for one in gcloud("sql databases list", "--instance=databases")}
    assert listed.keys() == {"postgres", "runs"}
    assert listed["runs"] == described
    again = gcloud.refused("sql databases create", "runs", "--instance=databases")
    assert 'HTTPError 400: Invalid request: failed to create database runs. Detail: pq: database "runs"' in again
    gcloud("sql databases delete", "runs", "--instance=databases")
    assert "runs" not in [one["name"] for one in sandbox.operator.get("instances/databases/databases")["items"]]
    missing = gcloud.refused("sql databases describe", "runs", "--instance=databases")
    assert 'NOT_FOUND: Not Found: database "runs" does not exist.' in missing


def users(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Built-in and IAM users."""
    sandbox.create_instance("users")
    sandbox.operator.must("POST", "serviceAccounts", {"accountId": "trainer"})
    iam = f"trainer@{PROJECT}.iam"
    made = gcloud("sql users create", "ada", "--instance=users", "--password=first")
    has(made[0] if isinstance(made, list) else made, {"name": "ada", "instance": "users", "project": PROJECT})
    gcloud("sql users create", iam, "--instance=users", "--type=cloud_iam_service_account")
    described = gcloud("sql users describe", "ada", "--instance=users")
    shared = {"host": "", "instance": "users", "kind": "sql#user", "project": PROJECT}
    has(described, shared | {"name": "ada", "iamStatus": "IAM_STATUS_UNSPECIFIED", "passwordPolicy": {"status": {}}})
    assert not {"password", "type"} & described.keys()
    listed = {one["name"]: one for one in gcloud("sql users list", "--instance=users")}
    assert listed.keys() == {"postgres", "ada", iam}
    has(listed[iam], shared | {"type": "CLOUD_IAM_SERVICE_ACCOUNT"})
    assert "Updating Cloud SQL user" in gcloud.told(
        "sql users set-password", "ada", "--instance=users", "--password=second"
    )
    assert sandbox.operator.get("operations?instance=users")["items"][0]["operationType"] == "UPDATE_USER"
    gone = gcloud.refused(
        "sql users create", f"gone@{PROJECT}.iam", "--instance=users", "--type=cloud_iam_service_account"
    )
    assert f"Provided CLOUD_IAM_SERVICE_ACCOUNT: gone@{PROJECT}.iam.gserviceaccount.com, does not exist." in gone
    assert "Deleting Cloud SQL user" in gcloud.told("sql users delete", "ada", "--instance=users")
    assert {one["name"] for one in sandbox.operator.get("instances/users/users")["items"]} == {"postgres", iam}


def backups(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """A backup taken, its data restored, and the final one of a deleted instance."""
    sandbox.create_instance("backed-up")
    note(sandbox, "backed-up", "before")
    assert "backed up." in gcloud.told("sql backups create", "--instance=backed-up", "--description=nightly")
    note(sandbox, "backed-up", "after")
    (run,) = gcloud("sql backups list", "--instance=backed-up")
    has(run, BACKUP_RUN | {"description": "nightly", "instance": "backed-up"})
    assert run["enqueuedTime"] <= run["startTime"] <= run["endTime"]
    assert gcloud("sql backups describe", run["id"], "--instance=backed-up") == run
    assert "Restored" in gcloud.told("sql backups restore", run["id"], "--restore-instance=backed-up")
    assert notes(sandbox, "backed-up") == ["before"]
    (named,) = gcloud("sql backups list", "--filter=instance=backed-up")
    has(named, {"kind": "sql#backup", "state": "SUCCESSFUL", "type": "ON_DEMAND", "description": "nightly"})
    assert named["backupRun"].endswith(f"/instances/backed-up/backupRuns/{run['id']}")
    gcloud("sql backups patch", named["name"], "--backup-description=kept")
    assert gcloud("sql backups describe", named["name"])["description"] == "kept"
    assert "Deleted" in gcloud.told("sql backups delete", run["id"], "--instance=backed-up")
    missing = gcloud.refused("sql backups describe", run["id"], "--instance=backed-up")
    assert "HTTPError 404: The backup run does not exist." in missing

    final = ("--enable-final-backup", "--final-backup-retention-days=3", "--final-backup-description=bye")
    gcloud("sql instances delete", "backed-up", *final)
    (last,) = gcloud("sql backups list", "--filter=instance=backed-up")
    has(last, {"type": "FINAL", "state": "SUCCESSFUL", "description": "bye", "instance": "backed-up"})
    assert last["instanceDeletionTime"] < last["expiryTime"]
    assert "Restored" in gcloud.told("sql backups restore", last["name"], "--restore-instance=reborn")
    assert notes(sandbox, "reborn") == ["before"]


def clones_and_operations(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """A clone, and the operations that led to it."""
    sandbox.create_instance("source", userLabels={"team": "ml"})
    note(sandbox, "source", "shared")
    (made,) = gcloud("sql instances clone", "source", "copy")
    has(made, {"name": "copy", "state": "RUNNABLE", "connectionName": f"{PROJECT}:{REGION}:copy"})
    assert made["settings"]["userLabels"] == {"team": "ml"}
    assert notes(sandbox, "copy") == ["shared"]
    (operation,) = gcloud("sql operations list", "--instance=copy")
    has(operation, {"kind": "sql#operation", "operationType": "CLONE", "status": "DONE", "targetId": "copy"})
    has(operation, {"targetProject": PROJECT, "user": sandbox.operator.email})
    assert operation["insertTime"] <= operation["startTime"] <= operation["endTime"]
    assert gcloud("sql operations describe", operation["name"]) == operation
    restart = gcloud("sql instances restart", "copy", "--async")
    (waited,) = gcloud("sql operations wait", restart["name"])
    has(waited, {"name": restart["name"], "operationType": "RESTART", "status": "DONE"})
    refused = gcloud.refused("sql operations cancel", restart["name"])
    assert "The instance or operation is not in an appropriate state to handle the request." in refused
    assert "operation does not exist" in gcloud.refused("sql operations describe", "nope")
    assert "already exists" in gcloud.refused("sql instances clone", "source", "copy")


def catalog(gcloud: Gcloud, _: Sandbox, __: Path) -> None:
    """What can be had."""
    flags = {flag["name"]: flag for flag in gcloud("sql flags list", f"--database-version={VERSION}")}
    expected = {"kind": "sql#flag", "type": "INTEGER", "requiresRestart": True, "minValue": "14", "maxValue": "262143"}
    has(flags["max_connections"], expected)
    has(flags["log_statement"], {"requiresRestart": False, "allowedStringValues": ["none", "ddl", "mod", "all"]})
    tiers = {tier["tier"]: tier for tier in gcloud("sql tiers list")}
    has(tiers["db-f1-micro"], {"kind": "sql#tier", "RAM": "643825664", "DiskQuota": "3298534883328"})
    assert REGION in tiers["db-f1-micro"]["region"]


CHAINS = (changes, backups, creation, stop_and_start, users, clones_and_operations, databases, catalog)


@pytest.mark.parametrize("chain", [chain.__name__ for chain in CHAINS])
def test_gcloud_sql(running: dict[str, Future[None]], chain: str) -> None:
    running[chain].result()
