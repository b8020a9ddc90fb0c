"""Every module through its life: predicted, made, found unchanged, drifted, healed, removed; each time its writes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from tests.contract.bench import PROJECT, Bench, writes
from tests.house.checkout import ROOT

NEW_INSTANCE = ROOT / "roles" / "backend_store" / "vars" / "main.yml"
INVENTORIES = ROOT / "inventories"
EMAIL = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"
OPERATOR = f"serviceAccount:operator@{PROJECT}.iam.gserviceaccount.com"
BUCKET = "df_traffic_cyclist1"
P = f"/v1/projects/{PROJECT}"

# module, options, options that differ, the fields that then change, options of its removal
LIVES: list[tuple[str, dict[str, Any], dict[str, Any], list[str], dict[str, Any]]] = [
    ("project_service", {"name": "compute.googleapis.com"}, {}, [], {}),
    (
        "service_account",
        {"account_id": "mlflow-trainer", "display_name": "Trainer"},
        {"display_name": "MLflow trainer"},
        ["display_name"],
        {"confirm_delete": f"mlflow-trainer@{PROJECT}.iam.gserviceaccount.com"},
    ),
    (
        "secret",
        {"name": "password", "generate": True, "labels": {"app": "mlflow"}},
        {"labels": {"app": "mlflow", "team": "ml"}},
        ["labels.team"],
        {"confirm_delete": "password"},
    ),
    (
        "bucket",
        {"name": BUCKET, "location": "europe-west3", "uniform_bucket_level_access": True},
        {"versioning_enabled": True, "public_access_prevention": "enforced"},
        ["public_access_prevention", "versioning_enabled"],
        {"confirm_delete": BUCKET},
    ),
    ("project_iam_member", {"role": "roles/cloudsql.client", "member": OPERATOR}, {}, [], {}),
    ("sql_database", {"instance": "db", "name": "lifetime"}, {}, [], {"confirm_delete": "lifetime"}),
    (
        "sql_user",
        {"instance": "db", "name": "lifetime_user", "password": "corr3ct-horse"},
        {"update_password": "always"},
        ["password"],
        {"confirm_delete": "lifetime_user"},
    ),
]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life[0])
def test_life(furnished: Bench, life: Any) -> None:
    module, options, drift, fields, removal = life
    with furnished.without_writes():
        predicted = furnished.run(module, check=True, **options)
    with furnished.recorded() as seen:
        made = furnished.run(module, **options)
    assert predicted["action"] == made["action"] == "create"
    assert predicted["changed"] and made["changed"]
    assert predicted["diff"] == made["diff"]
    assert writes(seen)
    with furnished.without_writes():
        assert not furnished.run(module, **options)["changed"]
    if drift:
        with furnished.without_writes():
            predicted = furnished.run(module, check=True, **{**options, **drift})
        healed = furnished.run(module, **{**options, **drift})
        assert sorted(change["field"] for change in healed["changes"]) == fields
        assert predicted["diff"] == healed["diff"]
    identity = {key: options[key] for key in ("name", "instance", "account_id", "role", "member") if key in options}
    with furnished.without_writes():
        predicted = furnished.run(module, check=True, state="absent", **identity, **removal)
    removed = furnished.run(module, state="absent", **identity, **removal)
    assert predicted["action"] == removed["action"] == "delete"
    with furnished.without_writes():
        assert not furnished.run(module, state="absent", **identity, **removal)["changed"]


def test_an_instances_life(furnished: Bench) -> None:
    options: dict[str, Any] = {**Bench.INSTANCE, "name": "short-lived", "database_flags": {"log_connections": "on"}}
    with furnished.without_writes():
        predicted = furnished.run("sql_instance", check=True, **options)
    with furnished.recorded() as seen:
        made = furnished.run("sql_instance", **options)
    assert writes(seen) == [f"POST {P}/instances"]
    assert predicted["diff"] == made["diff"]
    assert made["resource"]["state"] == "RUNNABLE"
    assert made["resource"]["settings"]["edition"] == "ENTERPRISE"
    with furnished.recorded() as seen:
        assert not furnished.run("sql_instance", **options)["changed"]
    assert [r["path"] for r in seen] == [f"{P}/instances/short-lived"]
    refused = furnished.fail("sql_instance", **{**options, "data_disk_size_gb": 20, "tier": "db-g1-small"})
    assert "tier: 'db-f1-micro' -> 'db-g1-small'" in refused
    assert "(option allow_restart) to true" in refused
    settings = furnished.google().get("sql", f"{P[1:]}/instances/short-lived")["settings"]
    assert (settings["dataDiskSizeGb"], settings["tier"]) == ("20", "db-f1-micro")
    grown = {**options, "data_disk_size_gb": 20, "tier": "db-g1-small", "user_labels": {"app": "mlflow"}}
    healed = furnished.run("sql_instance", allow_restart=True, **grown)
    assert {c["field"]: c["blast_radius"] for c in healed["changes"]} == {
        "tier": "restarts the database",
        "user_labels.app": "safe",
    }
    with furnished.without_writes():
        assert not furnished.run("sql_instance", **grown)["changed"]
        assert "confirm_delete: short-lived" in furnished.fail("sql_instance", name="short-lived", state="absent")
    removed = furnished.run("sql_instance", name="short-lived", state="absent", confirm_delete="short-lived")
    assert removed["resource"] is None
    assert furnished.run("sql_instance_info", name="short-lived")["instance"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"data_disk_size_gb": 11, "user_labels": {"app": "mlflow"}},
        {"data_disk_size_gb": 12, "tier": "db-g1-small", "region": "us-central1"},
        {"tier": "db-g1-small", "insights_config": {"query_string_length": 4500}},
        {"backup_configuration": {"enabled": True}, "data_disk_type": "PD_HDD"},
        {"data_disk_size_gb": 13, "database_flags": {"wrok_mem": "64"}},
        {"state": "absent"},
    ],
    ids=["safe", "in part", "refused", "in part for good", "wrong", "not confirmed"],
)
def test_check_mode_says_the_same_as_the_run(furnished: Bench, change: dict[str, Any]) -> None:
    """Field by field, refusals, warnings and the diff: they come from one plan."""
    options = {**Bench.INSTANCE, **change}
    with furnished.without_writes():
        predicted = furnished.answer("sql_instance", check=True, **options)
        (planned,) = furnished.answer(
            "plan", resources=[{"owner": "test", "module": "sql_instance", "params": options}]
        ).get("plans", [{}])
    with furnished.recorded() as seen:
        done = furnished.answer("sql_instance", **options)
    told = ("changed", "action", "changes", "diff", "msg", "failed", "warnings")
    assert {key: predicted.get(key) for key in told} == {key: done.get(key) for key in told}
    assert (planned.get("action"), planned.get("changes")) == (done.get("action"), done.get("changes"))
    assert bool(writes(seen)) == done["changed"]
    sent = {one["field"] for one in done.get("changes", []) if not one["refusal"]}
    diff = done.get("diff", {"before": {}, "after": {}})
    assert {*diff["before"], *diff["after"]} == sent


def backups_of(bench: Bench, instance: str) -> list[dict[str, Any]]:
    """The backups of the project that are of an instance, be it gone."""
    found: list[dict[str, Any]] = bench.google().get("sql", f"{P[1:]}/backups")["backups"]
    return [one for one in found if one["instance"] == instance]


def test_a_deletion_leaves_a_backup_that_outlives_the_instance(furnished: Bench) -> None:
    options: dict[str, Any] = {**Bench.INSTANCE, "name": "mourned"}
    removal: dict[str, Any] = {
        "name": "mourned",
        "state": "absent",
        "confirm_delete": "mourned",
        "final_backup_retention_days": 7,
    }
    furnished.run("sql_instance", **options)
    with furnished.without_writes():
        predicted = furnished.run("sql_instance", check=True, **removal)
    removed = furnished.run("sql_instance", **removal)
    assert predicted["changes"] == removed["changes"]
    assert [(one["field"], one["after"], one["blast_radius"]) for one in removed["changes"]] == [
        ("state", "absent", "destroys data"),
        ("final_backup_retention_days", 7, "safe"),
    ]
    (left,) = backups_of(furnished, "mourned")
    assert (left["type"], left["state"]) == ("FINAL", "SUCCESSFUL")
    kept = datetime.fromisoformat(left["expiryTime"]) - datetime.now(UTC)
    assert timedelta(days=6) < kept <= timedelta(days=7)
    furnished.run("sql_instance", **options)
    furnished.run("sql_instance", **removal, final_backup=False)
    assert len(backups_of(furnished, "mourned")) == 1


def test_what_the_role_gives_a_new_instance_is_no_difference_afterwards(furnished: Bench) -> None:
    """Made of the role's own settings, then held to every one of them, then to what is read back."""
    settings = yaml.safe_load(NEW_INSTANCE.read_text())["backend_store__new_instance"]
    managed: dict[str, Any] = {"name": "of-the-role", "region": "europe-west3", "tier": "db-f1-micro"}
    assert furnished.run("sql_instance", **managed, on_create=settings)["action"] == "create"
    adopted = furnished.run("sql_instance_info", name="of-the-role")["as_variables"]["backend_store_settings"]
    assert {*settings} <= {*adopted}
    with furnished.without_writes():
        for held in ({"on_create": settings}, settings, adopted):
            assert furnished.run("sql_instance", **managed, **held)["changes"] == []
    furnished.run("sql_instance", name="of-the-role", deletion_protection_enabled=False)
    furnished.run("sql_instance", name="of-the-role", state="absent", confirm_delete="of-the-role", final_backup=False)


@pytest.mark.parametrize("inventory", ["example", "sandbox"])
def test_what_an_inventory_names_is_set_back(furnished: Bench, inventory: str) -> None:
    """Whatever somebody changes of it; safe changes all of them, so nothing restarts."""
    variables = yaml.safe_load((INVENTORIES / inventory / "group_vars" / "all" / "mlflow.yml").read_text())
    settings: dict[str, Any] = variables["backend_store_settings"]
    new = yaml.safe_load(NEW_INSTANCE.read_text())["backend_store__new_instance"]
    managed = {"name": "tampered", "region": "europe-west3", "tier": "db-f1-micro", "on_create": new, **settings}
    furnished.run("sql_instance", **managed)
    anybody = {"authorizedNetworks": [{"name": "anybody", "value": "0.0.0.0/0"}]}
    behind: dict[str, Any] = {"storageAutoResize": False, "backupConfiguration": {"enabled": False}}
    behind |= {"ipConfiguration": anybody, "connectorEnforcement": "NOT_REQUIRED", "deletionProtectionEnabled": False}
    if inventory == "sandbox":
        behind |= {"userLabels": {"app": "theirs"}, "databaseFlags": []}
    google = furnished.google()
    operation = google.write("PATCH", "sql", f"{P[1:]}/instances/tampered", {"settings": behind})
    while google.get("sql", f"{P[1:]}/operations/{operation['name']}")["status"] != "DONE":
        pass
    healed = furnished.run("sql_instance", **managed)
    fields = {one["field"]: one["blast_radius"] for one in healed["changes"]}
    assert fields == dict.fromkeys(options_of(settings), "safe")
    with furnished.without_writes():
        assert not furnished.run("sql_instance", **managed)["changed"]
    furnished.run("sql_instance", name="tampered", deletion_protection_enabled=False)
    furnished.run("sql_instance", name="tampered", state="absent", confirm_delete="tampered", final_backup=False)


def options_of(settings: dict[str, Any]) -> list[str]:
    """Every option that is set, with dots for those inside others."""
    found: list[str] = []
    for name, value in settings.items():
        found += [f"{name}.{inner}" for inner in value] if isinstance(value, dict) else [name]
    return found


def test_one_plan_for_many_instances(furnished: Bench) -> None:
    """Each with its own differences, by one reading of each."""
    names = ["first", "second", "third"]
    for name in names:
        furnished.run("sql_instance", **{**Bench.INSTANCE, "name": name})
    params = {name: {**Bench.INSTANCE, "name": name} for name in names}
    params["second"] |= {"user_labels": {"team": "ml"}}
    params["third"] |= {"tier": "db-g1-small"}
    resources = [{"owner": name, "module": "sql_instance", "params": params[name]} for name in names]
    with furnished.recorded() as seen:
        answer = furnished.run("plan", resources=resources, check_permissions=False)
    found = {plan["owner"]: (plan["action"], [one["field"] for one in plan["changes"]]) for plan in answer["plans"]}
    assert found == {
        "first": ("none", []),
        "second": ("update", ["user_labels.team"]),
        "third": ("refuse", ["tier"]),
    }
    assert answer["pending_owners"] == ["second", "third"]
    assert writes(seen) == []
    assert [f"{request['method']} {request['path']}" for request in seen] == [f"GET {P}/instances"]
    for name in names:
        furnished.run("sql_instance", name=name, state="absent", confirm_delete=name, final_backup=False)


@pytest.mark.parametrize("flag", ["log_min_duration_statement", "max_connections"])
def test_the_flags_api_says_what_restarts(furnished: Bench, flag: str) -> None:
    with furnished.without_writes():
        options: dict[str, Any] = {"name": "db", "database_flags": {flag: "50"}, "allow_restart": True}
        (change,) = furnished.run("sql_instance", check=True, **options)["changes"]
    assert change["blast_radius"] == ("restarts the database" if flag == "max_connections" else "safe")


def test_a_protected_instance_and_what_it_holds(furnished: Bench) -> None:
    furnished.run("sql_database", instance="db", name="kept")
    furnished.run("sql_instance", name="db", deletion_protection_enabled=True)
    try:
        with furnished.without_writes():
            message = furnished.fail("sql_instance", name="db", state="absent", confirm_delete="db")
            assert "deletion_protection_enabled: false" in message
            message = furnished.fail("sql_database", instance="db", name="kept", state="absent", confirm_delete="kept")
            assert "deletion_protection_enabled: false" in message
    finally:
        furnished.run("sql_instance", name="db", deletion_protection_enabled=False)


@pytest.mark.parametrize("module", ["bucket", "secret"])
def test_bindings_on_objects(furnished: Bench, module: str) -> None:
    furnished.run("service_account", account_id="mlflow-server")
    name = f"binding-{module}"
    furnished.run(module, name=name)
    role = {"bucket": "roles/storage.objectUser", "secret": "roles/secretmanager.secretAccessor"}[module]
    options: dict[str, Any] = {module: name, "role": role, "member": MEMBER}
    with furnished.without_writes():
        assert furnished.run(f"{module}_iam_member", check=True, **options)["changed"]
    with furnished.recorded() as seen:
        assert furnished.run(f"{module}_iam_member", **options)["changed"]
    assert len(writes(seen)) == 1
    with furnished.recorded() as seen:
        assert not furnished.run(f"{module}_iam_member", **{**options, "member": MEMBER.replace("mlflow", "MLflow")})[
            "changed"
        ]
    assert len(seen) == 1
    assert furnished.run(f"{module}_iam_member", state="absent", **options)["action"] == "delete"


def test_a_full_bucket_is_not_deleted(furnished: Bench) -> None:
    furnished.run("bucket", name="full-bucket", location="europe-west3")
    furnished.google().write(
        "POST", "storage", "../../upload/storage/v1/b/full-bucket/o", {}, {"uploadType": "media", "name": "x"}
    )
    with furnished.without_writes():
        message = furnished.fail("bucket", name="full-bucket", state="absent", confirm_delete="full-bucket")
    assert "not empty" in message


def test_passwords_and_keys_are_never_printed(furnished: Bench) -> None:
    secret_parts = ("corr3ct-horse", furnished.key["private_key"][100:140].split("\n")[0])
    options: dict[str, Any] = {"instance": "db", "name": "quiet", "password": "corr3ct-horse"}
    printed = furnished.output("sql_user", check=True, **options) + furnished.output("sql_user", **options)
    printed += furnished.output("sql_user", update_password="always", **options)
    printed += furnished.output("sql_user", credentials_contents=furnished.key, **options)
    assert not [part for part in secret_parts if part in printed]
    assert PROJECT in furnished.output("sql_instance", credentials_contents=furnished.key, **Bench.INSTANCE)
