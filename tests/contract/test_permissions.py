"""The operator's permissions: what is missing is named before the first write, all of it, with its role."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.permissions import ROLES

from sandbox.access.roles import OPERATOR_ROLES, grants
from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.test_playbook import PROGRAMS, ROOT, environment
from tests.contract.test_project import declared
from tests.house.test_operator_permissions import custom_role

P = f"/v1/projects/{PROJECT}"
POLICY = f"{P}:getIamPolicy"
ASKED = f"{P}:testIamPermissions"
OPERATOR = f"operator@{PROJECT}.iam.gserviceaccount.com"
LATER = {"secret": ["secretmanager.versions.access"], "sql_user": ["cloudsql.users.update"]}
# What the declared project asks of each role. Where a read is refused nobody can tell what is to be done: an update may
# be, too. That a service is on, Cloud SQL's role also shows.
NEEDED = {
    "roles/serviceusage.serviceUsageAdmin": {"serviceusage.services.enable", "serviceusage.operations.get"},
    "roles/iam.serviceAccountCreator": {"iam.serviceAccounts.create", "iam.serviceAccounts.get"},
    "roles/resourcemanager.projectIamAdmin": {
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    },
    "roles/cloudsql.admin": {
        "cloudsql.databases.create",
        "cloudsql.databases.get",
        "cloudsql.instances.create",
        "cloudsql.instances.get",
        "cloudsql.instances.update",
        "cloudsql.users.create",
        "cloudsql.users.list",
        "cloudsql.users.update",
    },
    "roles/secretmanager.admin": {
        "secretmanager.secrets.create",
        "secretmanager.secrets.get",
        "secretmanager.secrets.getIamPolicy",
        "secretmanager.secrets.setIamPolicy",
        "secretmanager.versions.access",
        "secretmanager.versions.add",
        "secretmanager.versions.get",
    },
    "roles/storage.admin": {
        "storage.buckets.create",
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
    },
}


def all_declared() -> list[dict[str, Any]]:
    entries = [{**entry, "permissions": LATER.get(entry["module"], [])} for entry in declared()]
    # As the roles declare it: only a display name that is managed would have to be updated.
    account = {"account_id": "mlflow-server", "on_create": {"display_name": "MLflow"}}
    return [{**entry, "params": account} if entry["module"] == "service_account" else entry for entry in entries]


def set_roles(bench: Bench, *roles: str) -> None:
    """The operator's roles on the project, and nobody else's; the operator must still be able to."""
    google = bench.google()
    policy = google.query("cloudresourcemanager", POLICY[1:], {})
    bindings = [{"role": role, "members": [f"serviceAccount:{OPERATOR}"]} for role in roles]
    google.write("POST", "cloudresourcemanager", f"{P[1:]}:setIamPolicy", {"policy": {**policy, "bindings": bindings}})


def named_in(message: str) -> set[str]:
    """The permissions that a line names."""
    apis = {permission.partition(".")[0] for held in ROLES.values() for permission in held}
    return {name for name in re.findall(r"(?<![\w@.-])\w+\.\w+\.\w+", message) if name.partition(".")[0] in apis}


def others(missing: str) -> list[str]:
    return [role for role in OPERATOR_ROLES if role != missing]


def test_the_operators_roles_are_those_that_hold_what_plans_need() -> None:
    assert NEEDED.keys() == set(OPERATOR_ROLES)
    for role, permissions in ROLES.items():
        assert [name for name in permissions if not grants(role, name)] == [], f"not in Google's {role}"


@pytest.mark.parametrize("missing", OPERATOR_ROLES)
def test_one_role_short_everything_it_holds_is_named_and_nothing_is_written(fresh: Bench, missing: str) -> None:
    fresh.enable_all()
    extra = [{"owner": "services", "module": "project_service", "params": {"name": "compute.googleapis.com"}}]
    set_roles(fresh, *others(missing))
    with fresh.without_writes():
        message = fresh.fail("plan", resources=[*all_declared(), *extra], credentials_contents=json.dumps(fresh.key))
    assert named_in(message) == NEEDED[missing]
    assert message.startswith(f"project {PROJECT}: {OPERATOR} lacks ")
    assert re.findall(r"held by (roles/[\w.]+)", message) == [missing]
    grant = f"gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:{OPERATOR}"
    assert message.endswith(f"`{grant} --condition=None --role={missing}`")


def test_all_roles_short_all_are_named_in_one_line(fresh: Bench) -> None:
    fresh.enable_all()
    set_roles(fresh, "roles/browser")
    with fresh.without_writes():
        message = fresh.fail("plan", resources=all_declared())
    assert set(re.findall(r"held by (roles/[\w.]+)", message)) == set(OPERATOR_ROLES)
    assert named_in(message) >= set().union(*NEEDED.values()) - {"resourcemanager.projects.getIamPolicy"}


def test_permissions_on_the_objects_themselves_count(fresh: Bench) -> None:
    fresh.enable_all()
    entries = [entry for entry in all_declared() if entry["module"] in ("bucket", "bucket_iam_member", "secret")]
    for entry in entries[:2]:
        fresh.run(entry["module"], **entry["params"])
    google, member = fresh.google(), f"serviceAccount:{OPERATOR}"
    bucket, secret = "b/df_traffic_cyclist1/iam", f"{P[1:]}/secrets/mlflow-db-password"
    policy = google.get("storage", bucket)
    owned = [*policy["bindings"], {"role": "roles/storage.legacyBucketOwner", "members": [member]}]
    google.write("PUT", "storage", bucket, {**policy, "bindings": owned})
    admin = {"policy": {"bindings": [{"role": "roles/secretmanager.admin", "members": [member]}]}}
    google.write("POST", "secretmanager", f"{secret}:setIamPolicy", admin)
    set_roles(fresh, "roles/browser")
    planned = fresh.run("plan", resources=entries)
    assert [plan["action"] for plan in planned["plans"]] == ["none", "none", "create"]
    assert planned["permissions_checked"] is True


def test_who_may_not_delete_an_instance_does_not_take_its_protection_off(fresh: Bench) -> None:
    fresh.enable_all()
    fresh.run("sql_instance", **{**Bench.INSTANCE, "deletion_protection_enabled": True})
    set_roles(fresh, "roles/cloudsql.editor", "roles/browser")
    tasks = yaml.safe_load((ROOT / "roles/backend_store/tasks/check_remove.yml").read_text())
    (resource,) = tasks[0]["mlflow_ops.gcp.plan"]["resources"]
    resource["params"]["name"] = Bench.INSTANCE["name"]
    with fresh.without_writes():
        message = fresh.fail("plan", resources=[resource])
    assert named_in(message) == {"cloudsql.instances.delete"}
    assert "held by roles/cloudsql.admin" in message


def test_a_run_with_nothing_to_do_asks_nothing_more(fresh: Bench) -> None:
    options: dict[str, Any] = {"name": "artifacts", "location": "EU"}
    bucket = {"owner": "artifact_store", "module": "bucket", "params": options}
    fresh.run("bucket", **options)
    with fresh.recorded() as seen:
        assert fresh.run("plan", resources=[bucket])["permissions_checked"] is True
    assert [request["path"] for request in seen] == ["/storage/v1/b/artifacts"]


def test_an_empty_project_gets_its_services_first_and_nothing_before_the_permissions(
    fresh: Bench, tmp_path: Path
) -> None:
    fresh.enable_all()
    set_roles(fresh, *OPERATOR_ROLES, "roles/iam.roleAdmin")
    # The role of one's own that docs/provision.md describes.
    fresh.google().write("POST", "iam", f"{P[1:]}/roles", {"roleId": "mlflowOperator", "role": custom_role()})
    set_roles(fresh, *others("roles/secretmanager.admin"))
    services = ("sqladmin", "secretmanager", "iam", "cloudresourcemanager")
    for service in services:
        fresh.run("project_service", name=f"{service}.googleapis.com", state="absent")

    with fresh.recorded() as seen:
        short = provision(fresh, tmp_path)
    assert short.returncode != 0
    assert "lacks secretmanager.secrets.create" in short.stdout
    assert sorted(writes(seen)) == sorted(f"POST {P}/services/{name}.googleapis.com:enable" for name in services)

    set_roles(fresh, f"projects/{PROJECT}/roles/mlflowOperator")
    with fresh.recorded() as seen:
        done = provision(fresh, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [number for number, request in enumerate(seen) if request["path"] == ASKED]
    assert len(asked) == 1
    assert asked[0] < next(number for number, request in enumerate(seen) if request["mutating"])
    use_everything(fresh)


def use_everything(bench: Bench) -> None:
    """What site.yml does later, where something has changed: settings, the tier, a rotation, a login restored."""
    bucket: dict[str, Any] = {"name": "df_traffic_cyclist1", "public_access_prevention": "inherited"}
    assert bench.run("bucket", **bucket)["changed"]
    secret: dict[str, Any] = {"name": "mlflow-db-password", "generate": True}
    assert bench.run("secret", **secret, rotate=True)["version"] == 2
    assert bench.run("secret", **secret, older_versions="disabled")["changed"]
    tier: dict[str, Any] = {"name": "mlflow-metadata", "tier": "db-g1-small", "allow_restart": True}
    assert bench.run("sql_instance", **tier)["changed"]
    login: dict[str, Any] = {"instance": "mlflow-metadata", "name": "mlflow_user", "password": "corr3ct-horse"}
    assert bench.run("sql_user", **login, update_password="always")["changed"]


def provision(bench: Bench, folder: Path) -> subprocess.CompletedProcess[str]:
    """provision.yml against the emulator, from the example inventory's variables."""
    variables = {
        "gcp_project": PROJECT,
        "gcp_connection": {**bench.common, "credentials_contents": json.dumps(bench.key)},
        "mlflow_password_secret": "mlflow-db-password",
    }
    command = [str(PROGRAMS / "ansible-playbook"), "-i", str(ROOT / "inventories" / "example"), "-c", "local"]
    command += ["-e", json.dumps(variables), str(ROOT / "playbooks" / "provision.yml")]
    return subprocess.run(command, env=environment(folder), text=True, capture_output=True, check=False)
