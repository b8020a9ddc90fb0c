"""Members of roles: nothing but the one binding changes, no change is lost, and what is said to count does count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import acting_as
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.propagation import Place, held
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember

from tests.contract.bench import PROJECT, Bench, writes

P = f"v1/projects/{PROJECT}"
ACCOUNT = "trainer-account"
EMAIL = f"{ACCOUNT}@{PROJECT}.iam.gserviceaccount.com"
MEMBER = f"serviceAccount:{EMAIL}"
UNTIL = {
    "title": "until-2090",
    "description": "not for ever",
    "expression": 'request.time < timestamp("2090-01-01T00:00:00Z")',
}
OVER = {"title": "over", "expression": 'request.time < timestamp("2020-01-01T00:00:00Z")'}
TARGETS: dict[str, dict[str, Any]] = {
    "project_iam_member": {"role": "roles/cloudsql.viewer"},
    "bucket_iam_member": {"bucket": "artifacts", "role": "roles/storage.objectViewer"},
    "secret_iam_member": {"secret": "password", "role": "roles/secretmanager.secretAccessor"},
}


@pytest.fixture(scope="module")
def world(emulator: Bench) -> Bench:
    """A project with an account, a bucket and a secret."""
    emulator.reset()
    emulator.enable_all()
    emulator.enable("iamcredentials")
    operator = f"serviceAccount:{emulator.key['client_email']}"
    for role in ("iam.serviceAccountAdmin", "iam.serviceAccountTokenCreator"):
        emulator.run("project_iam_member", role=f"roles/{role}", member=operator)
    emulator.run("service_account", account_id=ACCOUNT)
    emulator.run("bucket", name="artifacts", uniform_bucket_level_access=True)
    emulator.run("secret", name="password", generate=True)
    return emulator


@pytest.fixture
def slow(world: Bench) -> Iterator[None]:
    """IAM that takes its time."""
    url = f"{world.management_url}propagation"
    requests.post(url, json={"seconds": 1.5}, timeout=10).raise_for_status()
    yield
    requests.post(url, json={"seconds": 0}, timeout=10).raise_for_status()


def raw_policy(bench: Bench, module: str) -> dict[str, Any]:
    """A whole policy, but for its etag, as Google tells it, by a client of ours and no module."""
    google = bench.google()
    if module == "bucket_iam_member":
        policy = google.get("storage", "b/artifacts/iam", optionsRequestedPolicyVersion=3)
    elif module == "secret_iam_member":
        policy = google.get(
            "secretmanager", f"{P}/secrets/password:getIamPolicy", **{"options.requestedPolicyVersion": 3}
        )
    else:
        policy = google.query("cloudresourcemanager", f"{P}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})
    return {key: value for key, value in policy.items() if key != "etag"}


def spoil(bench: Bench, module: str) -> None:
    """What others have in a policy: conditions, audit configs, dead members, the same role twice."""
    policy = raw_policy(bench, module)
    role = TARGETS[module]["role"]
    policy["bindings"] = [
        *policy.get("bindings", []),
        {"role": role, "members": ["user:b@example.com", "user:a@example.com"], "condition": OVER},
        {"role": role, "members": [f"deleted:{MEMBER}?uid=123", "user:z@example.com"]},
        {"role": role, "members": ["group:g@example.com"], "condition": UNTIL},
    ]
    policy["version"] = 3
    log = {"logType": "DATA_READ", "exemptedMembers": ["user:x@example.com"]}
    if module == "bucket_iam_member":
        bench.google().write("PUT", "storage", "b/artifacts/iam", policy)
        return
    policy["auditConfigs"] = [{"service": "allServices", "auditLogConfigs": [log, {"logType": "ADMIN_READ"}]}]
    api, path = ("secretmanager", f"{P}/secrets/password") if "secret" in module else ("cloudresourcemanager", P)
    bench.google().write("POST", api, f"{path}:setIamPolicy", {"policy": policy, "updateMask": "bindings,auditConfigs"})


@pytest.mark.parametrize("module", sorted(TARGETS))
def test_everything_else_in_a_policy_survives_byte_for_byte(world: Bench, module: str) -> None:
    spoil(world, module)
    before = raw_policy(world, module)
    with world.recorded() as seen:
        result = world.run(module, **TARGETS[module], member=MEMBER)
    assert len(writes(seen)) == 1
    assert "uid 123" in str(result["changes"])
    expected = json.loads(json.dumps(before))
    binding = next(found for found in expected["bindings"] if f"deleted:{MEMBER}?uid=123" in found["members"])
    binding["members"].append(MEMBER)
    assert json.dumps(raw_policy(world, module)) == json.dumps(expected)
    with world.without_writes():
        assert not world.run(
            module, **TARGETS[module], member=MEMBER.upper().replace("SERVICEACCOUNT", "serviceAccount")
        )["changed"]
    assert world.run(module, **TARGETS[module], member=MEMBER, state="absent")["changed"]
    assert json.dumps(raw_policy(world, module)) == json.dumps(before)


@pytest.mark.parametrize("module", sorted(TARGETS))
def test_a_condition_makes_a_binding_of_its_own(world: Bench, module: str) -> None:
    options = {**TARGETS[module], "member": MEMBER}
    before = raw_policy(world, module)["bindings"]
    for condition in (UNTIL, OVER, None):
        given = {**options, "condition": condition}
        assert world.run(module, check=True, **given)["changed"]
        result = world.run(module, **given)
        assert result["changed"]
        assert result["resource"]["condition"] == condition
        with world.without_writes():
            assert not world.run(module, **given)["changed"]
    for condition in (None, UNTIL, OVER):
        assert world.run(module, **options, condition=condition, state="absent")["changed"]
    assert raw_policy(world, module)["bindings"] == before


def test_a_condition_decides_when_a_binding_counts(world: Bench) -> None:
    theirs = acting_as(world.google(), EMAIL)
    place, permission = Place("storage", "b/artifacts"), "storage.objects.list"
    options = {**TARGETS["bucket_iam_member"], "member": MEMBER}
    for condition, counts in ((OVER, False), (UNTIL, True)):
        world.run("bucket_iam_member", **options, condition=condition)
        assert (permission in held(theirs, place, [permission])) is counts
        world.run("bucket_iam_member", **options, condition=condition, state="absent")


def test_an_expression_that_is_none_is_one_line_with_the_expression(world: Bench) -> None:
    condition = {"title": "t", "expression": "request.time <"}
    message = world.fail("project_iam_member", role="roles/browser", member=MEMBER, condition=condition)
    assert message.startswith("project_iam_member roles/browser for ")
    assert "Invalid condition expression" in message
    assert "correct option condition (request.time <); `gcloud alpha iam policies lint-condition`" in message


def test_conditions_on_a_bucket_want_uniform_access(world: Bench) -> None:
    world.run("bucket", name="with-lists")
    options: dict[str, Any] = {"bucket": "with-lists", "role": "roles/storage.objectViewer", "member": MEMBER}
    with world.recorded() as seen:
        message = world.fail("bucket_iam_member", **options, condition=UNTIL)
    assert "set uniform_bucket_level_access: true on the bucket first" in message
    assert [request["status"] for request in seen if request["mutating"]] == [412]


def test_the_public_is_let_in_on_purpose_alone(world: Bench) -> None:
    options: dict[str, Any] = {**TARGETS["bucket_iam_member"], "member": "allUsers"}
    with world.without_writes():
        assert "allow_public: true" in world.fail("bucket_iam_member", **options)
    assert world.run("bucket_iam_member", **options, allow_public=True)["changed"]
    assert world.run("bucket_iam_member", **options, state="absent")["changed"]
    world.run("bucket", name="artifacts", public_access_prevention="enforced")
    with world.recorded() as seen:
        message = world.fail("bucket_iam_member", **options, allow_public=True)
    assert "set public_access_prevention: inherited on the bucket first" in message
    assert [request["status"] for request in seen if request["mutating"]] == [412]
    world.run("bucket", name="artifacts", public_access_prevention="inherited")


def test_a_full_policy_is_told_before_it_is_written(world: Bench) -> None:
    members = [f"user:user-{number}@example.com" for number in range(1500)]
    google = world.google()
    bindings = [{"role": "roles/secretmanager.viewer", "members": members}]
    world.run("secret", name="full")
    google.write("POST", "secretmanager", f"{P}/secrets/full:setIamPolicy", {"policy": {"bindings": bindings}})
    with world.without_writes():
        message = world.fail("secret_iam_member", secret="full", role="roles/secretmanager.viewer", member=MEMBER)
    assert "1501 principals" in message
    assert "bind a group instead" in message


def test_writers_side_by_side_lose_nothing(world: Bench) -> None:
    members = [f"user:writer-{number}@example.com" for number in range(8)]

    def bind(member: str) -> bool:
        resource = ProjectIamMember({"role": "roles/browser", "member": member, "state": "present"}, PROJECT)
        return converge(resource, world.google()).changed

    with world.recorded() as seen, ThreadPoolExecutor(len(members)) as pool:
        assert list(pool.map(bind, members)) == [True] * len(members)
    statuses = [request["status"] for request in seen if request["path"].endswith(":setIamPolicy")]
    assert statuses.count(200) == len(members)
    bindings = raw_policy(world, "project_iam_member")["bindings"]
    (browsers,) = [binding["members"] for binding in bindings if binding["role"] == "roles/browser"]
    assert set(members) <= set(browsers)


def test_a_recreated_account_is_bound_anew(world: Bench) -> None:
    email = f"mlflow-again@{PROJECT}.iam.gserviceaccount.com"
    binding: dict[str, Any] = {"role": "roles/cloudsql.viewer", "member": f"serviceAccount:{email}"}
    place, asked = Place("cloudresourcemanager", P), ["cloudsql.instances.get"]

    def counts() -> bool:
        return held(acting_as(world.google(), email), place, asked) == set(asked)

    number = world.run("service_account", account_id="mlflow-again")["resource"]["uniqueId"]
    world.run("project_iam_member", **binding)
    assert counts()
    world.run("service_account", account_id="mlflow-again", state="absent", confirm_delete=email)
    world.run("service_account", account_id="mlflow-again")
    assert not counts()
    predicted = world.run("project_iam_member", check=True, **binding)
    assert predicted["changed"]
    result = world.run("project_iam_member", **binding)
    assert f"uid {number}" in str(result["changes"])
    assert counts()
    members = str(raw_policy(world, "project_iam_member"))
    dead = f"deleted:serviceAccount:{email}?uid={number}"
    assert dead in members
    with world.without_writes():
        assert not world.run("project_iam_member", **binding)["changed"]
    assert world.run("project_iam_member", role="roles/cloudsql.viewer", member=dead, state="absent")["changed"]
    assert dead not in str(raw_policy(world, "project_iam_member"))
    assert counts()


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("module", "permission"),
    [
        ("project_iam_member", "cloudsql.instances.list"),
        ("bucket_iam_member", "storage.objects.get"),
        ("secret_iam_member", "secretmanager.versions.access"),
    ],
)
def test_the_task_ends_when_the_binding_counts(world: Bench, module: str, permission: str) -> None:
    options = {**TARGETS[module], "member": MEMBER, "wait_for_permissions": [permission]}
    google = acting_as(world.google(), EMAIL)
    place = {
        "project_iam_member": Place("cloudresourcemanager", P),
        "bucket_iam_member": Place("storage", "b/artifacts"),
        "secret_iam_member": Place("secretmanager", f"{P}/secrets/password"),
    }[module]
    with world.recorded() as seen:
        assert world.run(module, **options)["changed"]
    assert held(google, place, [permission]) == {permission}
    asked = [
        request for request in seen if "estIamPermissions" in request["path"] or "testPermissions" in request["path"]
    ]
    assert len(asked) > 1
    assert {request["principal"] for request in asked} == {EMAIL}
    with world.without_writes():
        assert not world.run(module, **options)["changed"]
    world.run(module, **TARGETS[module], member=MEMBER, state="absent")


def test_a_permission_that_the_role_does_not_hold_ends_in_one_line(world: Bench) -> None:
    options = {**TARGETS["bucket_iam_member"], "member": MEMBER, "wait_for_permissions": ["storage.buckets.delete"]}
    message = world.fail("bucket_iam_member", **options, wait_timeout=1)
    assert "still told that it lacks storage.buckets.delete" in message
    assert "raise wait_timeout" in message
    world.run("bucket_iam_member", **TARGETS["bucket_iam_member"], member=MEMBER, state="absent")
