"""The whole project through plan and the modules: an empty one, a complete one, and what goes wrong in between."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember

from tests.contract.bench import PROJECT, SERVICES, Bench, writes

SERVER = f"serviceAccount:mlflow-server@{PROJECT}.iam.gserviceaccount.com"
P = f"/v1/projects/{PROJECT}"


def declared() -> list[dict[str, Any]]:
    """Everything that an MLflow server needs at Google, in the order of applying."""
    entries: list[tuple[str, str, dict[str, Any]]] = [
        *(("services", "project_service", {"name": f"{service}.googleapis.com"}) for service in SERVICES),
        ("identities", "service_account", {"account_id": "mlflow-server", "display_name": "MLflow"}),
        ("backend_store", "secret", {"name": "mlflow-db-password", "generate": True}),
        ("backend_store", "sql_instance", Bench.INSTANCE),
        ("backend_store", "sql_database", {"instance": "db", "name": "mlflow"}),
        ("backend_store", "sql_user", {"instance": "db", "name": "mlflow_user"}),
        ("artifact_store", "bucket", {"name": "df_traffic_cyclist1", "location": "europe-west3"}),
        ("identities", "project_iam_member", {"role": "roles/cloudsql.client", "member": SERVER}),
        (
            "backend_store",
            "secret_iam_member",
            {"secret": "mlflow-db-password", "role": "roles/secretmanager.secretAccessor", "member": SERVER},
        ),
        (
            "artifact_store",
            "bucket_iam_member",
            {"bucket": "df_traffic_cyclist1", "role": "roles/storage.objectUser", "member": SERVER},
        ),
    ]
    return [{"owner": owner, "module": module, "params": params} for owner, module, params in entries]


def with_password(entry: dict[str, Any]) -> dict[str, Any]:
    """The options of the module itself, which unlike a plan's hold the secret."""
    options: dict[str, Any] = entry["params"]
    return {**options, "password": "corr3ct-horse"} if entry["module"] == "sql_user" else options


def test_an_empty_project_becomes_a_complete_one_as_predicted(fresh: Bench) -> None:
    with fresh.without_writes():
        planned = fresh.run("plan", resources=declared())
        predicted = [fresh.run(e["module"], check=True, **with_password(e)) for e in declared()]
    assert [plan["action"] for plan in planned["plans"]] == ["create"] * len(declared())
    assert planned["pending_owners"] == ["artifact_store", "backend_store", "identities", "services"]
    assert [result["action"] for result in predicted] == ["create"] * len(declared())
    with fresh.recorded() as seen:
        made = [fresh.run(e["module"], **with_password(e)) for e in declared()]
    assert [result["diff"] for result in made] == [result["diff"] for result in predicted]
    assert writes(seen) == [
        *(f"POST {P}/services/{service}.googleapis.com:enable" for service in SERVICES),
        f"POST {P}/serviceAccounts",
        f"POST {P}/secrets",
        f"POST {P}/secrets/mlflow-db-password:addVersion",
        f"POST {P}/instances",
        f"POST {P}/instances/db/databases",
        f"POST {P}/instances/db/users",
        "POST /storage/v1/b",
        f"POST {P}:setIamPolicy",
        f"POST {P}/secrets/mlflow-db-password:setIamPolicy",
        "PUT /storage/v1/b/df_traffic_cyclist1/iam",
    ]
    before = len([r for r in fresh.requests() if r["path"] == "/token"])
    with fresh.recorded() as seen:
        again = fresh.run("plan", resources=declared(), credentials_contents=json.dumps(fresh.key))
    assert again["pending_owners"] == []
    assert len([r for r in fresh.requests() if r["path"] == "/token"]) == before + 1
    assert writes(seen) == []
    # One read for each object, and one for all services; a secret has two, itself and its newest version.
    assert len(seen) == len({(r["method"], r["path"]) for r in seen}) == len(declared()) - len(SERVICES) + 2
    with fresh.without_writes():
        assert not any(fresh.run(e["module"], **with_password(e))["changed"] for e in declared())


def test_in_a_real_run_a_disabled_api_and_a_missing_parent_are_errors_with_the_way_out(fresh: Bench) -> None:
    with fresh.without_writes():
        assert "gcloud services enable sqladmin.googleapis.com" in fresh.fail("sql_instance", **Bench.INSTANCE)
        assert fresh.run("sql_instance_info", check=True, name="db")["instance"] is None
        message = fresh.fail("bucket_iam_member", bucket="none", role="roles/storage.objectUser", member=SERVER)
        assert "create it first with mlflow_ops.gcp.bucket" in message
    fresh.enable_all()
    with fresh.without_writes():
        for module in ("sql_database", "sql_user"):
            options: dict[str, Any] = {"instance": "db", "name": "x"} | (
                {"password": "corr3ct-horse"} if module == "sql_user" else {}
            )
            assert "create it first with mlflow_ops.gcp.sql_instance" in fresh.fail(module, **options)


def test_a_missing_permission_is_named_and_nothing_is_sent(fresh: Bench) -> None:
    fresh.enable_all()
    policy = fresh.google().query("cloudresourcemanager", f"{P[1:]}:getIamPolicy", {})
    policy["bindings"] = [b for b in policy["bindings"] if b["role"] != "roles/secretmanager.admin"]
    fresh.google().write("POST", "cloudresourcemanager", f"{P[1:]}:setIamPolicy", {"policy": policy})
    for check in (True, False):
        with fresh.without_writes():
            message = fresh.fail("secret", check=check, name="s", generate=True)
        assert "secretmanager.secrets.get" in message


def test_many_who_change_one_policy_at_once_lose_nothing(fresh: Bench) -> None:
    fresh.enable_all()
    roles = [f"roles/{name}" for name in ("viewer", "browser", "cloudsql.client", "cloudsql.viewer", "storage.admin")]
    member = f"serviceAccount:operator@{PROJECT}.iam.gserviceaccount.com"

    def add(role: str) -> bool:
        options: dict[str, Any] = {"role": role, "member": member, "state": "present"}
        return converge(ProjectIamMember(options, PROJECT), fresh.google()).changed

    with ThreadPoolExecutor(len(roles)) as pool:
        list(pool.map(add, roles))
    policy = fresh.google().query("cloudresourcemanager", f"{P[1:]}:getIamPolicy", {})
    assert {b["role"] for b in policy["bindings"] if member in b["members"]} >= set(roles)


def test_a_given_value_comes_back_readable_and_shows_nowhere_else(fresh: Bench) -> None:
    fresh.enable_all()
    value = "Tr0ub4dor-and-3"
    printed = fresh.output("secret", name="s", value=value)
    assert value not in printed
    again = fresh.run("secret", name="s", value=value, return_value=True)
    assert (again["changed"], again["value"]) == (False, value)
    assert json.dumps(again).count(value) == 1
    assert "value" not in again["invocation"]["module_args"]


def test_credentials_by_file_by_token_and_by_default(
    fresh: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(fresh.key))
    options: dict[str, Any] = {"name": "storage.googleapis.com", "credentials_contents": None}
    assert not fresh.run("project_service", credentials_file=str(path), **options)["changed"]
    del options["credentials_contents"]
    assert not fresh.run("project_service", access_token=fresh.token(), **options)["changed"]
    assert "401" in fresh.fail("project_service", access_token="nonsense", **options)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert not fresh.run("project_service", credentials_contents=None, **options)["changed"]
    both: dict[str, Any] = {"credentials_file": str(path), "access_token": "ya29.token", **options}
    assert "mutually exclusive" in fresh.fail("project_service", **both)


def test_endpoints_and_project_from_the_environment(fresh: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"name": "storage.googleapis.com", "project": None, "endpoints": None}
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    assert "GOOGLE_CLOUD_PROJECT" in fresh.fail("project_service", **options)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    for api, address in fresh.endpoints.items():
        monkeypatch.setenv(f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}", address)
    assert not fresh.run("project_service", **options)["changed"]


def test_a_key_that_google_does_not_know_is_one_clear_line(fresh: Bench) -> None:
    unknown = {**fresh.key, "client_email": f"nobody@{PROJECT}.iam.gserviceaccount.com"}
    message = fresh.fail("project_service", name="storage.googleapis.com", credentials_contents=json.dumps(unknown))
    assert "Google gave no access token for nobody@" in message
