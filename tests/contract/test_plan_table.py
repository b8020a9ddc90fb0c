"""Every field of an instance, changed behind our back in the sandbox: the plan names it with the right blast radius.

The table is written by hand, from what Google says of each change; it is not derived from the code. Then the module
settles the difference, and there is none left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_options import SETTINGS

from tests.contract.bench import PROJECT, Bench, writes

SAFE, RESTARTS, DESTROYS = "safe", "restarts the database", "destroys data"
NAME, ELSEWHERE = "table", "elsewhere"
NETWORK = f"projects/{PROJECT}/global/networks/default"
PATH = "enable_private_path_for_google_cloud_services"

# What the user wants of every setting. The instance is made of it, and no row's change is among it.
WANTED: dict[str, Any] = {
    "database_version": "POSTGRES_14",
    "region": "europe-west3",
    "edition": "ENTERPRISE",
    "tier": "db-f1-micro",
    "data_disk_size_gb": 12,
    "data_disk_type": "PD_SSD",
    "storage_auto_resize": True,
    "storage_auto_resize_limit_gb": 50,
    "availability_type": "ZONAL",
    "location_preference": {"zone": "europe-west3-a", "secondary_zone": "europe-west3-b"},
    "activation_policy": "ALWAYS",
    "backup_configuration": {
        "enabled": True,
        "start_time": "03:00",
        "location": "eu",
        "point_in_time_recovery_enabled": True,
        "retained_backups": 14,
        "transaction_log_retention_days": 5,
    },
    "retain_backups_on_delete": True,
    "maintenance_window": {"day": 7, "hour": 4, "update_track": "stable"},
    "deny_maintenance_periods": [{"start_date": "2026-12-20", "end_date": "2027-01-05"}],
    "insights_config": {
        "query_insights_enabled": True,
        "query_string_length": 2048,
        "query_plans_per_minute": 10,
        "record_application_tags": True,
        "record_client_address": True,
    },
    "password_validation_policy": {
        "enable_password_policy": True,
        "min_length": 12,
        "complexity": "COMPLEXITY_DEFAULT",
        "disallow_username_substring": True,
    },
    "database_flags": {"max_connections": "40", "work_mem": "8192"},
    "ip_configuration": {
        "ipv4_enabled": True,
        "authorized_networks": [{"name": "office", "value": "203.0.113.0/24"}],
        "ssl_mode": "ENCRYPTED_ONLY",
        "private_network": NETWORK,
        "allocated_ip_range": "sql-range",
        PATH: False,
    },
    "connector_enforcement": "NOT_REQUIRED",
    "user_labels": {"team": "ml", "env": "prod"},
    "deletion_protection_enabled": True,
}

# Where each row's blast radius is written. Discovery: the discovery document of the Cloud SQL Admin API, revision
# 20261018, the words of the field's description; gcloud: the changes for which its `sql instances patch` asks before it
# restarts (surface/sql/instances/patch.py), and "If a patch modifies a value that requires a restart, then you see a
# prompt" (https://cloud.google.com/sql/docs/postgres/edit-instance), so what it does not ask about is safe.
PAGES = "https://cloud.google.com/sql/docs/postgres"
TIER = 'discovery, Settings.tier: "WARNING: Changing this restarts the instance."'
EDITION = f"{PAGES}/upgrade-cloud-sql-instance-in-place: the instance is down for a moment"
UPGRADE = f"{PAGES}/upgrade-major-db-version-inplace: the instance is down while it is upgraded"
DOWNGRADE = f"{PAGES}/upgrade-major-db-version-inplace: a version can't be lowered, only another instance can have it"
FIXED = f"{PAGES}/instance-settings: Region, Storage type: not modifiable after creation"
GROW = f"{PAGES}/instance-settings: storage capacity can be increased at any time; not in gcloud's list"
SHRINK = "gcloud, perform_storage_shrink.py: no decrease in place but by an operation of its own"
ZONE = 'discovery, LocationPreference.zone: "WARNING: Changing this might restart the instance."'
CAUTION = "no source calls it safe, and it moves machines or addresses: taken for a restart"
STOP = 'discovery, Settings.activationPolicy: "NEVER: The instance is off"'
START = "discovery, Settings.activationPolicy: it is off already, nobody is disturbed"
PITR = f'{PAGES}/backup-recovery/configure-pitr: "if you enable PITR on an existing instance, it restarts"'
NO_PITR = f"{PAGES}/backup-recovery/configure-pitr: only enabling restarts"
BACKUP = f"{PAGES}/backup-recovery/backups, and not in gcloud's list"
WINDOW = f"{PAGES}/set-maintenance-window, and not in gcloud's list"
QUERY_LENGTH = 'discovery, InsightsConfig.queryStringLength: "Changing query length will restart the database."'
INSIGHTS = "discovery, InsightsConfig: of its fields queryStringLength alone restarts"
PASSWORDS = f"{PAGES}/built-in-authentication: holds for new passwords; not in gcloud's list"
PRIVATE = f"{PAGES}/configure-private-ip: setting a network on an existing instance restarts it"
PUBLIC = f"{PAGES}/configure-ip: without the address its connections end"
ADDRESS = f"{PAGES}/configure-ip, and not in gcloud's list"
SSL = f'{PAGES}/configure-ssl-instance: "A change to SSL mode configuration applies only to new connections."'
CONNECTORS = "discovery, Settings.connectorEnforcement, and not in gcloud's list"
LABELS = f"{PAGES}/label-instance, and not in gcloud's list"
PROTECTION = f"{PAGES}/deletion-protection, and not in gcloud's list"
FLAG_RESTARTS = 'flags API: "requiresRestart": true'
FLAG_SAFE = 'flags API: "requiresRestart": false'


@dataclass(frozen=True)
class Row:
    """Somebody's change, and what the plan must say of the way back.

    ``patch`` is sent to the API, ``moved`` changes the wish instead (what no API can change behind our back); ``field``
    becomes ``after`` again from ``before``. ``others`` are fields that Google lets change only together with it.
    """

    field: str
    before: Any
    after: Any
    radius: str
    source: str
    patch: dict[str, Any] | None = None
    moved: dict[str, Any] | None = None
    others: tuple[str, ...] = ()
    at: str = NAME


def settings(**changed: Any) -> dict[str, Any]:
    return {"settings": changed}


def backup(**changed: Any) -> dict[str, Any]:
    return settings(backupConfiguration=changed)


def address(**changed: Any) -> dict[str, Any]:
    return settings(ipConfiguration=changed)


BACKUPS, IP, INSIGHT, POLICY, WINDOW_OF = (
    "backup_configuration",
    "ip_configuration",
    "insights_config",
    "password_validation_policy",
    "maintenance_window",
)
FLAGS = [{"name": "max_connections", "value": "40"}, {"name": "work_mem", "value": "8192"}]
OFFICE = [{"value": "203.0.113.0/24", "name": "office"}]
DENIED = [{"start_date": "2026-12-20", "end_date": "2027-01-05", "time": "00:00:00"}]
PERIOD = {"startDate": "2026-11-01", "endDate": "2026-11-09", "time": "06:00:00"}
DENIED_BEFORE = [{"start_date": "2026-11-01", "end_date": "2026-11-09", "time": "06:00:00"}]
PLUS = {"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2"}

TABLE = [
    Row(
        *("database_version", "POSTGRES_14", "POSTGRES_16", RESTARTS, UPGRADE),
        moved={"database_version": "POSTGRES_16"},
    ),
    Row("database_version", "POSTGRES_15", "POSTGRES_14", DESTROYS, DOWNGRADE, at=ELSEWHERE),
    Row("region", "us-central1", "europe-west3", DESTROYS, FIXED, at=ELSEWHERE),
    Row("data_disk_type", "PD_HDD", "PD_SSD", DESTROYS, FIXED, at=ELSEWHERE),
    Row("data_disk_size_gb", 20, 12, DESTROYS, SHRINK, moved={"storage_auto_resize": False}, at=ELSEWHERE),
    Row("data_disk_size_gb", 12, 30, SAFE, GROW, moved={"data_disk_size_gb": 30}),
    Row("edition", "ENTERPRISE_PLUS", "ENTERPRISE", RESTARTS, EDITION, settings(**PLUS), others=("tier",)),
    Row("tier", "db-g1-small", "db-f1-micro", RESTARTS, TIER, settings(tier="db-g1-small")),
    Row("storage_auto_resize", False, True, SAFE, GROW, settings(storageAutoResize=False)),
    Row("storage_auto_resize_limit_gb", 0, 50, SAFE, GROW, settings(storageAutoResizeLimit="0")),
    Row("availability_type", "REGIONAL", "ZONAL", RESTARTS, CAUTION, settings(availabilityType="REGIONAL")),
    Row(
        *("location_preference.zone", "europe-west3-c", "europe-west3-a", RESTARTS, ZONE),
        settings(locationPreference={"zone": "europe-west3-c"}),
    ),
    Row(
        *("location_preference.secondary_zone", "europe-west3-c", "europe-west3-b", RESTARTS, CAUTION),
        settings(locationPreference={"secondaryZone": "europe-west3-c"}),
    ),
    Row("activation_policy", "NEVER", "ALWAYS", SAFE, START, settings(activationPolicy="NEVER")),
    Row("activation_policy", "ALWAYS", "NEVER", RESTARTS, STOP, moved={"activation_policy": "NEVER"}),
    Row(
        *(f"{BACKUPS}.enabled", False, True, SAFE, BACKUP),
        backup(enabled=False, pointInTimeRecoveryEnabled=False),
        others=(f"{BACKUPS}.point_in_time_recovery_enabled",),
    ),
    Row(f"{BACKUPS}.start_time", "23:00", "03:00", SAFE, BACKUP, backup(startTime="23:00")),
    Row(f"{BACKUPS}.location", "us", "eu", SAFE, BACKUP, backup(location="us")),
    Row(
        *(f"{BACKUPS}.point_in_time_recovery_enabled", False, True, RESTARTS, PITR),
        backup(pointInTimeRecoveryEnabled=False),
    ),
    Row(
        *(f"{BACKUPS}.point_in_time_recovery_enabled", True, False, SAFE, NO_PITR),
        moved={BACKUPS: {"point_in_time_recovery_enabled": False}},
    ),
    Row(
        *(f"{BACKUPS}.retained_backups", 3, 14, SAFE, BACKUP),
        backup(backupRetentionSettings={"retainedBackups": 3, "retentionUnit": "COUNT"}),
    ),
    Row(f"{BACKUPS}.transaction_log_retention_days", 1, 5, SAFE, BACKUP, backup(transactionLogRetentionDays=1)),
    Row("retain_backups_on_delete", False, True, SAFE, BACKUP, settings(retainBackupsOnDelete=False)),
    Row(f"{WINDOW_OF}.day", 1, 7, SAFE, WINDOW, settings(maintenanceWindow={"day": 1})),
    Row(f"{WINDOW_OF}.hour", 12, 4, SAFE, WINDOW, settings(maintenanceWindow={"hour": 12})),
    Row(
        f"{WINDOW_OF}.update_track",
        "canary",
        "stable",
        SAFE,
        WINDOW,
        settings(maintenanceWindow={"updateTrack": "canary"}),
    ),
    Row(
        *("deny_maintenance_periods", DENIED_BEFORE, DENIED, SAFE, WINDOW),
        settings(denyMaintenancePeriods=[PERIOD]),
    ),
    Row(
        *(f"{INSIGHT}.query_insights_enabled", None, True, SAFE, INSIGHTS),
        settings(insightsConfig={"queryInsightsEnabled": False}),
    ),
    Row(
        *(f"{INSIGHT}.query_string_length", 4500, 2048, RESTARTS, QUERY_LENGTH),
        settings(insightsConfig={"queryStringLength": 4500}),
    ),
    Row(
        *(f"{INSIGHT}.query_plans_per_minute", 0, 10, SAFE, INSIGHTS),
        settings(insightsConfig={"queryPlansPerMinute": 0}),
    ),
    Row(
        *(f"{INSIGHT}.record_application_tags", None, True, SAFE, INSIGHTS),
        settings(insightsConfig={"recordApplicationTags": False}),
    ),
    Row(
        *(f"{INSIGHT}.record_client_address", None, True, SAFE, INSIGHTS),
        settings(insightsConfig={"recordClientAddress": False}),
    ),
    Row(
        *(f"{POLICY}.enable_password_policy", False, True, SAFE, PASSWORDS),
        settings(passwordValidationPolicy={"enablePasswordPolicy": False}),
    ),
    Row(f"{POLICY}.min_length", 4, 12, SAFE, PASSWORDS, settings(passwordValidationPolicy={"minLength": 4})),
    Row(
        *(f"{POLICY}.complexity", "COMPLEXITY_UNSPECIFIED", "COMPLEXITY_DEFAULT", SAFE, PASSWORDS),
        settings(passwordValidationPolicy={"complexity": "COMPLEXITY_UNSPECIFIED"}),
    ),
    Row(
        *(f"{POLICY}.disallow_username_substring", False, True, SAFE, PASSWORDS),
        settings(passwordValidationPolicy={"disallowUsernameSubstring": False}),
    ),
    Row(
        *("database_flags.max_connections", "90", "40", RESTARTS, FLAG_RESTARTS),
        settings(databaseFlags=[{"name": "max_connections", "value": "90"}, FLAGS[1]]),
    ),
    Row(
        *("database_flags.max_connections", None, "40", RESTARTS, FLAG_RESTARTS),
        settings(databaseFlags=FLAGS[1:]),
    ),
    Row(
        *("database_flags.track_commit_timestamp", "on", None, RESTARTS, FLAG_RESTARTS),
        settings(databaseFlags=[*FLAGS, {"name": "track_commit_timestamp", "value": "on"}]),
        {"database_flags": {"track_commit_timestamp": None}},
    ),
    Row(
        *("database_flags.work_mem", "64", "8192", SAFE, FLAG_SAFE),
        settings(databaseFlags=[FLAGS[0], {"name": "work_mem", "value": "64"}]),
    ),
    Row("database_flags.work_mem", None, "8192", SAFE, FLAG_SAFE, settings(databaseFlags=FLAGS[:1])),
    Row(f"{IP}.ipv4_enabled", False, True, SAFE, ADDRESS, address(ipv4Enabled=False)),
    Row(
        *(f"{IP}.ipv4_enabled", True, False, RESTARTS, PUBLIC),
        moved={IP: {"ipv4_enabled": False}},
    ),
    Row(
        *(f"{IP}.authorized_networks", [{"value": "0.0.0.0/0", "name": ""}], OFFICE, SAFE, ADDRESS),
        address(authorizedNetworks=[{"value": "0.0.0.0/0"}]),
    ),
    Row(f"{IP}.authorized_networks", [], OFFICE, SAFE, ADDRESS, address(authorizedNetworks=[])),
    Row(
        *(f"{IP}.ssl_mode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", SAFE, SSL),
        address(sslMode="ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    ),
    Row(
        *(f"{IP}.private_network", f"{NETWORK}-2", NETWORK, RESTARTS, PRIVATE),
        address(privateNetwork=f"{NETWORK}-2"),
    ),
    Row(f"{IP}.allocated_ip_range", "other", "sql-range", RESTARTS, CAUTION, address(allocatedIpRange="other")),
    Row(
        *(f"{IP}.{PATH}", True, False, SAFE, ADDRESS),
        address(enablePrivatePathForGoogleCloudServices=True),
    ),
    Row(
        *("connector_enforcement", "REQUIRED", "NOT_REQUIRED", SAFE, CONNECTORS),
        settings(connectorEnforcement="REQUIRED"),
    ),
    Row("user_labels.team", "sales", "ml", SAFE, LABELS, settings(userLabels={"team": "sales"})),
    Row("user_labels.env", None, "prod", SAFE, LABELS, settings(userLabels={"env": None})),
    Row(
        *("user_labels.owner", "me", None, SAFE, LABELS),
        settings(userLabels={"owner": "me"}),
        {"user_labels": {"owner": None}},
    ),
    Row(
        *("deletion_protection_enabled", False, True, SAFE, PROTECTION),
        settings(deletionProtectionEnabled=False),
    ),
]


def options(row: Row) -> dict[str, Any]:
    """What the user wants when the row's change is found; of an instance elsewhere only what the row is about."""
    wanted = {"name": row.at, **WANTED} if row.at == NAME else {"name": row.at, row.field: row.after}
    for option, value in (row.moved or {}).items():
        below = wanted.get(option)
        wanted[option] = {**below, **value} if isinstance(value, dict) and isinstance(below, dict) else value
    return wanted


@pytest.fixture(scope="module")
def bench(emulator: Bench) -> Iterator[Bench]:
    """The instance as it is wanted, and one that was made otherwise."""
    emulator.reset()
    emulator.enable_all()
    made = emulator.run("sql_instance", name=NAME, **WANTED)
    assert made["action"] == "create"
    other = settings(
        edition="ENTERPRISE", tier="db-f1-micro", dataDiskType="PD_HDD", dataDiskSizeGb="20", storageAutoResize=False
    )
    change(
        emulator, "POST", "", {"name": ELSEWHERE, "region": "us-central1", "databaseVersion": "POSTGRES_15", **other}
    )
    yield emulator
    emulator.reset()


def change(bench: Bench, method: str, path: str, body: dict[str, Any]) -> None:
    """Somebody else's write, to its end."""
    google = bench.google()
    instances = f"v1/projects/{PROJECT}/instances"
    operation = google.write(method, "sql", instances + path, body)
    while operation["status"] != "DONE":
        operation = google.get("sql", f"v1/projects/{PROJECT}/operations/{operation['name']}")
    assert "error" not in operation


def test_a_new_instance_is_what_was_wanted(bench: Bench) -> None:
    with bench.recorded() as seen:
        assert bench.run("sql_instance", name=NAME, **WANTED)["changes"] == []
    assert len(seen) == 1
    assert writes(seen) == []


def test_what_is_read_back_as_options_keeps_the_instance_as_it_is(bench: Bench) -> None:
    found = bench.run("sql_instance_info", name=NAME)["as_variables"]
    adopted = {"region": found["gcp_region"], "tier": found["mlflow_tier"], **found["backend_store_settings"]}
    # Google may move an instance to another zone.
    assert {*SETTINGS} - {*adopted} == {"location_preference"}
    with bench.without_writes():
        assert bench.run("sql_instance", name=NAME, **adopted)["changes"] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.field}: {row.before} -> {row.after}")
def test_a_change_behind_our_back_is_planned_and_settled(bench: Bench, row: Row) -> None:
    if row.patch:
        change(bench, "PATCH", f"/{row.at}", row.patch)
    wanted = options(row)
    resources = [{"owner": "test", "module": "sql_instance", "params": wanted}]
    with bench.without_writes():
        (planned,) = bench.run("plan", resources=resources)["plans"]
        predicted = bench.answer("sql_instance", check=True, **wanted)
    assert predicted["changes"] == planned["changes"]
    found = {one["field"]: one for one in planned["changes"]}
    assert {*found} == {row.field, *row.others}
    ours = found[row.field]
    assert (ours["before"], ours["after"], ours["blast_radius"]) == (row.before, row.after, row.radius)
    assert ours["reason"]
    assert bool(ours["refusal"]) == (row.radius != SAFE)
    if row.radius == DESTROYS:
        refused = bench.fail("sql_instance", allow_restart=True, **wanted)
        assert f"{row.field}: " in refused
        return
    # The sandbox emulates no upgrades, and what the user moved is moved back by the next row's patch.
    if row.moved and not row.patch:
        return
    settled = bench.run("sql_instance", allow_restart=True, **wanted)
    assert {one["field"] for one in settled["changes"]} == {*found}
    with bench.without_writes():
        assert bench.run("sql_instance", name=NAME, **WANTED)["changes"] == []


def names(spec: dict[str, Any]) -> Iterator[str]:
    """Every option of a specification, those inside of others with a dot."""
    for name, about in spec.items():
        if about.get("type") == "dict" and "options" in about:
            yield from (f"{name}.{inner}" for inner in names(about["options"]))
        else:
            yield name


def test_every_option_has_a_row_with_a_source() -> None:
    rows = {row.field if "database_flags." not in row.field else "database_flags" for row in TABLE}
    rows = {"user_labels" if row.startswith("user_labels.") else row for row in rows}
    assert rows == {*names(SETTINGS)}
    assert all(row.source for row in TABLE)
    about_the_run = {
        *("name", "state", "on_create", "allow_restart", "confirm_delete", "timeout"),
        *("final_backup", "final_backup_retention_days"),
    }
    assert {*SqlInstance.SPEC} == {*SETTINGS} | about_the_run


def test_the_wish_holds_every_option() -> None:
    def given(wanted: dict[str, Any], spec: dict[str, Any]) -> Iterator[str]:
        for name, value in wanted.items():
            if "options" in spec[name] and spec[name]["type"] == "dict":
                yield from (f"{name}.{inner}" for inner in given(value, spec[name]["options"]))
            else:
                yield name

    assert {*given(WANTED, SETTINGS)} == {*names(SETTINGS)}
