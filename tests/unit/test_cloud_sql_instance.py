"""Plans for instances: what is drift, what it costs, what is refused, and what is sent."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import (
    FIELDS,
    patches,
    settings_as_options,
)
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

from tests.unit.fakes import DONE, NO_INSTANCE, PROJECT, bad, cloud, ok
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


# (options, settings as found, field, before, after, blast radius); sources in google-apis 1.5 (Google's discovery
# document, gcloud's patch.py, the configure-pitr and configure-private-ip pages).
DRIFT: list[tuple[dict[str, Any], dict[str, Any], str, Any, Any, BlastRadius]] = [
    ({"tier": "db-g1-small"}, {}, "tier", "db-f1-micro", "db-g1-small", BlastRadius.RESTARTS),
    ({"edition": "ENTERPRISE_PLUS"}, {}, "edition", "ENTERPRISE", "ENTERPRISE_PLUS", BlastRadius.RESTARTS),
    ({"database_version": "POSTGRES_16"}, {}, "database_version", "POSTGRES_15", "POSTGRES_16", BlastRadius.RESTARTS),
    ({"data_disk_size_gb": 20}, {}, "data_disk_size_gb", 10, 20, BlastRadius.SAFE),
    ({"storage_auto_resize": False}, {}, "storage_auto_resize", True, False, BlastRadius.SAFE),
    ({"storage_auto_resize_limit_gb": 50}, {}, "storage_auto_resize_limit_gb", 0, 50, BlastRadius.SAFE),
    ({"availability_type": "REGIONAL"}, {}, "availability_type", "ZONAL", "REGIONAL", BlastRadius.RESTARTS),
    ({"activation_policy": "NEVER"}, {}, "activation_policy", "ALWAYS", "NEVER", BlastRadius.RESTARTS),
    (
        {"activation_policy": "ALWAYS"},
        {"activationPolicy": "NEVER"},
        "activation_policy",
        "NEVER",
        "ALWAYS",
        BlastRadius.SAFE,
    ),
    ({"backup_configuration": {"enabled": True}}, {}, "backup_configuration.enabled", False, True, BlastRadius.SAFE),
    (
        {"backup_configuration": {"start_time": "03:00"}},
        {},
        "backup_configuration.start_time",
        "12:00",
        "03:00",
        BlastRadius.SAFE,
    ),
    (
        {"backup_configuration": {"point_in_time_recovery_enabled": True}},
        {},
        "backup_configuration.point_in_time_recovery_enabled",
        False,
        True,
        BlastRadius.RESTARTS,
    ),
    (
        {"backup_configuration": {"retained_backups": 14}},
        {},
        "backup_configuration.retained_backups",
        7,
        14,
        BlastRadius.SAFE,
    ),
    (
        {"backup_configuration": {"transaction_log_retention_days": 3}},
        {},
        "backup_configuration.transaction_log_retention_days",
        7,
        3,
        BlastRadius.SAFE,
    ),
    ({"ip_configuration": {"ipv4_enabled": False}}, {}, "ip_configuration.ipv4_enabled", True, False, BlastRadius.SAFE),
    (
        {"ip_configuration": {"authorized_networks": []}},
        {"ipConfiguration": {"authorizedNetworks": [{"kind": "sql#aclEntry", "value": "0.0.0.0/0"}]}},
        "ip_configuration.authorized_networks",
        [{"value": "0.0.0.0/0", "name": ""}],
        [],
        BlastRadius.SAFE,
    ),
    (
        {"ip_configuration": {"ssl_mode": "ENCRYPTED_ONLY"}},
        {},
        "ip_configuration.ssl_mode",
        "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        "ENCRYPTED_ONLY",
        BlastRadius.SAFE,
    ),
    (
        {"ip_configuration": {"private_network": "projects/p/global/networks/n"}},
        {},
        "ip_configuration.private_network",
        None,
        "projects/p/global/networks/n",
        BlastRadius.RESTARTS,
    ),
    ({"connector_enforcement": "REQUIRED"}, {}, "connector_enforcement", "NOT_REQUIRED", "REQUIRED", BlastRadius.SAFE),
    (
        {"user_labels": {"team": "ml"}},
        {"userLabels": {"team": "x", "kept": "1"}},
        "user_labels.team",
        "x",
        "ml",
        BlastRadius.SAFE,
    ),
    ({"deletion_protection_enabled": True}, {}, "deletion_protection_enabled", False, True, BlastRadius.SAFE),
    ({"data_disk_type": "PD_HDD"}, {}, "data_disk_type", "PD_SSD", "PD_HDD", BlastRadius.DESTROYS),
    ({"region": "europe-west3"}, {}, "region", "us-central1", "europe-west3", BlastRadius.DESTROYS),
]


@pytest.mark.parametrize("row", DRIFT, ids=lambda row: f"{row[2]}-{row[4]}")
def test_drift_is_reported_with_its_blast_radius(row: Any) -> None:
    options, found, *expected = row
    (change,) = plan(golden(**found), **options).changes
    assert [change.field, change.before, change.after, change.blast_radius] == expected


def test_the_drift_table_covers_every_field() -> None:
    assert {row[2].split(".team")[0] for row in DRIFT} == {field.option for field in FIELDS} | {"user_labels"}


@pytest.mark.parametrize("row", [row for row in DRIFT if row[5] is BlastRadius.RESTARTS], ids=lambda row: row[2])
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
    made = cloud({GET: [NO_INSTANCE, NO_INSTANCE, ok(GOLDEN)], OPERATIONS: ok(), f"POST {INSTANCES}": DONE})
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


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("confirm", [None, "other", "db"])
def test_a_deletion_needs_its_name_and_no_protection(protected: bool, confirm: str | None) -> None:
    made = plan(golden(deletionProtectionEnabled=protected), state="absent", confirm_delete=confirm)
    assert made.action is (Action.DELETE if confirm == "db" and not protected else Action.REFUSE)


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
