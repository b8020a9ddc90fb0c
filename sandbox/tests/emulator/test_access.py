"""Who may do what: services off, missing and bad tokens, roles, the project's policy, unknown projects."""

import base64

import pytest

from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox

POLICY = f"/v1/projects/{PROJECT}"


@pytest.fixture(scope="module")
def nobody(sandbox: Sandbox) -> Client:
    """An account without any role."""
    return sandbox.account("no-roles")


def test_a_service_that_is_off_answers_service_disabled(operator: Client) -> None:
    operator.must("POST", "services/secretmanager.googleapis.com:disable", {})
    try:
        while (reply := operator.call("GET", "secrets")).status == 200:
            pass
    finally:
        operator.must("POST", "services/secretmanager.googleapis.com:enable", {})
    assert reply.status == 403
    assert f"Secret Manager API has not been used in project {NUMBER} before or it is disabled." in reply.message
    info = reply.body["error"]["details"][0]
    assert info["reason"] == "SERVICE_DISABLED"
    assert info["metadata"]["service"] == "secretmanager.googleapis.com"
    assert info["metadata"]["consumer"] == f"projects/{NUMBER}"
    while operator.call("GET", "secrets").status != 200:
        pass


@pytest.mark.parametrize("path", ["instances", "secrets", "serviceAccounts", "services"])
def test_no_token_and_a_bad_token_are_401(operator: Client, path: str) -> None:
    missing = operator.call("GET", path, Authorization="")
    bad = operator.call("GET", path, Authorization="Bearer ya29.invented")
    assert (missing.status, bad.status) == (401, 401)
    assert missing.body["error"]["status"] == bad.body["error"]["status"] == "UNAUTHENTICATED"
    assert bad.message.startswith("Request had invalid authentication credentials.")


@pytest.mark.parametrize(
    ("method", "path", "fragment"),
    [
        ("GET", "instances/any", "Possibly missing permission cloudsql.instances.get on resource instances/any."),
        ("GET", "instances/any/connectSettings", "cloudsql.instances.connect on resource instances/any."),
        ("POST", "instances/any:generateEphemeralCert", "cloudsql.instances.connect on resource instances/any."),
        ("POST", "instances", "The client is not authorized to make this request."),
        ("POST", "instances/any/users", "cloudsql.users.create"),
        ("PUT", "instances/any/users?name=x", "cloudsql.users.update"),
        ("POST", "instances/any/databases", "cloudsql.databases.create"),
        ("DELETE", "instances/any", "cloudsql.instances.delete"),
        ("POST", "secrets?secretId=x", "secretmanager.secrets.create"),
        ("GET", "secrets/x/versions/latest:access", "secretmanager.versions.access"),
        ("POST", "serviceAccounts", "iam.serviceAccounts.create"),
        ("POST", "services/iam.googleapis.com:enable", "Permission denied to enable service [iam.googleapis.com]"),
        ("POST", f"{POLICY}:setIamPolicy", "The caller does not have permission"),
        ("GET", POLICY, "The caller does not have permission"),
        ("POST", "/storage/v1/b?project=x", "storage.buckets.create"),
        ("GET", "/storage/v1/b/any/o/thing", "storage.objects.get"),
    ],
)
def test_without_the_role_every_call_is_refused_by_name(nobody: Client, method: str, path: str, fragment: str) -> None:
    reply = nobody.call(method, path, None if method == "GET" else {})
    assert reply.status == 403
    assert fragment in reply.message


@pytest.mark.parametrize("path", ["/v1/projects/other", "/v1/projects/other/instances", "/v1/projects/other/secrets/x"])
def test_an_unknown_project_is_403_not_404(operator: Client, path: str) -> None:
    assert operator.call("GET", path).status == 403


def test_the_projects_number_addresses_it_too(operator: Client) -> None:
    assert operator.get(f"/v1/projects/{NUMBER}")["projectId"] == PROJECT
    assert operator.get(f"/v3/projects/{NUMBER}")["name"] == f"projects/{NUMBER}"


def test_a_role_counts_at_once_and_its_removal_too(operator: Client, nobody: Client) -> None:
    before = operator.must("POST", f"{POLICY}:getIamPolicy", {})
    operator.bind("roles/cloudsql.viewer", nobody.email)
    assert nobody.call("GET", "instances").status == 200
    assert nobody.call("POST", "instances", {}).status == 403
    del before["etag"]
    operator.must("POST", f"{POLICY}:setIamPolicy", {"policy": before})
    assert nobody.call("GET", "instances").status == 403


def test_a_stale_etag_is_409_aborted_whatever_alphabet_a_good_one_comes_in(operator: Client) -> None:
    for _ in range(8):
        policy = operator.must("POST", f"{POLICY}:getIamPolicy", {})
        raw = base64.b64decode(policy["etag"])
        assert base64.b64encode(raw).decode() == policy["etag"], "canonical"
        safe = policy | {"etag": base64.urlsafe_b64encode(raw).decode()}
        operator.must("POST", f"{POLICY}:setIamPolicy", {"policy": safe})
        reply = operator.call("POST", f"{POLICY}:setIamPolicy", {"policy": policy})
        assert (reply.status, reply.body["error"]["status"]) == (409, "ABORTED")
        assert reply.message.startswith("There were concurrent policy changes.")


def test_audit_configuration_and_conditions_survive(operator: Client) -> None:
    policy = operator.must("POST", f"{POLICY}:getIamPolicy", {})
    audit = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
    condition = {"title": "office hours", "expression": "request.time.getHours() < 18"}
    member = f"serviceAccount:{operator.email}"
    binding = {"role": "roles/cloudsql.viewer", "members": [member], "condition": condition}
    wanted = policy | {"version": 3, "auditConfigs": audit, "bindings": [*policy["bindings"], binding]}
    mask = {"policy": wanted, "updateMask": "bindings,etag,auditConfigs"}
    assert operator.must("POST", f"{POLICY}:setIamPolicy", mask)["version"] == 3
    cut = operator.must("POST", f"{POLICY}:getIamPolicy", {})
    assert cut["version"] == 1
    assert cut["bindings"][-1]["role"].startswith("roles/cloudsql.viewer_withcond_")
    options = {"options": {"requestedPolicyVersion": 3}}
    whole = operator.must("POST", f"{POLICY}:getIamPolicy", options)
    assert whole["bindings"][-1] == binding
    unconditional = policy | {"etag": whole["etag"]}
    refused = operator.call("POST", f"{POLICY}:setIamPolicy", {"policy": unconditional})
    assert refused.message.startswith(
        "Specified policy version (1) cannot be less than the existing policy version (3)."
    )
    back = operator.must("POST", f"{POLICY}:setIamPolicy", {"policy": unconditional | {"version": 3}})
    assert back["auditConfigs"] == audit, "the default mask leaves audit configuration alone"
    assert back["version"] == 1, "without a condition, whatever was sent"
    only_audit = {"policy": {"etag": back["etag"]}, "updateMask": "auditConfigs"}
    bare = operator.must("POST", f"{POLICY}:setIamPolicy", only_audit)
    assert ("auditConfigs" in bare, bare["bindings"]) == (False, back["bindings"])


@pytest.mark.parametrize(
    ("binding", "fragment"),
    [
        ({"role": "cloudsql.client", "members": ["user:a@b.c"]}, "Role cloudsql.client is not supported"),
        ({"role": "roles/viewer", "members": ["ada"]}, "The member ada is of an unknown type."),
        (
            {"role": "roles/viewer", "members": [f"serviceAccount:gone@{PROJECT}.iam.gserviceaccount.com"]},
            "does not exist",
        ),
    ],
)
def test_a_policy_that_google_refuses_changes_nothing(
    operator: Client, binding: dict[str, object], fragment: str
) -> None:
    policy = operator.must("POST", f"{POLICY}:getIamPolicy", {})
    reply = operator.call("POST", f"{POLICY}:setIamPolicy", {"policy": policy | {"bindings": [binding]}})
    assert reply.status == 400
    assert fragment in reply.message
    assert operator.must("POST", f"{POLICY}:getIamPolicy", {}) == policy


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("POST", f"{POLICY}:setIamPolicy", {"policy": {"bindings": [{"role": 1}]}}, "policy.bindings[0].role"),
        ("POST", f"{POLICY}:testIamPermissions", {"permissions": "all"}, "permissions"),
        ("POST", "serviceAccounts", {"accountId": 7}, "accountId"),
        ("POST", "secrets?secretId=x", {"replication": {"automatic": []}}, "replication.automatic"),
        ("POST", "services:batchEnable", {"serviceIds": {}}, "serviceIds"),
    ],
)
def test_a_field_of_another_type_is_named(
    operator: Client, method: str, path: str, body: dict[str, object], place: str
) -> None:
    reply = operator.call(method, path, body)
    assert (reply.status, reply.message.startswith(f"Invalid value at '{place}' (")) == (400, True)


def test_test_iam_permissions_tells_what_is_held(operator: Client, nobody: Client) -> None:
    body = {"permissions": ["cloudsql.instances.create", "compute.instances.create"]}
    held = operator.must("POST", f"{POLICY}:testIamPermissions", body)
    assert held == {"permissions": ["cloudsql.instances.create"]}
    assert nobody.must("POST", f"{POLICY}:testIamPermissions", body) == {}
