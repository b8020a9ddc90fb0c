"""Plans for instances: what is drift, what it costs, what is refused, and what is sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_changes import patches
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import FIELDS, settings_as_options
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    OperationFailedError,
    PermissionDeniedError,
    RefusedError,
    StaleVersionError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ABSENT, Observed, Presence

from tests.unit.fakes import DONE, NO_INSTANCE, NOT_FOUND, PROJECT, bad, cloud, ok
from tests.unit.options import validated

MINIMAL = {"name": "db", "database_version": "POSTGRES_15", "region": "us-central1", "tier": "db-f1-micro"}
INSTANCES = f"v1/projects/{PROJECT}/instances"
GET = f"GET {INSTANCES}/db"
OPERATIONS = f"GET v1/projects/{PROJECT}/operations"

# What Google answered to a minimal creation (Config Connector's recorded log sqlinstance-postgres-minimal-direct).
GOLDEN: dict[str, Any] = {
    "kind": "sql#instance",
    "name": "db",
    "project": PROJECT,
    "backendType": "SECOND_GEN",
    "connectionName": f"{PROJECT}:us-central1:db",
    "databaseInstalledVersion": "POSTGRES_15_7",
    "databaseVersion": "POSTGRES_15",
    "gceZone": "us-central1-a",
    "geminiConfig": {"entitled": False, "indexAdvisorEnabled": False},
    "instanceType": "CLOUD_SQL_INSTANCE",
    "ipAddresses": [{"ipAddress": "10.1.2.3", "type": "PRIMARY"}, {"ipAddress": "10.1.2.4", "type": "OUTGOING"}],
    "region": "us-central1",
    "satisfiesPzi": True,
    "state": "RUNNABLE",
    "upgradableDatabaseVersions": [{"name": "POSTGRES_16"}, {"name": "POSTGRES_17"}],
    "settings": {
        "kind": "sql#settings",
        "activationPolicy": "ALWAYS",
        "authorizedGaeApplications": [],
        "availabilityType": "ZONAL",
        "backupConfiguration": {
            "kind": "sql#backupConfiguration",
            "backupRetentionSettings": {"retainedBackups": 7, "retentionUnit": "COUNT"},
            "enabled": False,
            "startTime": "12:00",
            "transactionLogRetentionDays": 7,
            "transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED",
        },
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "edition": "ENTERPRISE",
        "ipConfiguration": {
            "authorizedNetworks": [],
            "ipv4Enabled": True,
            "requireSsl": False,
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        },
        "locationPreference": {"kind": "sql#locationPreference", "zone": "us-central1-a"},
        "pricingPlan": "PER_USE",
        "replicationType": "SYNCHRONOUS",
        "settingsVersion": "3",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
        "tier": "db-f1-micro",
    },
}


def golden(**settings: Any) -> dict[str, Any]:
    body = copy.deepcopy(GOLDEN)
    body["settings"] |= settings
    return body


def instance(**options: Any) -> SqlInstance:
    return SqlInstance(validated(SqlInstance, {**MINIMAL, **options}), PROJECT)


def plan(body: dict[str, Any] | None, flags: dict[str, Any] | None = None, **options: Any) -> Plan:
    observed = ABSENT if body is None else Observed(Presence.PRESENT, body, {"flags": flags or {}})
    return instance(**options).plan(observed)


def test_what_google_fills_in_is_no_drift() -> None:
    assert plan(GOLDEN).action is Action.NONE


def test_defaults_that_google_leaves_out_are_no_drift() -> None:
    body = copy.deepcopy(GOLDEN)
    for key in ("edition", "activationPolicy", "availabilityType", "connectorEnforcement", "storageAutoResizeLimit"):
        del body["settings"][key]
    del body["settings"]["ipConfiguration"]
    wanted: dict[str, Any] = {
        "edition": "ENTERPRISE",
        "activation_policy": "ALWAYS",
        "availability_type": "ZONAL",
        "connector_enforcement": "NOT_REQUIRED",
        "storage_auto_resize_limit_gb": 0,
        "ip_configuration": {"ssl_mode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED", "authorized_networks": []},
        "backup_configuration": {"point_in_time_recovery_enabled": False},
    }
    assert plan(body, **wanted).changes == ()


Row = tuple[dict[str, Any], dict[str, Any], str, Any, Any, BlastRadius]
SAFE, RESTARTS, DESTROYS = BlastRadius.SAFE, BlastRadius.RESTARTS, BlastRadius.DESTROYS
BACKUP, IP, WINDOW, INSIGHTS = "backup_configuration", "ip_configuration", "maintenance_window", "insights_config"
POLICY, ZONES = "password_validation_policy", "location_preference"
NETWORK = "projects/p/global/networks/n"
PATH = "enable_private_path_for_google_cloud_services"
BACKED_UP = {"enabled": True, "pointInTimeRecoveryEnabled": True}
DENIED = {"start_date": "2026-12-20", "end_date": "2027-01-05", "time": "00:00:00"}


def inner(parent: str, option: str, found: Any, wanted: Any, radius: BlastRadius = SAFE, **settings: Any) -> Row:
    return {parent: {option: wanted}}, settings, f"{parent}.{option}", found, wanted, radius


def outer(option: str, found: Any, wanted: Any, radius: BlastRadius = SAFE, **settings: Any) -> Row:
    return {option: wanted}, settings, option, found, wanted, radius


# (options, settings as found, field, before, after, blast radius). Sources: tests/contract/test_plan_table.py.
DRIFT: list[Row] = [
    outer("tier", "db-f1-micro", "db-g1-small", RESTARTS),
    (
        {"edition": "ENTERPRISE_PLUS", "tier": None},
        {"tier": "db-perf-optimized-N-2"},
        *("edition", "ENTERPRISE", "ENTERPRISE_PLUS", RESTARTS),
    ),
    outer("database_version", "POSTGRES_15", "POSTGRES_16", RESTARTS),
    outer("data_disk_size_gb", 10, 20),
    outer("storage_auto_resize", True, False),
    outer("storage_auto_resize_limit_gb", 0, 50),
    outer("availability_type", "ZONAL", "REGIONAL", RESTARTS, backupConfiguration=BACKED_UP),
    inner(ZONES, "zone", "us-central1-a", "us-central1-b", RESTARTS),
    inner(ZONES, "secondary_zone", None, "us-central1-c", RESTARTS),
    outer("activation_policy", "ALWAYS", "NEVER", RESTARTS),
    outer("activation_policy", "NEVER", "ALWAYS", activationPolicy="NEVER"),
    inner(BACKUP, "enabled", False, True),
    inner(BACKUP, "start_time", "12:00", "03:00"),
    inner(BACKUP, "location", None, "eu"),
    inner(BACKUP, "point_in_time_recovery_enabled", False, True, RESTARTS, backupConfiguration={"enabled": True}),
    inner(BACKUP, "retained_backups", 7, 14),
    inner(BACKUP, "transaction_log_retention_days", 7, 3),
    outer("retain_backups_on_delete", None, True),
    inner(WINDOW, "day", None, 7),
    inner(WINDOW, "hour", 0, 3, maintenanceWindow={"day": 7}),
    inner(WINDOW, "update_track", None, "week5"),
    outer("deny_maintenance_periods", [], [DENIED]),
    inner(INSIGHTS, "query_insights_enabled", None, True),
    inner(INSIGHTS, "query_string_length", 1024, 4500, RESTARTS),
    inner(INSIGHTS, "query_plans_per_minute", 5, 10),
    inner(INSIGHTS, "record_application_tags", None, True),
    inner(INSIGHTS, "record_client_address", None, True),
    inner(POLICY, "enable_password_policy", None, True),
    inner(POLICY, "min_length", 0, 12),
    inner(POLICY, "complexity", "COMPLEXITY_UNSPECIFIED", "COMPLEXITY_DEFAULT"),
    inner(POLICY, "disallow_username_substring", None, True),
    inner(IP, "ipv4_enabled", True, False, RESTARTS, ipConfiguration={"ipv4Enabled": True, "privateNetwork": NETWORK}),
    inner(IP, "ipv4_enabled", False, True, ipConfiguration={"ipv4Enabled": False, "privateNetwork": NETWORK}),
    inner(
        IP,
        "authorized_networks",
        [{"value": "0.0.0.0/0", "name": ""}],
        [],
        ipConfiguration={"authorizedNetworks": [{"kind": "sql#aclEntry", "value": "0.0.0.0/0"}]},
    ),
    inner(IP, "ssl_mode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY"),
    inner(IP, "private_network", None, NETWORK, RESTARTS),
    inner(IP, "allocated_ip_range", None, "sql-range", RESTARTS, ipConfiguration={"privateNetwork": NETWORK}),
    inner(IP, PATH, None, True, ipConfiguration={"ipv4Enabled": False, "privateNetwork": NETWORK}),
    outer("connector_enforcement", "NOT_REQUIRED", "REQUIRED"),
    ({"user_labels": {"team": "ml"}}, {"userLabels": {"team": "x", "kept": "1"}}, "user_labels.team", "x", "ml", SAFE),
    outer("deletion_protection_enabled", False, True),
    outer("data_disk_type", "PD_SSD", "PD_HDD", DESTROYS),
    outer("region", "us-central1", "europe-west3", DESTROYS),
]


@pytest.mark.parametrize("row", DRIFT, ids=lambda row: f"{row[2]}-{row[4]}")
def test_drift_is_reported_with_its_blast_radius(row: Any) -> None:
    options, found, *expected = row
    made = plan(golden(**found), **options)
    (change,) = made.changes
    assert [change.field, change.before, change.after, change.blast_radius] == expected
    assert made.problems == ()


@pytest.mark.parametrize(
    ("options", "found", "reason"),
    [
        ({BACKUP: {"retained_backups": 3}}, {}, "Google deletes the oldest that are more"),
        ({BACKUP: {"retained_backups": 9}}, {}, "differs"),
        ({BACKUP: {"enabled": False}}, {"backupConfiguration": {"enabled": True}}, "no more backups are made"),
        ({BACKUP: {"point_in_time_recovery_enabled": False}}, {"backupConfiguration": BACKED_UP}, "deletes the logs"),
        ({"connector_enforcement": "REQUIRED"}, {}, "ignores the authorized networks"),
        ({"connector_enforcement": "NOT_REQUIRED"}, {"connectorEnforcement": "REQUIRED"}, "differs"),
        ({"deletion_protection_enabled": False}, {"deletionProtectionEnabled": True}, "can then be deleted"),
    ],
)
def test_the_reason_says_what_the_names_do_not(options: dict[str, Any], found: dict[str, Any], reason: str) -> None:
    (change,) = plan(golden(**found), **options).changes
    assert reason in change.reason


def test_the_drift_table_covers_every_field() -> None:
    assert {row[2].split(".team")[0] for row in DRIFT} == {field.option for field in FIELDS} | {"user_labels"}


@pytest.mark.parametrize("row", [row for row in DRIFT if row[5] is RESTARTS], ids=lambda row: row[2])
def test_a_restart_needs_leave(row: Any) -> None:
    options, found = row[0], row[1]
    assert plan(golden(**found), **options).action is Action.REFUSE
    assert (
        "set backend_store_allow_restart (option allow_restart)" in plan(golden(**found), **options).refused[0].refusal
    )
    assert plan(golden(**found), **options, allow_restart=True).action is Action.UPDATE


@pytest.mark.parametrize(
    ("options", "way_out"),
    [
        ({"region": "europe-west3"}, "new name"),
        ({"data_disk_type": "PD_HDD"}, "new name"),
        ({"database_version": "POSTGRES_14"}, "export and import"),
        ({"database_version": "POSTGRES_18"}, "POSTGRES_16, POSTGRES_17 only"),
    ],
)
def test_what_cannot_be_done_is_refused_even_with_leave_to_restart(options: dict[str, Any], way_out: str) -> None:
    made = plan(GOLDEN, **options, allow_restart=True)
    assert made.action is Action.REFUSE
    assert way_out in made.refused[0].refusal


def test_a_region_is_compared_ignoring_case() -> None:
    assert plan(GOLDEN, region="US-Central1").changes == ()


@pytest.mark.parametrize(
    ("wanted", "actual", "auto", "action"),
    [
        (10, "25", True, Action.NONE),
        (30, "25", True, Action.UPDATE),
        (10, "25", False, Action.REFUSE),
        (25, "25", False, Action.NONE),
    ],
)
def test_a_disk_that_grew_by_itself_is_no_drift(wanted: int, actual: str, auto: bool, action: Action) -> None:
    assert plan(golden(dataDiskSizeGb=actual, storageAutoResize=auto), data_disk_size_gb=wanted).action is action


FLAGS = {"log_min_duration": {"requiresRestart": False}, "max_connections": {"requiresRestart": True}}


@pytest.mark.parametrize(
    ("flag", "known", "radius"),
    [
        ("log_min_duration", FLAGS, BlastRadius.SAFE),
        ("max_connections", FLAGS, BlastRadius.RESTARTS),
        ("never_heard_of", FLAGS, BlastRadius.RESTARTS),
        ("log_min_duration", {}, BlastRadius.RESTARTS),
    ],
)
def test_google_says_which_flag_restarts(flag: str, known: dict[str, Any], radius: BlastRadius) -> None:
    (change,) = plan(GOLDEN, known, database_flags={flag: "1"}).changes
    assert change.blast_radius is radius


def test_a_private_network_is_the_same_with_its_address_in_front_and_cannot_be_unset() -> None:
    network = "projects/p/global/networks/n"
    body = golden(ipConfiguration={"privateNetwork": f"https://www.googleapis.com/compute/v1/{network}"})
    assert plan(body, ip_configuration={"private_network": network}).changes == ()
    assert plan(body, ip_configuration={"private_network": f"{network}2"}).action is Action.REFUSE
    made = plan(body, ip_configuration={"private_network": ""}, allow_restart=True)
    assert "new name" in made.refused[0].refusal


def test_flags_are_compared_as_a_map_and_sent_with_those_that_are_not_ours() -> None:
    body = golden(databaseFlags=[{"name": "b", "value": "2"}, {"name": "a", "value": "1"}, {"name": "c", "value": "3"}])
    assert plan(body, database_flags={"a": "1", "b": 2}).changes == ()
    made = plan(body, database_flags={"a": "9", "c": None}, allow_restart=True)
    (patch,) = patches(made, body)
    assert patch == {"settings": {"databaseFlags": [{"name": "b", "value": "2"}, {"name": "a", "value": "9"}]}}


def test_patches_hold_the_changed_fields_alone_and_run_in_order() -> None:
    body = golden(activationPolicy="NEVER")
    made = plan(
        body,
        activation_policy="ALWAYS",
        database_version="POSTGRES_16",
        data_disk_size_gb=20,
        user_labels={"a": "b"},
        database_flags={"max_connections": 9},
        allow_restart=True,
    )
    assert patches(made, body) == [
        {"settings": {"activationPolicy": "ALWAYS"}},
        {"databaseVersion": "POSTGRES_16"},
        {
            "settings": {
                "dataDiskSizeGb": "20",
                "userLabels": {"a": "b"},
                "databaseFlags": [{"name": "max_connections", "value": "9"}],
            }
        },
    ]
    made = plan(GOLDEN, activation_policy="NEVER", storage_auto_resize=False, allow_restart=True)
    assert [list(p["settings"]) for p in patches(made, GOLDEN)] == [["storageAutoResize"], ["activationPolicy"]]


def test_a_creation_always_sends_edition_and_auto_resize() -> None:
    answers: dict[str, Any] = {GET: [NO_INSTANCE, ok(GOLDEN)], OPERATIONS: ok(), f"POST {INSTANCES}": DONE}
    made = cloud({**answers, "GET v1/flags": NOT_FOUND})
    outcome = converge(instance(data_disk_size_gb=10, database_flags={"max_connections": 50}), made.google)
    assert outcome.changed
    (sent,) = made.transport.writes
    assert sent.body == {
        "name": "db",
        "databaseVersion": "POSTGRES_15",
        "region": "us-central1",
        "settings": {
            "tier": "db-f1-micro",
            "edition": "ENTERPRISE",
            "dataDiskSizeGb": "10",
            "storageAutoResize": True,
            "databaseFlags": [{"name": "max_connections", "value": "50"}],
        },
    }


def test_a_no_op_is_one_read_and_no_write() -> None:
    made = cloud({GET: ok(GOLDEN)})
    assert not converge(instance(), made.google).changed
    assert made.transport.lines == [GET]


def test_a_patch_carries_the_version_it_was_planned_from() -> None:
    made = cloud({GET: ok(GOLDEN), OPERATIONS: ok(), f"PATCH {INSTANCES}/db": DONE})
    converge(instance(data_disk_size_gb=20), made.google)
    assert made.transport.writes[0].body == {"settings": {"dataDiskSizeGb": "20", "settingsVersion": "3"}}


def test_412_is_planned_anew_and_the_third_fails() -> None:
    stale = bad(412, "staleData", "Condition does not match.")
    patch = f"PATCH {INSTANCES}/db"
    made = cloud({GET: [ok(GOLDEN), ok(golden(settingsVersion="4"))], OPERATIONS: ok(), patch: [stale, DONE]})
    assert converge(instance(data_disk_size_gb=20), made.google).changed
    assert [s.body["settings"]["settingsVersion"] for s in made.transport.writes] == ["3", "4"]
    made = cloud({GET: ok(GOLDEN), OPERATIONS: ok(), patch: stale})
    with pytest.raises(StaleVersionError):
        converge(instance(data_disk_size_gb=20), made.google)
    assert len(made.transport.writes) == 3


def test_412_because_somebody_did_our_work_is_no_change() -> None:
    stale = bad(412, "staleData")
    made = cloud({GET: [ok(GOLDEN), ok(golden(dataDiskSizeGb="20"))], OPERATIONS: ok(), f"PATCH {INSTANCES}/db": stale})
    assert not converge(instance(data_disk_size_gb=20), made.google).changed


@pytest.mark.parametrize("failure", [bad(503), bad(500)])
def test_a_creation_with_an_unclear_end_is_looked_at_and_not_repeated(failure: Any) -> None:
    pending = {**GOLDEN, "state": "PENDING_CREATE"}
    running = {"name": "op-1", "status": "RUNNING"}
    made = cloud(
        {
            GET: [NO_INSTANCE, ok(pending), ok(GOLDEN)],
            OPERATIONS: [ok(), ok({"items": [running]})],
            f"{OPERATIONS}/op-1": DONE,
            f"POST {INSTANCES}": failure,
        }
    )
    outcome = converge(instance(), made.google)
    assert outcome.changed
    assert outcome.plan.action is Action.CREATE
    assert len(made.transport.writes) == 1


def test_a_creation_in_flight_is_adopted() -> None:
    made = cloud(
        {
            GET: [ok({**GOLDEN, "state": "PENDING_CREATE"}), ok(GOLDEN)],
            OPERATIONS: ok({"items": [{"name": "op-1", "status": "PENDING"}]}),
            f"{OPERATIONS}/op-1": DONE,
        }
    )
    assert not converge(instance(), made.google).changed
    assert made.transport.writes == []


def test_a_creation_that_ends_between_two_readings_is_over() -> None:
    """The instance was read while it was made, its operations when it was there."""
    made = cloud({GET: [ok({**GOLDEN, "state": "PENDING_CREATE"}), ok(GOLDEN)], OPERATIONS: ok()})
    assert not converge(instance(), made.google).changed
    assert made.transport.writes == []


def test_a_creation_that_nobody_carries_out_is_told_after_two_minutes() -> None:
    made = cloud({GET: ok({**GOLDEN, "state": "PENDING_CREATE"}), OPERATIONS: ok()})
    with pytest.raises(RefusedError, match="no operation is running on it"):
        converge(instance(), made.google)
    assert made.time.seconds == pytest.approx(120, abs=15)
    assert made.transport.writes == []


def test_403_is_an_error_and_sends_nothing() -> None:
    made = cloud({GET: bad(403, "notAuthorized", "The client is not authorized to make this request.")})
    with pytest.raises(PermissionDeniedError, match="does not exist"):
        converge(instance(), made.google)
    assert made.transport.lines == [GET]


def test_a_taken_name_is_explained() -> None:
    taken = bad(409, "instanceAlreadyExists", "The Cloud SQL instance already exists.")
    made = cloud({GET: NO_INSTANCE, OPERATIONS: ok(), f"POST {INSTANCES}": taken})
    with pytest.raises(RefusedError, match=r"set mlflow_instance .option name. to another name"):
        converge(instance(), made.google)
    assert len(made.transport.writes) == 1


def test_somebody_else_who_creates_it_first_is_adopted() -> None:
    taken = bad(409, "instanceAlreadyExists")
    made = cloud({GET: [NO_INSTANCE, ok(GOLDEN)], OPERATIONS: ok(), f"POST {INSTANCES}": taken})
    assert not converge(instance(), made.google).changed


def test_a_creation_that_fails_inside_keeps_googles_text() -> None:
    failed = ok({"name": "o", "status": "DONE", "error": {"errors": [{"code": "QUOTA", "message": "no more"}]}})
    made = cloud({GET: NO_INSTANCE, OPERATIONS: ok(), f"POST {INSTANCES}": failed})
    with pytest.raises(OperationFailedError, match="QUOTA: no more"):
        converge(instance(), made.google)


def test_safe_changes_are_sent_and_the_rest_is_refused() -> None:
    made = cloud({GET: ok(GOLDEN), OPERATIONS: ok(), f"PATCH {INSTANCES}/db": DONE})
    outcome = converge(instance(data_disk_size_gb=20, tier="db-g1-small"), made.google)
    assert list(made.transport.writes[0].body["settings"]) == ["dataDiskSizeGb", "settingsVersion"]
    assert [c.field for c in outcome.plan.refused] == ["tier"]


def test_each_patch_is_planned_from_a_reading_of_its_own_and_carries_its_version() -> None:
    """Start, upgrade, the rest: what somebody changes between two of them is neither lost nor overwritten."""
    flag = [{"name": "theirs", "value": "1"}]
    stopped = golden(activationPolicy="NEVER")
    started = golden(settingsVersion="4")
    upgraded = {**golden(settingsVersion="9", databaseFlags=flag), "databaseVersion": "POSTGRES_16"}
    patch = f"PATCH {INSTANCES}/db"
    answers: dict[str, Any] = {GET: [ok(stopped), ok(started), ok(upgraded)], OPERATIONS: ok(), patch: DONE}
    made = cloud({**answers, "GET v1/flags": NOT_FOUND})
    wanted = instance(
        activation_policy="ALWAYS", database_version="POSTGRES_16", database_flags={"ours": "2"}, allow_restart=True
    )
    outcome = converge(wanted, made.google)
    assert [sent.body for sent in made.transport.writes] == [
        {"settings": {"activationPolicy": "ALWAYS", "settingsVersion": "3"}},
        {"databaseVersion": "POSTGRES_16"},
        {"settings": {"databaseFlags": [*flag, {"name": "ours", "value": "2"}], "settingsVersion": "9"}},
    ]
    assert [change.field for change in outcome.plan.changes] == [
        "database_version",
        "activation_policy",
        "database_flags.ours",
    ]


def test_what_somebody_else_did_meanwhile_is_not_sent_again() -> None:
    patch = f"PATCH {INSTANCES}/db"
    after = golden(settingsVersion="4", dataDiskSizeGb="20")
    made = cloud({GET: [ok(golden(activationPolicy="NEVER")), ok(after)], OPERATIONS: ok(), patch: DONE})
    converge(instance(activation_policy="ALWAYS", data_disk_size_gb=20), made.google)
    assert len(made.transport.writes) == 1


def test_an_instance_that_is_deleted_between_two_patches_is_planned_anew() -> None:
    patch = f"PATCH {INSTANCES}/db"
    answers: dict[str, Any] = {
        GET: [ok(golden(activationPolicy="NEVER")), NO_INSTANCE, NO_INSTANCE, ok(golden(dataDiskSizeGb="20"))],
        OPERATIONS: ok(),
        patch: DONE,
        f"POST {INSTANCES}": DONE,
    }
    made = cloud(answers)
    assert converge(instance(activation_policy="ALWAYS", data_disk_size_gb=20), made.google).changed
    assert [sent.method for sent in made.transport.writes] == ["PATCH", "POST"]


def test_what_restarts_the_database_restarts_it_once() -> None:
    made = plan(
        golden(backupConfiguration={"enabled": True}),
        {"max_connections": {"requiresRestart": True, "type": "INTEGER"}},
        tier="db-g1-small",
        availability_type="REGIONAL",
        backup_configuration={"point_in_time_recovery_enabled": True},
        insights_config={"query_string_length": 4500},
        location_preference={"zone": "us-central1-b"},
        database_flags={"max_connections": "50"},
        user_labels={"a": "b"},
        allow_restart=True,
    )
    assert len(made.applicable) == 7
    assert len(patches(made, GOLDEN)) == 1


@pytest.mark.parametrize(
    ("found", "wanted", "order"),
    [
        (
            ("ENTERPRISE", "db-f1-micro"),
            ("ENTERPRISE_PLUS", "db-perf-optimized-N-2"),
            [{"edition", "tier"}, {"backupConfiguration", "databaseFlags"}],
        ),
        (
            ("ENTERPRISE_PLUS", "db-perf-optimized-N-2"),
            ("ENTERPRISE", "db-f1-micro"),
            [{"backupConfiguration", "databaseFlags"}, {"edition", "tier"}],
        ),
    ],
)
def test_an_edition_goes_with_its_tier_alone_and_what_needs_it_comes_after(
    found: tuple[str, str], wanted: tuple[str, str], order: list[set[str]]
) -> None:
    made = plan(
        golden(edition=found[0], tier=found[1]),
        edition=wanted[0],
        tier=wanted[1],
        backup_configuration={"transaction_log_retention_days": 6},
        database_flags={"max_connections": 50},
        allow_restart=True,
    )
    assert [{*patch["settings"]} for patch in patches(made, GOLDEN)] == order


def test_labels_of_others_go_back_as_they_were_and_null_removes_ours() -> None:
    body = golden(userLabels={"theirs": "1", "old": "2", "team": "x"})
    made = plan(body, user_labels={"team": "ml", "old": None})
    assert patches(made, body) == [{"settings": {"userLabels": {"theirs": "1", "old": None, "team": "ml"}}}]


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"edition": "ENTERPRISE_PLUS", "tier": "db-perf-optimized-N-2"}, "edition"),
        ({"backup_configuration": {"point_in_time_recovery_enabled": False}}, "availability_type"),
    ],
)
def test_what_google_takes_only_together_with_a_refused_change_is_refused_too(
    options: dict[str, Any], field: str
) -> None:
    """Safe by themselves, and half of the wish would be refused by Google."""
    body = golden(availabilityType="REGIONAL", backupConfiguration=BACKED_UP)
    wanted: dict[str, Any] = {"availability_type": "ZONAL"} if field == "availability_type" else {}
    days = {"backup_configuration": {"transaction_log_retention_days": 14}} if field == "edition" else {}
    made = plan(body, **options, **wanted, **days, storage_auto_resize=False)
    assert [change.field for change in made.applicable] == ["storage_auto_resize"]
    held = next(change for change in made.refused if change.blast_radius is SAFE)
    assert f"only together with {field}" in held.refusal
    assert "set backend_store_allow_restart" in held.refusal
    assert not plan(body, **options, **wanted, **days, allow_restart=True).refused


def test_problems_are_told_together_and_send_nothing() -> None:
    for run in (converge, predict):
        made = cloud({GET: ok(GOLDEN)})
        wanted = instance(
            availability_type="REGIONAL", storage_auto_resize_limit_gb=5, user_labels={"a": "b"}, tier="db-g1-small"
        )
        with pytest.raises(RefusedError, match=r"needs automated backups.*; .*below the disk's 10 GB"):
            run(wanted, made.google)
        assert made.transport.writes == []


def test_a_problem_is_told_even_where_the_change_would_be_refused_anyway() -> None:
    known = {"max_connections": {"type": "INTEGER", "minValue": "14", "requiresRestart": True}}
    made = plan(GOLDEN, known, database_flags={"max_connections": "5"})
    assert [bool(change.refusal) for change in made.changes] == [True]
    assert made.writes
    with pytest.raises(RefusedError, match="out of range"):
        instance().check_apply(made)


@pytest.mark.parametrize(("options", "refused"), [({"timeout": 0}, True), ({"timeout": 1}, False)])
def test_a_run_waits_for_a_second_at_least(options: dict[str, Any], refused: bool) -> None:
    if refused:
        with pytest.raises(RefusedError, match="timeout 0"):
            instance(**options)
    else:
        instance(**options)


def test_what_an_instance_already_breaks_is_not_our_matter() -> None:
    body = golden(availabilityType="REGIONAL", storageAutoResizeLimit="5")
    made = plan(body, availability_type="REGIONAL", storage_auto_resize_limit_gb=5, user_labels={"a": "b"})
    assert (made.problems, [change.field for change in made.changes]) == ((), ["user_labels.a"])


def test_networks_are_compared_by_what_they_mean_and_the_whole_internet_is_warned_about() -> None:
    body = golden(ipConfiguration={"ipv4Enabled": True, "authorizedNetworks": [{"value": "203.0.113.7", "name": "a"}]})
    same = [{"name": "a", "value": "203.0.113.7/32"}]
    assert plan(body, ip_configuration={"authorized_networks": same}).changes == ()
    open_to_all = plan(body, ip_configuration={"authorized_networks": [{"name": None, "value": "0.0.0.0/0"}]})
    assert "anybody on the internet" in open_to_all.warnings[0]


@pytest.mark.parametrize(("final", "days"), [(True, 30), (True, 365), (False, 30)])
def test_a_deletion_makes_a_final_backup_and_says_so(final: bool, days: int) -> None:
    made = cloud({GET: [ok(GOLDEN), NO_INSTANCE], OPERATIONS: ok(), f"DELETE {INSTANCES}/db": DONE})
    options = {"state": "absent", "confirm_delete": "db", "final_backup": final, "final_backup_retention_days": days}
    outcome = converge(instance(**options), made.google)
    (sent,) = made.transport.writes
    assert sent.params == ({"enableFinalBackup": "true", "finalBackupTtlDays": str(days)} if final else {})
    assert outcome.plan.fields() == ({"state", "final_backup_retention_days"} if final else {"state"})


def test_a_refused_deletion_promises_no_backup() -> None:
    assert [change.field for change in plan(GOLDEN, state="absent").changes] == ["state"]


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("confirm", [None, "other", "db"])
def test_a_deletion_needs_its_name_and_no_protection(protected: bool, confirm: str | None) -> None:
    made = plan(golden(deletionProtectionEnabled=protected), state="absent", confirm_delete=confirm)
    assert made.action is (Action.DELETE if confirm == "db" and not protected else Action.REFUSE)


def test_a_failed_instance_is_refused_even_with_nothing_to_change_and_may_be_deleted_though_protected() -> None:
    failed = {**golden(deletionProtectionEnabled=True), "state": "FAILED"}
    made = cloud({GET: ok(failed)})
    for run in (converge, predict):
        with pytest.raises(RefusedError, match="is FAILED"):
            run(instance(), made.google)
    assert made.transport.writes == []
    assert plan(failed, state="absent", confirm_delete="db").action is Action.DELETE


def test_an_absent_instance_needs_no_deletion() -> None:
    assert plan(None, state="absent").action is Action.NONE


@pytest.mark.parametrize("missing", ["database_version", "region", "tier"])
def test_a_creation_names_the_missing_options_before_anything_is_sent(missing: str) -> None:
    for run in (converge, predict):
        made = cloud({GET: NO_INSTANCE})
        with pytest.raises(RefusedError, match=missing):
            run(instance(**{missing: None}), made.google)
        assert made.transport.writes == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"tier": "db\u2011f1\u2011micro"}, "NON-BREAKING HYPHEN"),
        ({"name": "Db_1"}, "lower-case"),
        ({"database_version": "MYSQL_8_0"}, "only PostgreSQL"),
        ({"database_flags": {"cloudsql.iam_authentication": True}}, "in quotes"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        instance(**options)


def test_an_old_version_is_warned_about_at_creation() -> None:
    assert "end of life" in plan(None, database_version="POSTGRES_14").warnings[0]
    assert plan(None, database_version="POSTGRES_16").warnings == ()


def test_what_holds_for_a_new_instance_alone_is_no_difference_of_an_existing_one() -> None:
    new = {"tier": "db-g1-small", "connector_enforcement": "REQUIRED", "backup_configuration": {"enabled": True}}
    assert instance(name="db", on_create=new).plan(Observed(Presence.PRESENT, GOLDEN)).action is Action.NONE


def test_a_new_instance_gets_what_is_set_over_what_new_ones_get() -> None:
    below = {**MINIMAL, "tier": "db-g1-small", "ip_configuration": {"ipv4_enabled": True, "ssl_mode": "ENCRYPTED_ONLY"}}
    del below["name"]
    above = {"tier": "db-f1-micro", "ip_configuration": {"private_network": "projects/p/global/networks/n"}}
    plan = instance(name="db", on_create=below, **above).plan(ABSENT)
    sent = {change.field: change.after for change in plan.changes}
    assert sent["tier"] == "db-f1-micro"
    assert sent["ip_configuration.ssl_mode"] == "ENCRYPTED_ONLY"
    assert sent["ip_configuration.private_network"] == "projects/p/global/networks/n"
    instance(name="db", on_create=below).check_apply(plan)


def test_wrong_settings_of_a_new_instance_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(RefusedError, match="plain ASCII"):
        instance(name="db", on_create={"tier": "db\N{NON-BREAKING HYPHEN}f1-micro"})


def test_what_no_option_takes_and_what_google_moves_by_itself_is_not_adopted() -> None:
    body = golden(
        edition="DEVELOPER",
        activationPolicy="ON_DEMAND",
        maintenanceWindow={"kind": "sql#maintenanceWindow", "day": 0, "hour": 0},
        denyMaintenancePeriods=[],
    )
    options = settings_as_options(body)
    assert not {"edition", "activation_policy", "location_preference", "deny_maintenance_periods"} & {*options}
    assert "day" not in options.get("maintenance_window", {})
    assert instance(name="db", **options).plan(Observed(Presence.PRESENT, body)).action is Action.NONE


def test_an_instance_as_options_is_an_instance_without_drift() -> None:
    body = copy.deepcopy(GOLDEN)
    body["settings"]["databaseFlags"] = [{"name": "max_connections", "value": "30"}]
    body["settings"]["userLabels"] = {"team": "a"}
    body["settings"]["ipConfiguration"]["authorizedNetworks"] = [
        {"kind": "sql#aclEntry", "name": "x", "value": "192.0.2.0/24"}
    ]
    options = settings_as_options(body)
    assert options["database_flags"] == {"max_connections": "30"}
    assert options["user_labels"] == {"team": "a"}
    assert options["ip_configuration"]["authorized_networks"] == [{"name": "x", "value": "192.0.2.0/24"}]
    assert "storage_auto_resize_limit_gb" not in options
    assert instance(name="db", **options).plan(Observed(Presence.PRESENT, body)).action is Action.NONE
    # Every one of them is really compared: change any, and it is drift.
    body["settings"]["ipConfiguration"]["authorizedNetworks"] = []
    body["settings"]["deletionProtectionEnabled"] = not body["settings"].get("deletionProtectionEnabled")
    drift = instance(name="db", **options).plan(Observed(Presence.PRESENT, body))
    assert "ip_configuration.authorized_networks" in {change.field for change in drift.changes}


@pytest.mark.parametrize(("grows", "action"), [(True, Action.NONE), (False, Action.REFUSE), (None, Action.NONE)])
def test_a_smaller_disk_is_judged_by_what_the_same_run_makes_of_its_growth(grows: bool | None, action: Action) -> None:
    found = golden(dataDiskSizeGb="25", storageAutoResize=not grows)
    made = plan(found, data_disk_size_gb=10, storage_auto_resize=grows)
    refused = [change.field for change in made.refused]
    assert refused == (["data_disk_size_gb"] if action is Action.REFUSE else [])
