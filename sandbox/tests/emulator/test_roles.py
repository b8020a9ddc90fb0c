"""Roles: Google's own as far as the sandbox holds them, and custom ones with their soft deletion."""

import pytest

from sandbox.access.roles import PERMISSIONS, grants
from sandbox.apis.iam.predefined_roles import TITLES
from sandbox.tests.running import PROJECT, Client, Sandbox

PARENT = f"projects/{PROJECT}/roles"


@pytest.fixture(scope="module", autouse=True)
def role_admin(sandbox: Sandbox) -> None:
    """The operator may manage roles."""
    sandbox.operator.bind("roles/iam.roleAdmin", sandbox.operator.email)


def test_googles_own_roles_are_listed_and_described(sandbox: Sandbox) -> None:
    nobody = sandbox.account("reads-roles")
    first = nobody.get("/v1/roles?pageSize=10")
    rest = nobody.get(f"/v1/roles?pageToken={first['nextPageToken']}")
    assert "nextPageToken" not in rest
    roles = [*first["roles"], *rest["roles"]]
    assert [role["name"] for role in roles] == sorted(PERMISSIONS)
    assert {role["name"].removeprefix("roles/"): role["title"] for role in roles} == TITLES
    assert not any("includedPermissions" in role for role in roles), "the basic view"
    client = nobody.get("/v1/roles/cloudsql.client")
    assert client["includedPermissions"] == ["cloudsql.instances.connect", "cloudsql.instances.get"]
    assert (client["etag"], client["stage"]) == ("AA==", "GA")
    everything = nobody.get("/v1/roles?view=FULL")["roles"]
    assert client in everything
    assert nobody.call("GET", "/v1/roles/cloudsql.nope").status == 404


def test_the_permissions_for_custom_roles_come_in_pages(operator: Client) -> None:
    asked = {"fullResourceName": f"//cloudresourcemanager.googleapis.com/projects/{PROJECT}", "pageSize": 7}
    path, found = "/v1/permissions:queryTestablePermissions", []
    while True:
        page = operator.must("POST", path, asked)
        found += [permission["name"] for permission in page["permissions"]]
        if "nextPageToken" not in page:
            break
        asked["pageToken"] = page["nextPageToken"]
    assert found == sorted(set(found))
    assert {"cloudsql.instances.connect", "secretmanager.versions.access"} <= set(found)


def test_a_custom_role_lives_dies_and_comes_back(sandbox: Sandbox, operator: Client) -> None:
    role = {"title": "Reads instances", "includedPermissions": ["cloudsql.instances.list"], "stage": "ALPHA"}
    created = operator.must("POST", "roles", {"roleId": "readsInstances", "role": role})
    assert created.keys() == {"name", "title", "includedPermissions", "etag"}, "the first stage is not printed"
    guest = sandbox.account("custom-guest", f"{PARENT}/readsInstances")
    assert guest.call("GET", "instances").status == 200
    deleted = operator.must("DELETE", "roles/readsInstances")
    assert deleted["deleted"] is True
    assert guest.call("GET", "instances").status == 403
    assert "roles" not in operator.get("roles")
    assert [one["name"] for one in operator.get("roles?showDeleted=true")["roles"]] == [created["name"]]
    again = operator.call("POST", "roles", {"roleId": "readsInstances", "role": role})
    assert again.status == 400
    assert again.message == "You can't create a role_id (readsInstances) which has been marked for deletion."
    assert again.body["error"]["status"] == "FAILED_PRECONDITION"
    assert "deleted" not in operator.must("POST", "roles/readsInstances:undelete", {})
    assert guest.call("GET", "instances").status == 200
    assert operator.call("POST", "roles/readsInstances:undelete", {}).status == 400
    assert operator.call("POST", "roles", {"roleId": "readsInstances"}).status == 409


def test_a_patch_obeys_mask_and_etag(operator: Client) -> None:
    created = operator.must("POST", "roles", {"roleId": "patched", "role": {"title": "A", "description": "old"}})
    changed = operator.must("PATCH", "roles/patched?updateMask=title", {"title": "B", "description": "new"})
    assert (changed["title"], changed["description"]) == ("B", "old")
    stale = operator.call("PATCH", "roles/patched", {"title": "C", "etag": created["etag"]})
    assert (stale.status, stale.body["error"]["status"]) == (409, "ABORTED")
    assert operator.get("roles/patched") == changed
    for _ in range(8):  # until one has a character of its own in each alphabet
        etag = operator.get("roles/patched")["etag"].replace("+", "-").replace("/", "_")
        operator.must("PATCH", "roles/patched?updateMask=title", {"title": "D", "etag": etag})


@pytest.mark.parametrize("role_id", ["no-hyphens", "ab"])
def test_a_bad_id_is_refused(operator: Client, role_id: str) -> None:
    assert operator.call("POST", "roles", {"roleId": role_id}).message.startswith("The role name must be in the form")
    assert operator.call("GET", f"roles/{role_id}").status == 400
    assert operator.call("GET", "roles/noSuchRole").status == 404


def test_what_an_owner_holds_has_its_limits() -> None:
    assert grants("roles/owner", "iam.roles.create")
    assert not grants("roles/owner", "storage.objects.get")
