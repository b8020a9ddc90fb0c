"""A bucket's settings: what counts as a difference, what it does to objects, and what Google can't do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError, StaleVersionError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import Bucket

from tests.unit.fakes import NOT_FOUND, PROJECT, bad, cloud, ok
from tests.unit.options import validated

NAME = "artifacts"
GET = f"GET storage/v1/b/{NAME}"
PATCH = f"PATCH storage/v1/b/{NAME}"
LOCK = f"POST storage/v1/b/{NAME}/lockRetentionPolicy"
DELETE_OLD = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["a", "b"]}}
COLD = {"action": {"type": "SetStorageClass", "storageClass": "COLDLINE"}, "condition": {"age": 7, "isLive": False}}
CORS = {"origin": ["https://x.org"], "method": ["GET"], "maxAgeSeconds": 60}
FOUND: dict[str, Any] = {
    "name": NAME,
    "location": "EUROPE-WEST3",
    "storageClass": "STANDARD",
    "metageneration": "5",
    "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True, "lockedTime": "2027-01-01T00:00:00Z"}},
    "softDeletePolicy": {"retentionDurationSeconds": "604800"},
    "retentionPolicy": {"retentionPeriod": "86400", "effectiveTime": "2026-01-01T00:00:00Z"},
    "versioning": {"enabled": True},
    "lifecycle": {"rule": [DELETE_OLD, COLD]},
    "cors": [CORS],
}
DELETE_RULE = {"action": "Delete", "condition": {"matches_prefix": ["b", "a"], "age": 30}}
COLD_RULE = {"action": "SetStorageClass", "storage_class": "coldline", "condition": {"age": 7, "is_live": False}}
CORS_RULE = {"origin": ["https://x.org"], "method": ["GET"], "max_age_seconds": 60}


def bucket(**options: Any) -> Bucket:
    return Bucket(validated(Bucket, {"name": NAME, **options}), PROJECT)


def changes(found: dict[str, Any] | None = None, **options: Any) -> tuple[Change, ...]:
    return predict(bucket(**options), cloud({GET: ok(found or FOUND)}).google).plan.changes


def sent(**options: Any) -> Any:
    made = cloud({GET: ok(FOUND), PATCH: ok(FOUND)})
    converge(bucket(**options), made.google)
    (request,) = made.transport.writes
    assert request.params["ifMetagenerationMatch"] == "5"
    return request.body


@pytest.mark.parametrize(
    "options",
    [
        {"lifecycle_rules": [COLD_RULE, DELETE_RULE]},
        {"cors": [CORS_RULE]},
        {"retention_period_seconds": 86400},
        {"default_event_based_hold": False},
        {"hierarchical_namespace_enabled": False},
        {"versioning_enabled": True, "soft_delete_retention_seconds": 604800},
    ],
)
def test_what_google_says_in_another_way_is_no_difference(options: dict[str, Any]) -> None:
    assert changes(**options) == ()


@pytest.mark.parametrize(
    ("options", "body"),
    [
        ({"lifecycle_rules": [COLD_RULE]}, {"lifecycle": {"rule": [COLD]}}),
        ({"lifecycle_rules": []}, {"lifecycle": {"rule": []}}),
        ({"cors": []}, {"cors": []}),
        ({"cors": [{**CORS_RULE, "max_age_seconds": 61}]}, {"cors": [{**CORS, "maxAgeSeconds": 61}]}),
        ({"retention_period_seconds": 90000}, {"retentionPolicy": {"retentionPeriod": "90000"}}),
        ({"retention_period_seconds": 0}, {"retentionPolicy": None}),
        ({"default_event_based_hold": True}, {"defaultEventBasedHold": True}),
        ({"soft_delete_retention_seconds": 0}, {"softDeletePolicy": {"retentionDurationSeconds": "0"}}),
    ],
)
def test_a_change_is_sent_as_the_api_takes_it(options: dict[str, Any], body: dict[str, Any]) -> None:
    assert sent(**options) == body


@pytest.mark.parametrize(
    ("options", "radius", "reason"),
    [
        # A rule that deletes and is new takes objects away; one that is there already, or other rules, don't.
        ({"lifecycle_rules": [DELETE_RULE, COLD_RULE, {"action": "Delete", "condition": {"age": 1}}]}, "d", "deletes"),
        ({"lifecycle_rules": [DELETE_RULE]}, "s", "differs"),
        ({"lifecycle_rules": []}, "s", "differs"),
        ({"soft_delete_retention_seconds": 0}, "s", "is spared"),
        ({"soft_delete_retention_seconds": 604801}, "s", "differs"),
        ({"versioning_enabled": False}, "s", "those kept already stay"),
        ({"retention_period_seconds": 90000}, "s", "nobody can delete"),
        ({"retention_period_seconds": 10}, "s", "sooner"),
        ({"location": "US"}, "d", "fixed at creation"),
        ({"hierarchical_namespace_enabled": True}, "d", "fixed at creation"),
    ],
)
def test_what_a_change_does_to_objects_is_said(options: dict[str, Any], radius: str, reason: str) -> None:
    (change,) = changes(**options)
    assert change.blast_radius is {"d": BlastRadius.DESTROYS, "s": BlastRadius.SAFE}[radius]
    assert reason in change.reason


def test_uniform_access_can_be_undone_for_90_days() -> None:
    (change,) = changes(uniform_bucket_level_access=False)
    assert change.refusal == ""
    access = {"uniformBucketLevelAccess": {"enabled": True, "lockedTime": "1969-12-31T00:00:00.000Z"}}
    (change,) = changes({**FOUND, "iamConfiguration": access}, uniform_bucket_level_access=False)
    assert "ended at 1969-12-31" in change.refusal


def test_a_locked_policy_only_grows() -> None:
    locked = {**FOUND, "retentionPolicy": {"retentionPeriod": "86400", "isLocked": True}}
    assert changes(locked, retention_policy_locked=True) == ()
    for seconds in (0, 86399):
        (change,) = changes(locked, retention_period_seconds=seconds)
        assert "can only become longer" in change.refusal
    (change,) = changes(locked, retention_period_seconds=86401)
    assert change.refusal == ""


@pytest.mark.parametrize(
    ("found", "options", "refusal"),
    [
        (FOUND, {}, "set confirm_lock: artifacts"),
        (FOUND, {"confirm_lock": "other"}, "set confirm_lock: artifacts"),
        ({"name": NAME}, {"confirm_lock": NAME}, "set retention_period_seconds"),
        ({"name": NAME}, {"confirm_lock": NAME, "retention_period_seconds": 10}, ""),
        (FOUND, {"confirm_lock": NAME}, ""),
    ],
)
def test_a_lock_wants_the_name_once_more(found: dict[str, Any], options: dict[str, Any], refusal: str) -> None:
    change = changes(found, retention_policy_locked=True, **options)[-1]
    assert change.field == "retention_policy_locked"
    assert bool(change.refusal) == bool(refusal)
    assert refusal in change.refusal


def test_a_lock_is_its_own_request_after_the_rest() -> None:
    made = cloud({GET: ok(FOUND), PATCH: ok({**FOUND, "metageneration": "6"}), LOCK: ok()})
    options = {"retention_policy_locked": True, "confirm_lock": NAME, "retention_period_seconds": 90000}
    converge(bucket(**options), made.google)
    assert [(s.method, s.params["ifMetagenerationMatch"]) for s in made.transport.writes] == [
        ("PATCH", "5"),
        ("POST", "6"),
    ]
    made = cloud({GET: ok(FOUND), LOCK: ok()})
    converge(bucket(retention_policy_locked=True, confirm_lock=NAME), made.google)
    assert [s.line for s in made.transport.writes] == [LOCK]


def test_a_refused_lock_lets_the_safe_changes_be_made() -> None:
    made = cloud({GET: ok(FOUND), PATCH: ok(FOUND)})
    outcome = converge(bucket(retention_policy_locked=True, labels={"a": "b"}), made.google)
    assert outcome.plan.action is Action.UPDATE
    assert [s.body for s in made.transport.writes] == [{"labels": {"a": "b"}}]
    assert len(outcome.plan.refused) == 1


def test_a_new_bucket_gets_its_rules_and_its_lock() -> None:
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], "POST storage/v1/b": ok({"metageneration": "1"}), LOCK: ok()})
    options = {"retention_policy_locked": True, "confirm_lock": NAME, "retention_period_seconds": 10}
    converge(bucket(lifecycle_rules=[DELETE_RULE], on_create={"cors": [CORS_RULE]}, **options), made.google)
    created, locked = made.transport.writes
    rule = {"action": {"type": "Delete"}, "condition": {"age": 30, "matchesPrefix": ["b", "a"]}}
    assert created.body == {
        "name": NAME,
        "retentionPolicy": {"retentionPeriod": "10"},
        "lifecycle": {"rule": [rule]},
        "cors": [CORS],
    }
    assert locked.params == {"ifMetagenerationMatch": "1"}


def test_no_retention_is_nothing_to_say_of_a_new_bucket() -> None:
    made = cloud({GET: [NOT_FOUND, ok(FOUND)], "POST storage/v1/b": ok()})
    converge(bucket(retention_period_seconds=0, soft_delete_retention_seconds=0), made.google)
    assert made.transport.writes[0].body == {"name": NAME, "softDeletePolicy": {"retentionDurationSeconds": "0"}}


@pytest.mark.parametrize(
    ("said", "way_out"),
    [
        ("Request violates constraint 'constraints/storage.uniformBucketLevelAccess'", "organization's policy demands"),
        ("Cannot disable uniform bucket-level access: it is locked.", "leave out"),
    ],
)
def test_a_412_that_no_repetition_helps_is_told_at_once(said: str, way_out: str) -> None:
    made = cloud({GET: ok(FOUND), PATCH: bad(412, "conditionNotMet", said)})
    with pytest.raises(RefusedError, match=way_out):
        converge(bucket(versioning_enabled=False), made.google)
    assert len(made.transport.writes) == 1


def test_a_412_of_somebody_elses_change_is_read_and_planned_again() -> None:
    stale = bad(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
    made = cloud({GET: [ok(FOUND), ok({**FOUND, "metageneration": "6"})], PATCH: [stale, ok(FOUND)]})
    converge(bucket(versioning_enabled=False), made.google)
    assert made.transport.writes[1].params["ifMetagenerationMatch"] == "6"
    with pytest.raises(StaleVersionError):
        converge(bucket(versioning_enabled=False), cloud({GET: ok(FOUND), PATCH: stale}).google)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"soft_delete_retention_seconds": 60}, "7 to 90 days"),
        ({"soft_delete_retention_seconds": -1}, "7 to 90 days"),
        ({"soft_delete_retention_seconds": 7776001}, "7 to 90 days"),
        ({"retention_period_seconds": -1}, "100 years"),
        ({"retention_period_seconds": 3155760001}, "100 years"),
        ({"on_create": {"retention_period_seconds": -1}}, "100 years"),
        ({"retention_policy_locked": False}, "stays locked"),
        ({"lifecycle_rules": [{"action": "Delete", "condition": {}}]}, "every object"),
        ({"lifecycle_rules": [{"action": "Delete", "condition": {"age": -1}}]}, "below 0"),
        ({"lifecycle_rules": [{"action": "SetStorageClass", "condition": {"age": 1}}]}, "storage_class belongs"),
        ({"lifecycle_rules": [{**COLD_RULE, "action": "Delete"}]}, "storage_class belongs"),
    ],
)
def test_what_can_never_work_is_refused(options: dict[str, Any], line: str) -> None:
    with pytest.raises(RefusedError, match=line):
        bucket(**options)
    assert bucket(soft_delete_retention_seconds=0, retention_period_seconds=0).name == NAME
