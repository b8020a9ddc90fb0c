"""Bindings with a condition, over HTTP: what each service says its resources are called, and when a grant counts."""

from collections.abc import Callable

import pytest

from sandbox.core.documents import Json
from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox

POLICY = f"/v1/projects/{PROJECT}"
OBJECTS = "projects/_/buckets/conditions/objects/"
Probe = Callable[[Client], int]


@pytest.fixture(scope="module")
def guest(sandbox: Sandbox) -> Client:
    """An account that gets one conditional binding at a time, and what it may be let in to."""
    operator = sandbox.operator
    operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": "conditions"})
    for name in ("ours/a", "theirs/b"):
        upload(name)(operator)
    operator.must("POST", "secrets?secretId=ours", {"replication": {"automatic": {}}})
    for data in ("b25l", "dHdv"):
        operator.must("POST", "secrets/ours:addVersion", {"payload": {"data": data}})
    return sandbox.account("guest-account")


def upload(name: str) -> Probe:
    path = f"/upload/storage/v1/b/conditions/o?uploadType=media&name={name}"
    return lambda client: client.call("POST", path, data=b"x").status


def get(path: str) -> Probe:
    return lambda client: client.call("GET", path).status


def post(path: str, body: Json) -> Probe:
    return lambda client: client.call("POST", path, body).status


def bind(operator: Client, guest: Client, role: str, expression: str) -> int:
    """Replace the guest's only binding; the HTTP status."""
    member = f"serviceAccount:{guest.email}"
    policy = operator.must("POST", f"{POLICY}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    kept = [binding for binding in policy["bindings"] if member not in binding["members"]]
    binding = {"role": role, "members": [member], "condition": {"title": "test", "expression": expression}}
    wanted = {**policy, "version": 3, "bindings": [*kept, binding]}
    return operator.call("POST", f"{POLICY}:setIamPolicy", {"policy": wanted}).status


SQL, OBJECT, SECRET = "roles/cloudsql.admin", "roles/storage.objectUser", "roles/secretmanager.admin"


@pytest.mark.parametrize(
    ("role", "expression", "allowed", "refused"),
    [
        (OBJECT, f'resource.name.startsWith("{OBJECTS}ours/")', upload("ours/new"), upload("theirs/new")),
        (
            OBJECT,
            f'resource.name == "{OBJECTS}ours/a" && resource.type == "storage.googleapis.com/Object"',
            get("/storage/v1/b/conditions/o/ours%2Fa?alt=media"),
            get("/storage/v1/b/conditions/o/theirs%2Fb?alt=media"),
        ),
        (
            OBJECT,
            # A listing is about the bucket, whatever its prefix.
            'resource.name == "projects/_/buckets/conditions"',
            get("/storage/v1/b/conditions/o?prefix=ours/"),
            get("/storage/v1/b/conditions/o/ours%2Fa?alt=media"),
        ),
        (
            "roles/storage.admin",
            'resource.type == "storage.googleapis.com/Bucket" && resource.name == "projects/_/buckets/conditions"',
            get("/storage/v1/b/conditions"),
            get("/storage/v1/b/conditions/o/ours%2Fa"),
        ),
        (
            SQL,
            f'resource.name == "projects/{PROJECT}/instances/ours" && '
            'resource.type == "sqladmin.googleapis.com/Instance"'
            ' && resource.service == "sqladmin.googleapis.com"',
            get("instances/ours"),
            get("instances/theirs"),
        ),
        (SQL, 'resource.name.endsWith("/ours")', get("instances/europe-west3~ours/connectSettings"), get("instances")),
        (
            SQL,
            f'resource.name.startsWith("projects/{PROJECT}/instances/test-")',
            post("instances", {"name": "test-a", "region": "no-such-region"}),
            post("instances", {"name": "a", "region": "no-such-region"}),
        ),
        (
            SECRET,
            f'resource.name == "projects/{NUMBER}/secrets/ours/versions/1"',
            get("secrets/ours/versions/1:access"),
            get("secrets/ours/versions/2:access"),
        ),
        (
            SECRET,
            'resource.type == "secretmanager.googleapis.com/SecretVersion"',
            get("secrets/ours/versions/latest:access"),
            get("secrets/ours"),
        ),
        (
            "roles/iam.serviceAccountAdmin",
            'resource.name == "" && resource.service == ""',
            get("serviceAccounts"),
            get("instances"),
        ),
    ],
)
def test_a_condition_on_the_resource(
    *, operator: Client, guest: Client, role: str, expression: str, allowed: Probe, refused: Probe
) -> None:
    assert allowed(guest) == 403, "without any binding"
    assert bind(operator, guest, role, expression) == 200
    assert allowed(guest) not in (401, 403)
    assert refused(guest) == 403
    # The same role with the opposite condition.
    assert bind(operator, guest, role, f"!({expression})") == 200
    assert allowed(guest) == 403
    assert bind(operator, guest, "roles/browser", "false") == 200


@pytest.mark.parametrize(
    ("expression", "status"),
    [
        ('request.time < timestamp("2000-01-01T00:00:00Z")', 403),
        ('request.time > timestamp("2000-01-01T00:00:00Z")', 200),
    ],
)
def test_a_condition_on_the_time(operator: Client, guest: Client, expression: str, status: int) -> None:
    assert bind(operator, guest, "roles/cloudsql.viewer", expression) == 200
    assert guest.call("GET", "instances").status == status


@pytest.mark.parametrize(
    ("role", "expression", "fragment"),
    [
        (SQL, "resource.name = 'x'", "Invalid condition expression"),
        (SQL, "resource.matchTag('a', 'b')", "undeclared reference"),
        ("roles/viewer", "true", "primitive roles"),
    ],
)
def test_a_condition_that_is_none_is_refused_and_nothing_changes(
    operator: Client, guest: Client, role: str, expression: str, fragment: str
) -> None:
    before = operator.must("POST", f"{POLICY}:getIamPolicy", {})
    member = f"serviceAccount:{guest.email}"
    binding = {"role": role, "members": [member], "condition": {"title": "t", "expression": expression}}
    wanted = {**before, "version": 3, "bindings": [binding]}
    reply = operator.call("POST", f"{POLICY}:setIamPolicy", {"policy": wanted})
    assert (reply.status, reply.body["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert fragment in reply.message
    assert operator.must("POST", f"{POLICY}:getIamPolicy", {}) == before


def test_an_administrator_may_grant_only_the_roles_that_the_condition_lists(operator: Client, guest: Client) -> None:
    lists = "api.getAttribute('iam.googleapis.com/modifiedGrantsByRole', []).hasOnly(['roles/cloudsql.client'])"
    assert bind(operator, guest, "roles/resourcemanager.projectIamAdmin", lists) == 200

    def grant(role: str) -> int:
        policy = guest.must("POST", f"{POLICY}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
        added = {"role": role, "members": [f"serviceAccount:{operator.email}"]}
        wanted = {**policy, "bindings": [*policy["bindings"], added]}
        return guest.call("POST", f"{POLICY}:setIamPolicy", {"policy": wanted}).status

    assert grant("roles/cloudsql.client") == 200
    assert grant("roles/owner") == 403
    assert bind(operator, guest, "roles/browser", "false") == 200


def test_permissions_are_tested_under_the_condition_too(operator: Client, guest: Client) -> None:
    assert bind(operator, guest, SECRET, f'resource.name == "projects/{NUMBER}/secrets/ours"') == 200
    asked = {"permissions": ["secretmanager.secrets.get"]}
    assert guest.must("POST", "secrets/ours:testIamPermissions", asked) == asked
    assert guest.must("POST", "secrets/theirs:testIamPermissions", asked) == {}
    assert guest.must("POST", f"{POLICY}:testIamPermissions", asked) == {}
    held = "/storage/v1/b/conditions/iam/testPermissions?permissions=storage.objects.get"
    assert "permissions" not in guest.get(held)
    assert operator.get(held)["permissions"] == ["storage.objects.get"]
