"""Every module through its life: predicted, made, found unchanged, drifted, healed, removed; each time its writes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bench import PROJECT, Bench, writes

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
        {},
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
