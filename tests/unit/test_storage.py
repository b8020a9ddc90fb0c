"""Buckets: managed settings, what is fixed, whose name it is, and that no objects are lost."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import PermissionDeniedError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import Bucket
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage_policies import BucketIamMember

from tests.unit.fakes import NOT_FOUND, PROJECT, bad, cloud, ok
from tests.unit.options import validated

NAME = "df_traffic_cyclist1"
GET = f"GET storage/v1/b/{NAME}"
PATCH = f"PATCH storage/v1/b/{NAME}"
POST = "POST storage/v1/b"
IAM = f"storage/v1/b/{NAME}/iam"
OBJECTS = f"GET storage/v1/b/{NAME}/o"
FOUND: dict[str, Any] = {
    "kind": "storage#bucket",
    "name": NAME,
    "location": "EUROPE-WEST3",
    "storageClass": "STANDARD",
    "metageneration": "5",
    "projectNumber": "415104041262",
    "iamConfiguration": {
        "bucketPolicyOnly": {"enabled": True, "lockedTime": "2027-01-01T00:00:00Z"},
        "uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2027-01-01T00:00:00Z"},
        "publicAccessPrevention": "inherited",
    },
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "labels": {"kept": "1", "app": "mlflow"},
}


def bucket(**options: Any) -> Bucket:
    return Bucket(validated(Bucket, {"name": NAME, **options}), PROJECT)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"location": "europe-west3"},
        {"storage_class": "STANDARD", "uniform_bucket_level_access": True, "public_access_prevention": "inherited"},
        {"versioning_enabled": False, "soft_delete_retention_seconds": 604800, "labels": {"app": "mlflow", "no": None}},
    ],
)
def test_an_existing_bucket_is_theirs_but_for_what_is_set(options: dict[str, Any]) -> None:
    made = cloud({GET: ok(FOUND)})
    assert not converge(bucket(**options), made.google).changed
    assert made.transport.lines == [GET]


def test_changes_are_sent_alone_and_guarded_by_the_generation() -> None:
    made = cloud({GET: ok(FOUND), f"GET {IAM}": ok({"etag": "CAU="}), PATCH: ok()})
    options = {
        "public_access_prevention": "enforced",
        "versioning_enabled": True,
        "soft_delete_retention_seconds": 0,
        "labels": {"app": "x", "kept": None},
    }
    converge(bucket(**options), made.google)
    (sent,) = made.transport.writes
    assert sent.body == {
        "iamConfiguration": {"publicAccessPrevention": "enforced"},
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "labels": {"app": "x", "kept": None},
    }
    assert sent.params == {"projection": "noAcl", "ifMetagenerationMatch": "5"}


def test_a_location_is_fixed() -> None:
    made = cloud({GET: ok(FOUND)})
    outcome = converge(bucket(location="US"), made.google)
    assert outcome.plan.action is Action.REFUSE
    assert "copy the objects" in outcome.plan.refused[0].refusal


def test_a_missing_bucket_is_created_in_the_project() -> None:
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], POST: ok(FOUND)})
    converge(bucket(location="europe-west3", uniform_bucket_level_access=True, labels={"a": "b"}), made.google)
    (sent,) = made.transport.writes
    assert sent.body == {
        "name": NAME,
        "location": "europe-west3",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}},
        "labels": {"a": "b"},
    }
    assert sent.params["project"] == PROJECT


def test_what_holds_for_a_new_bucket_alone_is_no_difference_of_an_existing_one() -> None:
    new = {"location": "US", "public_access_prevention": "enforced", "storage_class": "NEARLINE"}
    made = cloud({GET: ok(FOUND)})
    assert not converge(bucket(on_create=new), made.google).changed
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], POST: ok(FOUND)})
    converge(bucket(on_create=new, storage_class="STANDARD"), made.google)
    (sent,) = made.transport.writes
    assert (sent.body["location"], sent.body["storageClass"]) == ("US", "STANDARD")
    assert sent.body["iamConfiguration"] == {"publicAccessPrevention": "enforced"}


def test_somebody_elses_bucket_is_an_error_not_an_adoption() -> None:
    denied = bad(403, "forbidden", "does not have storage.buckets.get access")
    with pytest.raises(PermissionDeniedError, match=r"storage\.buckets\.get"):
        converge(bucket(), cloud({GET: denied}).google)
    for later in (denied, NOT_FOUND):
        made = cloud({GET: [NOT_FOUND, later], POST: bad(409, "conflict", "not available")})
        with pytest.raises(RefusedError, match="taken by another owner"):
            converge(bucket(), made.google)
        assert len(made.transport.writes) == 1


def test_our_own_bucket_that_appears_meanwhile_is_adopted() -> None:
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], POST: bad(409, "conflict", "You already own it.")})
    assert not converge(bucket(), made.google).changed


@pytest.mark.parametrize(
    ("objects", "confirm", "way_out"),
    [
        ([{"name": "x"}], NAME, "not empty"),
        ([], None, "set confirm_delete"),
    ],
)
def test_a_deletion_is_refused(objects: list[Any], confirm: str | None, way_out: str) -> None:
    for run in (converge, predict):
        made = cloud({GET: ok(FOUND), OBJECTS: ok({"items": objects} if objects else {})})
        outcome = run(bucket(state="absent", confirm_delete=confirm), made.google)
        assert way_out in outcome.plan.refused[0].refusal
        assert made.transport.writes == []


def test_an_empty_bucket_named_twice_is_deleted() -> None:
    made = cloud({GET: [ok(FOUND), NOT_FOUND], OBJECTS: ok(), f"DELETE storage/v1/b/{NAME}": ok()})
    assert converge(bucket(state="absent", confirm_delete=NAME), made.google).changed
    assert made.transport.sent[1].params["versions"] == "true"


@pytest.mark.parametrize("name", ["gs://x", "UPPER", "ab", "-abc", "a b"])
def test_bad_names_are_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="3 to 63"):
        bucket(name=name)


POLICY: dict[str, Any] = {
    "etag": "CAU=",
    "version": 3,
    "bindings": [
        {"role": "roles/storage.objectViewer", "members": ["user:a@b.c", "allUsers"]},
        {"role": "roles/storage.objectUser", "members": ["allAuthenticatedUsers"]},
        {"role": "roles/storage.admin", "members": ["user:a@b.c"]},
    ],
}
ENFORCED = {**FOUND, "iamConfiguration": {**FOUND["iamConfiguration"], "publicAccessPrevention": "enforced"}}


@pytest.mark.parametrize("found", [FOUND, ENFORCED])
def test_everybody_goes_where_nobody_is_to_be_let_in(found: dict[str, Any]) -> None:
    """Before the prevention, and all at once: Google takes no policy afterwards that has one of them."""
    shut = {**POLICY, "bindings": [{**POLICY["bindings"][0], "members": ["user:a@b.c"]}, POLICY["bindings"][2]]}
    touched = {**found, "metageneration": "6"}
    answers: dict[str, Any] = {
        GET: [ok(found), ok(touched)],
        f"GET {IAM}": [ok(POLICY), ok(shut)],
        f"PUT {IAM}": ok(),
        PATCH: ok(),
    }
    made = cloud(answers)
    outcome = converge(bucket(public_access_prevention="enforced"), made.google)
    (change,) = [change for change in outcome.plan.changes if change.field == "public_bindings"]
    assert change.before == [
        "roles/storage.objectViewer to allUsers",
        "roles/storage.objectUser to allAuthenticatedUsers",
    ]
    policy, *settings = made.transport.writes
    assert (policy.line, policy.body) == (f"PUT {IAM}", shut)
    # The change of the policy counts as one of the bucket.
    assert [sent.params["ifMetagenerationMatch"] for sent in settings] == (["6"] if found is FOUND else [])


def test_who_may_come_in_is_looked_at_only_where_it_matters() -> None:
    for options in (
        {},
        {"public_access_prevention": "inherited"},
        {"on_create": {"public_access_prevention": "enforced"}},
    ):
        made = cloud({GET: ok(FOUND)})
        assert not converge(bucket(**options), made.google).changed
        assert made.transport.lines == [GET]


def test_a_policy_that_could_not_be_written_back_safely_is_left() -> None:
    made = cloud({GET: ok(ENFORCED), f"GET {IAM}": ok({**POLICY, "etag": ""})})
    with pytest.raises(RefusedError, match="no etag for the policy of bucket"):
        converge(bucket(public_access_prevention="enforced"), made.google)
    assert made.transport.writes == []


def test_a_binding_for_everybody_is_told_by_whoever_binds_others() -> None:
    wanted = {"bucket": NAME, "role": "roles/storage.admin", "member": "user:a@b.c"}
    made = cloud({f"GET {IAM}": ok(POLICY)})
    plan = converge(BucketIamMember(validated(BucketIamMember, wanted), PROJECT), made.google).plan
    assert plan.action is Action.NONE
    assert [warning.partition(":")[0] for warning in plan.warnings] == [
        f"allUsers has roles/storage.objectViewer on bucket {NAME}",
        f"allAuthenticatedUsers has roles/storage.objectUser on bucket {NAME}",
    ]
    assert "public_access_prevention (in artifact_store_settings) to enforced" in plan.warnings[0]
