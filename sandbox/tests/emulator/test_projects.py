"""Resource Manager in both versions: one project, by id and by number, found by those who may get it."""

import pytest

from sandbox.core.documents import Json
from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox


@pytest.fixture(scope="module")
def nobody(sandbox: Sandbox) -> Client:
    """An account without any role."""
    return sandbox.account("sees-no-project")


@pytest.mark.parametrize("address", [PROJECT, NUMBER])
def test_each_version_has_its_shape(operator: Client, address: str) -> None:
    old, new = operator.get(f"/v1/projects/{address}"), operator.get(f"/v3/projects/{address}")
    assert (old["projectId"], old["projectNumber"], old["name"]) == (PROJECT, NUMBER, PROJECT)
    assert old["lifecycleState"] == new["state"] == "ACTIVE"
    assert (new["name"], new["projectId"], new["displayName"]) == (f"projects/{NUMBER}", PROJECT, PROJECT)
    assert "etag" in new


@pytest.mark.parametrize("version", ["v1", "v3"])
@pytest.mark.parametrize("address", [PROJECT, NUMBER])
def test_a_policy_is_the_same_from_every_side(operator: Client, version: str, address: str) -> None:
    path = f"/{version}/projects/{address}"
    policy = operator.must("POST", f"{path}:getIamPolicy", {})
    assert policy == operator.must("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    written = operator.must("POST", f"{path}:setIamPolicy", {"policy": policy, "updateMask": "bindings,etag"})
    assert written["etag"] != policy["etag"]
    held = {"permissions": ["resourcemanager.projects.setIamPolicy"]}
    assert operator.must("POST", f"{path}:testIamPermissions", held) == held


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/projects", True),
        ("/v1/projects?filter=lifecycleState:ACTIVE", True),
        (f"/v1/projects?filter=id:{PROJECT[:4]}*%20AND%20lifecycleState:ACTIVE", True),
        ("/v1/projects?filter=id:other", False),
        ("/v3/projects:search", True),
        (f"/v3/projects:search?query=projectId={PROJECT}%20state:ACTIVE", True),
        ("/v3/projects:search?query=state:DELETE_REQUESTED", False),
    ],
)
def test_lists_and_searches_show_what_the_caller_may_get(
    operator: Client, nobody: Client, path: str, *, found: bool
) -> None:
    seen: list[Json] = operator.get(path).get("projects", [])
    assert [project["projectId"] for project in seen] == ([PROJECT] if found else [])
    assert nobody.get(path) == {}


def test_a_filter_that_is_not_understood_is_refused(operator: Client) -> None:
    assert "labels.env:prod" in operator.call("GET", "/v1/projects?filter=labels.env:prod").message


@pytest.mark.parametrize("version", [4, "many"])
def test_a_version_of_policies_that_there_is_not_is_refused(operator: Client, version: object) -> None:
    asked = {"options": {"requestedPolicyVersion": version}}
    assert operator.call("POST", f"/v1/projects/{PROJECT}:getIamPolicy", asked).status == 400


def test_nothing_is_above_the_project(operator: Client, nobody: Client) -> None:
    ancestor = {"resourceId": {"type": "project", "id": PROJECT}}
    assert operator.must("POST", f"/v1/projects/{NUMBER}:getAncestry", {}) == {"ancestor": [ancestor]}
    assert nobody.call("POST", f"/v1/projects/{PROJECT}:getAncestry", {}).status == 403


@pytest.mark.parametrize(
    ("members", "says"),
    [
        (["allUsers"], "Request contains an invalid argument."),
        ([f"user:user-{n}@example.com" for n in range(1501)], "larger than the maximum allowed size 1,500."),
    ],
)
def test_what_a_policy_can_not_hold_is_refused(operator: Client, members: list[str], says: str) -> None:
    path = f"/v1/projects/{PROJECT}"
    before = operator.must("POST", f"{path}:getIamPolicy", {})
    wanted = before | {"bindings": [*before["bindings"], {"role": "roles/browser", "members": members}]}
    reply = operator.call("POST", f"{path}:setIamPolicy", {"policy": wanted})
    assert reply.status == 400
    assert reply.message.endswith(says)
    assert operator.must("POST", f"{path}:getIamPolicy", {}) == before
