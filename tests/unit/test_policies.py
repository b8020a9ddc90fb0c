"""IAM policies: everything but the one member comes back byte for byte, and no update is lost."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError, StaleVersionError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.policies import (
    IamMember,
    has_member,
    with_member,
    without_member,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import NotVisibleYetError, ParentAbsentError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import SecretIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import BucketIamMember

from tests.unit.fakes import NOT_FOUND, PROJECT, Answer, bad, cloud, ok
from tests.unit.options import validated

ROLE = "roles/cloudsql.client"
MEMBER = "serviceAccount:mlflow@p.iam.gserviceaccount.com"
CONDITION = {"title": "until new year", "expression": "request.time < timestamp('2027-01-01T00:00:00Z')"}
POLICY: dict[str, Any] = {
    "version": 3,
    "etag": "BwX1",
    "bindings": [
        {"role": "roles/owner", "members": ["user:b@x.org", "user:a@x.org"]},
        {"role": ROLE, "members": [MEMBER], "condition": CONDITION},
        {"role": ROLE, "members": ["deleted:serviceAccount:old@p.iam.gserviceaccount.com?uid=123"]},
    ],
    "auditConfigs": [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}],
    "newKeyOfGoogle": {"kept": True},
}
READ = f"POST v1/projects/{PROJECT}:getIamPolicy"
WRITE = f"POST v1/projects/{PROJECT}:setIamPolicy"


def member(kind: type[IamMember] = ProjectIamMember, **options: Any) -> IamMember:
    return kind(validated(kind, {"role": ROLE, "member": MEMBER, **options}), PROJECT)


def test_a_member_under_a_condition_does_not_count() -> None:
    assert not has_member(POLICY, ROLE, MEMBER)
    assert has_member(POLICY, "roles/owner", "user:A@X.org")
    assert not has_member({"etag": "x"}, ROLE, MEMBER)


def test_adding_changes_one_members_list_alone() -> None:
    before = copy.deepcopy(POLICY)
    after = with_member(POLICY, ROLE, MEMBER)
    assert before == POLICY
    expected = copy.deepcopy(POLICY)
    expected["bindings"][2]["members"].append(MEMBER)
    assert after == expected


def test_a_first_binding_of_a_role_is_appended_and_the_version_is_three() -> None:
    assert with_member({"etag": "x"}, ROLE, MEMBER) == {
        "etag": "x",
        "version": 3,
        "bindings": [{"role": ROLE, "members": [MEMBER]}],
    }


def test_removing_undoes_adding_and_drops_an_emptied_binding() -> None:
    assert without_member(with_member(POLICY, ROLE, MEMBER), ROLE, MEMBER) == POLICY
    only = with_member({"etag": "x"}, ROLE, MEMBER)
    assert without_member(only, ROLE, MEMBER.upper().replace("SERVICEACCOUNT", "serviceAccount"))["bindings"] == []


def test_bindings_behind_an_emptied_one_stay() -> None:
    policy = {"bindings": [{"role": ROLE, "members": [MEMBER]}, {"role": "roles/owner", "members": ["user:a@x.org"]}]}
    assert without_member(policy, ROLE, MEMBER)["bindings"] == policy["bindings"][1:]


def test_principals_are_compared_exactly() -> None:
    one = "principal://iam.googleapis.com/projects/1/subject/Alice"
    assert not has_member({"bindings": [{"role": ROLE, "members": [one]}]}, ROLE, one.replace("Alice", "alice"))


def test_a_missing_binding_is_written_under_the_etag_that_was_read() -> None:
    made = cloud({READ: [ok(POLICY), ok(with_member(POLICY, ROLE, MEMBER))], WRITE: ok()})
    assert converge(member(), made.google).changed
    assert made.transport.sent[0].body == {"options": {"requestedPolicyVersion": 3}}
    assert made.transport.writes[0].body == {"policy": with_member(POLICY, ROLE, MEMBER)}


def test_an_existing_binding_sends_no_write() -> None:
    made = cloud({READ: ok(with_member(POLICY, ROLE, MEMBER))})
    assert not converge(member(), made.google).changed
    assert made.transport.lines == [READ]


def test_check_mode_sends_no_write() -> None:
    made = cloud({READ: ok(POLICY)})
    assert predict(member(), made.google).changed
    assert made.transport.writes == []


CONFLICT = bad(409, "", "There were concurrent policy changes. Please retry the whole read-modify-write.")


@pytest.mark.parametrize("conflict", [CONFLICT, bad(412, "conditionNotMet")])
def test_a_conflict_redoes_the_read(conflict: Answer) -> None:
    theirs = with_member({**POLICY, "etag": "BwX2"}, ROLE, "user:new@x.org")
    made = cloud({READ: [ok(POLICY), ok(theirs)], WRITE: [conflict, ok()]})
    converge(member(), made.google)
    assert made.transport.writes[1].body == {"policy": with_member(theirs, ROLE, MEMBER)}


def test_endless_conflicts_end() -> None:
    made = cloud({READ: ok(POLICY), WRITE: CONFLICT})
    with pytest.raises(StaleVersionError):
        converge(member(), made.google)
    assert len(made.transport.writes) == 10


def test_a_new_account_that_google_does_not_see_yet_is_waited_for_up_to_two_minutes() -> None:
    unseen = bad(400, "", "Service account mlflow@p.iam.gserviceaccount.com does not exist.")
    made = cloud({READ: ok(POLICY), WRITE: [unseen, unseen, ok()]})
    assert converge(member(), made.google).changed
    made = cloud({READ: ok(POLICY), WRITE: unseen})
    with pytest.raises(NotVisibleYetError, match=r"mlflow_ops\.gcp\.service_account"):
        converge(member(), made.google)
    assert 110 < made.time.seconds < 140


def test_a_bucket_policy_is_put_whole() -> None:
    path = "storage/v1/b/df_traffic/iam"
    made = cloud({f"GET {path}": ok(POLICY), f"PUT {path}": ok()})
    converge(member(BucketIamMember, bucket="df_traffic"), made.google)
    assert made.transport.sent[0].params == {"optionsRequestedPolicyVersion": 3}
    assert made.transport.writes[0].body == with_member(POLICY, ROLE, MEMBER)


def test_a_secrets_policy_is_asked_for_with_version_three() -> None:
    path = f"v1/projects/{PROJECT}/secrets/s"
    made = cloud({f"GET {path}:getIamPolicy": ok({"etag": "e"}), f"POST {path}:setIamPolicy": ok()})
    converge(member(SecretIamMember, secret="s"), made.google)
    assert made.transport.sent[0].params == {"options.requestedPolicyVersion": 3}
    assert made.transport.writes[0].body["policy"]["etag"] == "e"


@pytest.mark.parametrize(
    ("kind", "option", "path"),
    [
        (BucketIamMember, "bucket", "GET storage/v1/b/x/iam"),
        (SecretIamMember, "secret", f"GET v1/projects/{PROJECT}/secrets/x:getIamPolicy"),
    ],
)
def test_a_missing_parent_is_an_error_or_a_prediction(kind: type[IamMember], option: str, path: str) -> None:
    with pytest.raises(ParentAbsentError, match="create it first"):
        converge(member(kind, **{option: "x"}), cloud({path: NOT_FOUND}).google)
    assert predict(member(kind, **{option: "x"}), cloud({path: NOT_FOUND}).google).plan.action is Action.CREATE


@pytest.mark.parametrize(
    "options", [{"role": "cloudsql.client"}, {"role": "roles/"}, {"member": "mlflow@p.iam.gserviceaccount.com"}]
)
def test_bad_bindings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(RefusedError):
        member(**options)
