"""IAM policies: everything but the one member comes back byte for byte, and no update is lost."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    InvalidRequestError,
    RefusedError,
    StaleVersionError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_members import IamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.policies import (
    Condition,
    Grant,
    buried,
    condition_of,
    is_granted,
    over_limit,
    with_grant,
    without_grant,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import NotVisibleYetError, ParentAbsentError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager_policies import SecretIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage_policies import BucketIamMember

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
GRANT = Grant(ROLE, MEMBER)
UNTIL = Grant(ROLE, MEMBER, Condition(**CONDITION))
READ = f"POST v1/projects/{PROJECT}:getIamPolicy"
WRITE = f"POST v1/projects/{PROJECT}:setIamPolicy"


def member(kind: type[IamMember] = ProjectIamMember, **options: Any) -> IamMember:
    return kind(validated(kind, {"role": ROLE, "member": MEMBER, **options}), PROJECT)


def test_a_member_under_a_condition_does_not_count() -> None:
    assert not is_granted(POLICY, GRANT)
    assert is_granted(POLICY, UNTIL)
    assert is_granted(POLICY, Grant("roles/owner", "user:A@X.org"))
    assert not is_granted({"etag": "x"}, GRANT)


@pytest.mark.parametrize("part", ["title", "expression", "description"])
def test_another_condition_is_another_binding(part: str) -> None:
    assert not is_granted(POLICY, Grant(ROLE, MEMBER, Condition(**{**CONDITION, part: "other"})))


def test_a_condition_is_the_same_whatever_yaml_puts_around_it() -> None:
    given = {"title": "until new year", "description": None, "expression": CONDITION["expression"] + "\n"}
    assert condition_of(given) == UNTIL.condition
    assert condition_of({"location": "here", **CONDITION, "description": ""}) == UNTIL.condition
    assert condition_of({}) is None


def test_adding_changes_one_members_list_alone() -> None:
    before = copy.deepcopy(POLICY)
    after = with_grant(POLICY, GRANT)
    assert before == POLICY
    expected = copy.deepcopy(POLICY)
    expected["bindings"][2]["members"].append(MEMBER)
    assert json.dumps(after) == json.dumps(expected)


def test_duplicates_empty_lists_and_unknown_keys_come_back_as_they_are() -> None:
    theirs = [
        {"role": "roles/viewer", "members": [], "bindingId": "7"},
        {"role": ROLE, "members": ["user:a@x.org", "user:a@x.org"]},
        {"members": ["user:b@x.org"], "role": ROLE, "condition": {**CONDITION, "location": "here"}},
        {"role": ROLE, "members": []},
        {"role": ROLE},
    ]
    policy = {"bindings": theirs, "auditConfigs": [], "version": 3, "etag": "e"}
    after = with_grant(policy, GRANT)
    assert after["bindings"][1]["members"] == ["user:a@x.org", "user:a@x.org", MEMBER]
    after["bindings"][1]["members"].pop()
    assert json.dumps(after) == json.dumps(policy)
    assert json.dumps(without_grant(policy, GRANT)) == json.dumps(policy)


def test_a_first_binding_of_a_role_is_appended_and_the_version_is_three() -> None:
    assert with_grant({"etag": "x"}, GRANT) == {
        "etag": "x",
        "version": 3,
        "bindings": [{"role": ROLE, "members": [MEMBER]}],
    }


def test_a_condition_goes_with_the_binding_that_it_is_of() -> None:
    other = Grant(ROLE, MEMBER, Condition("other", "true", "for ever"))
    expected = {"title": "other", "description": "for ever", "expression": "true"}
    assert with_grant(POLICY, other)["bindings"][3] == {"role": ROLE, "members": [MEMBER], "condition": expected}
    second = with_grant(POLICY, Grant(ROLE, "user:a@x.org", UNTIL.condition))["bindings"]
    assert (len(second), second[1]["members"]) == (3, [MEMBER, "user:a@x.org"])
    assert without_grant(with_grant(POLICY, other), other) == POLICY
    assert [binding.get("condition") for binding in without_grant(POLICY, UNTIL)["bindings"]] == [None, None]


def test_removing_undoes_adding_and_drops_an_emptied_binding() -> None:
    assert without_grant(with_grant(POLICY, GRANT), GRANT) == POLICY
    only = with_grant({"etag": "x"}, GRANT)
    upper = Grant(ROLE, MEMBER.upper().replace("SERVICEACCOUNT", "serviceAccount"))
    assert without_grant(only, upper)["bindings"] == []


def test_bindings_behind_an_emptied_one_stay() -> None:
    policy = {"bindings": [{"role": ROLE, "members": [MEMBER]}, {"role": "roles/owner", "members": ["user:a@x.org"]}]}
    assert without_grant(policy, GRANT)["bindings"] == policy["bindings"][1:]


def test_principals_are_compared_exactly() -> None:
    one = "principal://iam.googleapis.com/projects/1/subject/Alice"
    policy = {"bindings": [{"role": ROLE, "members": [one]}]}
    assert not is_granted(policy, Grant(ROLE, one.replace("Alice", "alice")))


OLD = "deleted:serviceAccount:MLflow@p.iam.gserviceaccount.com?uid=123"


def test_the_binding_of_a_deleted_account_is_none_of_its_successors() -> None:
    dead = [OLD, OLD.replace("MLflow", "other")]
    policy: dict[str, Any] = {"etag": "e", "bindings": [{"role": ROLE, "members": dead}]}
    assert not is_granted(policy, GRANT)
    assert buried(policy, GRANT) == ["123"]
    assert buried(policy, UNTIL) == []
    after = with_grant(policy, GRANT)["bindings"]
    assert after == [{"role": ROLE, "members": [*dead, MEMBER]}]
    assert without_grant({"bindings": after}, GRANT)["bindings"] == policy["bindings"]


@pytest.mark.parametrize(
    ("bindings", "audited", "grant", "says"),
    [
        ([{"role": "roles/viewer", "members": ["user:a@x.org"] * 1499}], [], GRANT, ""),
        ([{"role": "roles/viewer", "members": ["user:a@x.org"] * 1500}], [], GRANT, "1501 principals"),
        ([{"role": "roles/viewer", "members": ["user:a@x.org"] * 1499}], ["user:b@x.org"], GRANT, "1501 principals"),
        ([{"role": "roles/viewer", "members": ["group:a@x.org"] * 300}], [], GRANT, ""),
        ([{"role": "r", "members": [f"group:{n}@x.org" for n in range(251)]}], [], GRANT, "251 groups"),
        ([{"role": "r", "members": ["domain:x.org"] * 251}], [], GRANT, "251 groups and domains"),
        ([{"role": ROLE, "members": [MEMBER], "condition": {"title": f"{n}"}} for n in range(20)], [], UNTIL, "21 con"),
        ([{"role": ROLE, "members": [MEMBER], "condition": {"title": f"{n}"}} for n in range(20)], [], GRANT, ""),
    ],
)
def test_googles_limits(bindings: list[dict[str, Any]], audited: list[str], grant: Grant, says: str) -> None:
    logs = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ", "exemptedMembers": audited}]}]
    found = over_limit({"bindings": bindings, "auditConfigs": logs if audited else []}, grant)
    assert bool(found) == bool(says)
    assert says in found


def test_a_missing_binding_is_written_under_the_etag_that_was_read() -> None:
    made = cloud({READ: [ok(POLICY), ok(with_grant(POLICY, GRANT))], WRITE: ok()})
    assert converge(member(), made.google).changed
    assert made.transport.sent[0].body == {"options": {"requestedPolicyVersion": 3}}
    assert made.transport.writes[0].body == {"policy": with_grant(POLICY, GRANT)}


def test_an_existing_binding_sends_no_write() -> None:
    made = cloud({READ: ok(with_grant(POLICY, GRANT))})
    assert not converge(member(), made.google).changed
    assert made.transport.lines == [READ]


def test_check_mode_sends_no_write() -> None:
    made = cloud({READ: ok(POLICY)})
    assert predict(member(), made.google).changed
    assert made.transport.writes == []


CONFLICT = bad(409, "", "There were concurrent policy changes. Please retry the whole read-modify-write.")


@pytest.mark.parametrize("conflict", [CONFLICT, bad(412, "conditionNotMet")])
def test_a_conflict_redoes_the_read(conflict: Answer) -> None:
    theirs = with_grant({**POLICY, "etag": "BwX2"}, Grant(ROLE, "user:new@x.org"))
    made = cloud({READ: [ok(POLICY), ok(theirs)], WRITE: [conflict, ok()]})
    converge(member(), made.google)
    assert made.transport.writes[1].body == {"policy": with_grant(theirs, GRANT)}


def test_endless_conflicts_end() -> None:
    made = cloud({READ: ok(POLICY), WRITE: CONFLICT})
    with pytest.raises(StaleVersionError) as caught:
        converge(member(), made.google)
    assert len(made.transport.writes) == 10
    assert member().explain(caught.value).endswith("somebody else is changing it too: run again")


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
    assert made.transport.writes[0].body == with_grant(POLICY, GRANT)


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


def test_a_condition_is_written_and_named() -> None:
    made = cloud({READ: ok({"etag": "e"}), WRITE: ok()})
    outcome = converge(member(condition=CONDITION), made.google)
    assert made.transport.writes[0].body == {"policy": with_grant({"etag": "e"}, UNTIL)}
    assert outcome.plan.name.endswith("under the condition 'until new year'")
    assert [change.field for change in outcome.plan.changes] == ["role", "member", "condition"]


def test_a_condition_that_limits_nothing_is_warned_about() -> None:
    both = with_grant(POLICY, GRANT)
    made = cloud({READ: ok(both)})
    (warning,) = converge(member(condition=CONDITION), made.google).plan.warnings
    assert "limits nothing" in warning
    gone = member(state="absent", condition={**CONDITION, "title": "gone"})
    assert not converge(gone, made.google).plan.warnings


def test_a_new_basic_role_is_warned_about() -> None:
    for role, warned in (("roles/editor", True), (ROLE, False)):
        plan = predict(member(role=role), cloud({READ: ok({"etag": "e"})}).google).plan
        assert [("basic role" in warning) for warning in plan.warnings] == ([True] if warned else [])
    bound = ok({"bindings": [{"role": "roles/editor", "members": [MEMBER]}]})
    assert predict(member(role="roles/editor"), cloud({READ: bound}).google).plan.warnings == ()


def test_a_policy_without_an_etag_is_never_written() -> None:
    made = cloud({READ: ok({"bindings": POLICY["bindings"]})})
    with pytest.raises(RefusedError, match="no etag"):
        converge(member(), made.google)
    assert made.transport.writes == []


def test_a_recreated_account_is_bound_anew_and_told_why() -> None:
    policy = {"etag": "e", "bindings": [{"role": ROLE, "members": [OLD]}]}
    made = cloud({READ: ok(policy), WRITE: ok()})
    outcome = converge(member(), made.google)
    assert made.transport.writes[0].body["policy"]["bindings"][0]["members"] == [OLD, MEMBER]
    (reason,) = [change.reason for change in outcome.plan.changes if change.field == "member"]
    assert "uid 123" in reason


def test_a_dead_binding_goes_by_its_own_name_alone() -> None:
    policy = {"etag": "e", "bindings": [{"role": ROLE, "members": [OLD, MEMBER]}]}
    made = cloud({READ: ok(policy), WRITE: ok()})
    converge(member(member=OLD, state="absent"), made.google)
    assert made.transport.writes[0].body["policy"]["bindings"] == [{"role": ROLE, "members": [MEMBER]}]
    with pytest.raises(RefusedError, match="no kind in front"):
        member(member=OLD)


def test_a_full_policy_is_refused_before_it_is_written() -> None:
    full = {"etag": "e", "bindings": [{"role": "roles/viewer", "members": ["user:a@x.org"] * 1500}]}
    outcome = converge(member(), cloud({READ: ok(full)}).google)
    assert outcome.plan.action is Action.REFUSE
    assert "1501 principals" in outcome.plan.refused[0].describe_refusal()


@pytest.mark.parametrize("who", ["allUsers", "allAuthenticatedUsers"])
def test_the_public_is_let_in_on_purpose_alone(who: str) -> None:
    with pytest.raises(RefusedError, match="set allow_public: true"):
        member(BucketIamMember, bucket="b", member=who)
    with pytest.raises(RefusedError, match="allow_public"):
        member(SecretIamMember, secret="s", member=who)
    with pytest.raises(RefusedError, match="no such member on a project"):
        member(member=who)
    assert member(BucketIamMember, bucket="b", member=who, allow_public=True).grant.member == who
    assert member(BucketIamMember, bucket="b", member=who, state="absent").grant.member == who
    assert member(member=who, state="absent").grant.member == who


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("The member bindings allUsers are not allowed since public access prevention is enforced.", "inherited on"),
        ("To set IAM conditions in this bucket, enable uniform bucket-level access.", "uniform_bucket_level_access: t"),
        ("Request violates constraint 'constraints/x'", "the organization's policy"),
    ],
)
def test_a_412_that_no_repetition_helps_is_told_at_once(said: str, way_out: str) -> None:
    path = "storage/v1/b/b/iam"
    made = cloud({f"GET {path}": ok(POLICY), f"PUT {path}": bad(412, "conditionNotMet", said)})
    with pytest.raises(RefusedError, match=way_out):
        converge(member(BucketIamMember, bucket="b"), made.google)
    assert len(made.transport.writes) == 1


@pytest.mark.parametrize(
    ("options", "said", "line"),
    [
        ({"member": "user:a@x.org"}, "User a@x.org does not exist.", "correct option member"),
        (
            {},
            "Service account other@p.iam.gserviceaccount.com does not exist.",
            "names other@p.iam.gserviceaccount.com",
        ),
    ],
)
def test_what_will_never_be_seen_is_not_waited_for(options: dict[str, Any], said: str, line: str) -> None:
    made = cloud({READ: ok(POLICY), WRITE: bad(400, "", said)})
    with pytest.raises(RefusedError, match=line):
        converge(member(**options), made.google)
    assert made.time.seconds == 0


@pytest.mark.parametrize(
    ("options", "said", "way_out"),
    [
        (
            {},
            "The number of members in the policy (1,501) is larger than the maximum allowed size 1,500.",
            "bind a group",
        ),
        ({}, "One or more users named in the policy do not belong to a permitted customer.", "allowedPolicyMemberDom"),
        ({}, "Role roles/x is not supported for this resource.", "choose a role"),
        ({"condition": {**CONDITION, "title": "t"}}, "Invalid condition expression.", "correct option condition"),
        ({}, "Something else.", "put right what Google names"),
    ],
)
def test_what_google_refuses_has_a_way_out(options: dict[str, Any], said: str, way_out: str) -> None:
    made = cloud({READ: ok(POLICY), WRITE: bad(400, "badRequest", said)})
    resource = member(**options)
    with pytest.raises(InvalidRequestError) as caught:
        converge(resource, made.google)
    assert way_out in resource.explain(caught.value)


LISTS_OURS = 'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith("ours/")'


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"condition": {"title": " ", "expression": "true"}}, "is empty"),
        ({"condition": {"title": "t", "expression": "\n"}}, "is empty"),
        ({"condition": CONDITION, "role": "roles/owner"}, "basic role"),
        ({"condition": {"title": "t", "expression": LISTS_OURS}}, "compare resource.name with the bucket's"),
        ({"condition": CONDITION, "wait_for_permissions": ["a.b.c"]}, "depends on the request"),
        ({"member": "user:a@x.org", "wait_for_permissions": ["a.b.c"]}, "only a service account"),
        ({"wait_for_permissions": ["a.b.c"], "wait_timeout": 0}, "below 1 second"),
    ],
)
def test_what_can_never_hold_is_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(RefusedError, match=line):
        member(**options)


def test_a_condition_for_everybody_is_refused() -> None:
    with pytest.raises(RefusedError, match="no condition for everybody"):
        member(BucketIamMember, bucket="b", member="allUsers", allow_public=True, condition=CONDITION)
