"""A bucket's settings, for real: changed once, found the same again, and refused where there is no way back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.bench import Bench, writes

RULES: list[dict[str, Any]] = [
    {"action": "Delete", "condition": {"days_since_noncurrent_time": 30, "num_newer_versions": 3}},
    {"action": "SetStorageClass", "storage_class": "NEARLINE", "condition": {"age": 90, "matches_prefix": ["b", "a"]}},
    {"action": "AbortIncompleteMultipartUpload", "condition": {"age": 7}},
    {"action": "Delete", "condition": {"created_before": "2020-01-31", "is_live": False}},
]
SETTINGS: dict[str, Any] = {
    "storage_class": "NEARLINE",
    "uniform_bucket_level_access": True,
    "public_access_prevention": "enforced",
    "versioning_enabled": True,
    "soft_delete_retention_seconds": 1_209_600,
    "retention_period_seconds": 60,
    "default_event_based_hold": True,
    "lifecycle_rules": RULES,
    "cors": [{"origin": ["https://mlflow.example.com"], "method": ["GET"], "max_age_seconds": 60}],
    "labels": {"team": "analytics"},
}
OTHER: dict[str, Any] = {
    "storage_class": "STANDARD",
    "uniform_bucket_level_access": False,
    "public_access_prevention": "inherited",
    "versioning_enabled": False,
    "soft_delete_retention_seconds": 0,
    "retention_period_seconds": 0,
    "default_event_based_hold": False,
    "lifecycle_rules": [],
    "cors": [],
    "labels": {"team": None},
}
FIELDS = {
    "storage_class": "storageClass",
    "uniform_bucket_level_access": "iamConfiguration",
    "public_access_prevention": "iamConfiguration",
    "versioning_enabled": "versioning",
    "soft_delete_retention_seconds": "softDeletePolicy",
    "retention_period_seconds": "retentionPolicy",
    "default_event_based_hold": "defaultEventBasedHold",
    "lifecycle_rules": "lifecycle",
    "cors": "cors",
    "labels": "labels",
}


@pytest.fixture(scope="module")
def project(emulator: Bench) -> Bench:
    """A project without buckets."""
    emulator.reset()
    return emulator


def test_a_new_bucket_gets_what_is_wanted_and_is_found_so(project: Bench) -> None:
    given: dict[str, Any] = {"name": "made-at-once", "location": "europe-west3", **SETTINGS}
    assert project.run("bucket", check=True, **given)["changed"]
    with project.recorded() as seen:
        project.run("bucket", **given)
    assert writes(seen) == ["POST /storage/v1/b"]
    with project.without_writes():
        assert not project.run("bucket", **given)["changed"]


@pytest.mark.parametrize("option", sorted(SETTINGS))
def test_one_setting_is_changed_alone_and_changed_back(project: Bench, option: str) -> None:
    name = "one-by-one"
    project.run("bucket", name=name)
    untouched = project.run("bucket", name=name)["resource"]
    for value in (SETTINGS[option], OTHER[option]):
        given: dict[str, Any] = {"name": name, option: value}
        predicted = project.run("bucket", check=True, **given)
        with project.recorded() as seen:
            result = project.run("bucket", **given)
        assert writes(seen) == [f"PATCH /storage/v1/b/{name}"]
        assert (result["changes"], result["diff"]) == (predicted["changes"], predicted["diff"])
        assert {change["field"].partition(".")[0] for change in result["changes"]} == {option}
        with project.without_writes():
            assert not project.run("bucket", **given)["changed"]
    back = project.run("bucket", name=name)["resource"]
    differing = {key for key in {*untouched, *back} if untouched.get(key) != back.get(key)}
    assert differing <= {"etag", "metageneration", "updated", FIELDS[option]}


def test_nobody_stays_bound_whom_the_prevention_keeps_out(project: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """Else Google would take no other change of the policy any more."""
    name = "opened"
    wanted: dict[str, Any] = {"name": name, "uniform_bucket_level_access": True, "public_access_prevention": "enforced"}
    binding: dict[str, Any] = {"bucket": name, "role": "roles/storage.objectUser", "member": "user:a@example.com"}
    project.run("bucket", **{**wanted, "public_access_prevention": "inherited"})
    for member in ("allUsers", "allAuthenticatedUsers"):
        public: dict[str, Any] = {**binding, "role": "roles/storage.objectViewer", "member": member}
        assert project.run("bucket_iam_member", **public, allow_public=True)["changed"]
    capsys.readouterr()
    project.run("bucket_iam_member", check=True, **binding)
    told = capsys.readouterr().err
    assert f"allUsers has roles/storage.objectViewer on bucket {name}: everybody is let in unless" in told
    with project.recorded() as seen:
        fields = [change["field"] for change in project.run("bucket", **wanted)["changes"]]
    assert fields == ["public_access_prevention", "public_bindings"]
    assert writes(seen) == [f"PUT /storage/v1/b/{name}/iam", f"PATCH /storage/v1/b/{name}"]
    assert project.run("bucket_iam_member", **binding)["changed"]
    with project.without_writes():
        assert not project.run("bucket", **wanted)["changed"]


def test_rules_in_another_order_are_the_same_rules(project: Bench) -> None:
    project.run("bucket", name="ordered", lifecycle_rules=RULES)
    turned = [{**rule, "condition": dict(reversed(rule["condition"].items()))} for rule in reversed(RULES)]
    with project.without_writes():
        assert not project.run("bucket", name="ordered", lifecycle_rules=turned)["changed"]


@pytest.mark.parametrize(("rules", "radius"), [(RULES[:3], "destroys data"), (RULES[2:3], "safe")])
def test_a_new_rule_that_deletes_is_called_so(project: Bench, rules: list[dict[str, Any]], radius: str) -> None:
    project.run("bucket", name="ruled", lifecycle_rules=[])
    (change,) = project.run("bucket", check=True, name="ruled", lifecycle_rules=rules)["changes"]
    assert change["blast_radius"] == radius


def test_a_lock_is_for_good(project: Bench) -> None:
    given: dict[str, Any] = {"name": "locked", "retention_period_seconds": 60, "retention_policy_locked": True}
    with project.recorded() as seen:
        message = project.fail("bucket", **given, labels={"a": "b"})
    assert "set confirm_lock: locked to lock it" in message
    assert writes(seen) == ["POST /storage/v1/b"]
    assert "isLocked" not in project.run("bucket", name="locked")["resource"]["retentionPolicy"]
    with project.recorded() as seen:
        assert project.run("bucket", **given, confirm_lock="locked")["changed"]
    assert writes(seen) == ["POST /storage/v1/b/locked/lockRetentionPolicy"]
    with project.without_writes():
        assert not project.run("bucket", **given, confirm_lock="locked")["changed"]
        for seconds in (0, 59):
            message = project.fail("bucket", name="locked", retention_period_seconds=seconds)
            assert "can only become longer" in message
    assert project.run("bucket", name="locked", retention_period_seconds=61)["changed"]


def test_a_bucket_can_be_made_and_locked_at_once(project: Bench) -> None:
    given: dict[str, Any] = {"name": "born-locked", "retention_period_seconds": 60, "retention_policy_locked": True}
    with project.recorded() as seen:
        assert project.run("bucket", **given, confirm_lock="born-locked")["changed"]
    assert writes(seen) == ["POST /storage/v1/b", "POST /storage/v1/b/born-locked/lockRetentionPolicy"]


def test_what_is_fixed_is_refused_with_the_way(project: Bench) -> None:
    project.run("bucket", name="placed", location="europe-west3")
    with project.without_writes():
        assert not project.run("bucket", name="placed", location="EUROPE-WEST3")["changed"]
        message = project.fail("bucket", name="placed", location="US", hierarchical_namespace_enabled=True)
    assert "make one with a new name there and copy the objects" in message
    assert "make one with a new name like that and copy the objects" in message
