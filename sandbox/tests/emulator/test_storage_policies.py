"""Who may do what with a bucket: IAM policies with their etags, public access, retention policies and holds."""

import datetime as dt

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Sandbox

UNIFORM = {"uniformBucketLevelAccess": {"enabled": True}}
PUBLIC = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
DAY = "86400"


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket where IAM alone decides."""
    return Bucket(sandbox.operator, "guarded", iamConfiguration=UNIFORM)


def test_the_policys_etag_is_the_buckets(operator: Client, bucket: Bucket) -> None:
    policy = operator.get(f"{bucket.path}/iam")
    assert (policy["etag"], policy["version"], policy["kind"]) == ("CAE=", 1, "storage#policy")
    assert policy["resourceId"] == "projects/_/buckets/guarded"
    assert [binding["role"] for binding in policy["bindings"]] == [
        "roles/storage.legacyBucketOwner",
        "roles/storage.legacyBucketReader",
        "roles/storage.legacyObjectOwner",
        "roles/storage.legacyObjectReader",
    ]
    bucket.patch(labels={"changed": "since"})
    stale = operator.call("PUT", f"{bucket.path}/iam", policy)
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    fresh = operator.get(f"{bucket.path}/iam")
    written = operator.must("PUT", f"{bucket.path}/iam", fresh)
    assert written["etag"] == operator.get(bucket.path)["etag"] != fresh["etag"]


def test_a_role_on_the_bucket_lets_in(sandbox: Sandbox, operator: Client, bucket: Bucket) -> None:
    trainer = sandbox.account("bucket-writer")
    path = f"{bucket.uploads}?uploadType=media&name=x"
    refused = trainer.call("POST", path, data=b"x")
    assert refused.message == (
        f"{trainer.email} does not have storage.objects.create access to the Google Cloud Storage object. "
        "Permission 'storage.objects.create' denied on resource (or it may not exist)."
    )
    policy = operator.get(f"{bucket.path}/iam")
    policy["bindings"].append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{trainer.email}"]})
    operator.must("PUT", f"{bucket.path}/iam", policy)
    assert trainer.call("POST", path, data=b"x").status == 200
    assert trainer.call("DELETE", f"{bucket.path}/o/x").status == 204
    assert trainer.call("GET", f"{bucket.path}/iam").status == 403
    asked = "permissions=storage.objects.create&permissions=storage.buckets.update"
    assert trainer.get(f"{bucket.path}/iam/testPermissions?{asked}")["permissions"] == ["storage.objects.create"]
    nothing = trainer.get(f"{bucket.path}/iam/testPermissions?permissions=storage.buckets.update")
    assert nothing == {"kind": "storage#testIamPermissionsResponse"}


def test_conditions_need_uniform_access_and_version_3(operator: Client, bucket: Bucket) -> None:
    condition = {"title": "t", "expression": "resource.name.startsWith('projects/_/buckets/guarded/objects/a')"}
    binding: Json = {"role": "roles/storage.objectViewer", "members": ["domain:example.com"], "condition": condition}
    fine_grained = Bucket(operator, "fine-grained-policy")
    refused = operator.call("PUT", f"{fine_grained.path}/iam", {"version": 3, "bindings": [binding]})
    text = "To set IAM conditions in this bucket, enable uniform bucket-level access."
    assert (refused.status, refused.message) == (412, text)
    policy = operator.get(f"{bucket.path}/iam")
    bindings = [*policy["bindings"], binding]
    assert operator.call("PUT", f"{bucket.path}/iam", policy | {"bindings": bindings, "version": 1}).status == 400
    operator.must("PUT", f"{bucket.path}/iam", policy | {"bindings": bindings, "version": 3})
    assert operator.get(f"{bucket.path}/iam?optionsRequestedPolicyVersion=3")["bindings"][-1]["condition"] == condition
    assert "condition" not in operator.get(f"{bucket.path}/iam")["bindings"][-1]
    assert operator.call("GET", f"{bucket.path}/iam?optionsRequestedPolicyVersion=4").status == 400


def test_everybody_is_let_in_without_a_condition_alone(operator: Client, bucket: Bucket) -> None:
    policy = operator.get(f"{bucket.path}/iam?optionsRequestedPolicyVersion=3")
    (public,) = PUBLIC["bindings"]
    conditional = {**public, "condition": {"title": "t", "expression": "true"}}
    wanted = policy | {"version": 3, "bindings": [*policy["bindings"], conditional]}
    refused = operator.call("PUT", f"{bucket.path}/iam", wanted)
    assert (refused.status, refused.reason) == (400, "invalid")
    assert operator.get(f"{bucket.path}/iam?optionsRequestedPolicyVersion=3") == policy


def test_public_access_and_its_prevention(operator: Client) -> None:
    bucket = Bucket(operator, "public", iamConfiguration=UNIFORM)
    bucket.put("poster", b"hello")
    policy = operator.get(f"{bucket.path}/iam")
    operator.must("PUT", f"{bucket.path}/iam", policy | {"bindings": policy["bindings"] + PUBLIC["bindings"]})
    assert bucket.read("poster", Authorization="") == b"hello"
    bucket.patch(iamConfiguration={"publicAccessPrevention": "enforced"})
    assert "allUsers" in operator.get(f"{bucket.path}/iam")["bindings"][-1]["members"], "prevented, not removed"
    anonymous = operator.call("GET", f"{bucket.path}/o/poster", Authorization="")
    assert (anonymous.status, anonymous.reason) == (401, "required")
    assert anonymous.message.startswith("Anonymous caller does not have storage.objects.get access")
    refused = operator.call("PUT", f"{bucket.path}/iam", PUBLIC)
    assert (refused.status, refused.reason) == (412, "conditionNotMet")
    assert refused.message == (
        "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is "
        "enforced."
    )


def test_changing_public_access_prevention_needs_the_right_to_set_policies(sandbox: Sandbox, bucket: Bucket) -> None:
    sandbox.operator.bind("roles/iam.roleAdmin", sandbox.operator.email)
    held = {"roleId": "bucketSetter", "role": {"includedPermissions": ["storage.buckets.update"]}}
    role = sandbox.operator.must("POST", "roles", held)["name"]
    setter = sandbox.account("bucket-setter", role)
    assert setter.call("PATCH", bucket.path, {"labels": {"x": "y"}}).status == 200
    change = {"iamConfiguration": {"publicAccessPrevention": "enforced"}}
    refused = setter.call("PATCH", bucket.path, change)
    assert (refused.status, "storage.buckets.setIamPolicy" in refused.message) == (403, True)


def test_a_hold_keeps_an_object(operator: Client, bucket: Bucket) -> None:
    bucket.put("held", b"1")
    one = f"{bucket.path}/o/held"
    for field, kind in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        operator.must("PATCH", one, {field: True})
        text = f"Object 'guarded/held' is under active {kind} hold and cannot be deleted, overwritten or archived until"
        for refused in (operator.call("DELETE", one), bucket.try_put("held", b"2")):
            assert (refused.status, refused.reason) == (403, "forbidden")
            assert refused.message == f"{text} hold is removed."
        stale = bucket.try_put("held", b"2", "&ifGenerationMatch=1")
        assert stale.status == 412, "a condition is judged before a hold"
        operator.must("PATCH", one, {field: False})
    assert bucket.read("held") == b"1"
    assert operator.call("DELETE", one).status == 204


def test_a_retention_policy_keeps_new_and_old_objects(operator: Client) -> None:
    bucket = Bucket(operator, "retained")
    bucket.put("old", b"1")
    policy = bucket.patch(retentionPolicy={"retentionPeriod": DAY})["retentionPolicy"]
    assert (policy["retentionPeriod"], "isLocked" in policy) == (DAY, False)
    document = operator.get(f"{bucket.path}/o/old")
    kept = [dt.datetime.fromisoformat(document[name]) for name in ("retentionExpirationTime", "timeCreated")]
    assert kept[0] - kept[1] == dt.timedelta(days=1)
    refused = operator.call("DELETE", f"{bucket.path}/o/old")
    assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet")
    text = "Object 'retained/old' is subject to bucket's retention policy or object retention and cannot be deleted or"
    assert refused.message.startswith(f"{text} overwritten until 20")
    assert bucket.try_put("old", b"2").status == 403
    assert operator.call("PATCH", f"{bucket.path}/o/old", {"metadata": {"a": "b"}}).status == 200
    assert "retentionPolicy" not in bucket.patch(retentionPolicy=None)
    assert operator.call("DELETE", f"{bucket.path}/o/old").status == 204


def test_an_event_based_hold_starts_the_period_over(operator: Client) -> None:
    bucket = Bucket(operator, "events", retentionPolicy={"retentionPeriod": DAY}, defaultEventBasedHold=True)
    made = bucket.put("entry", b"1")
    assert (made["eventBasedHold"], "retentionExpirationTime" in made) == (True, False)
    released = operator.must("PATCH", f"{bucket.path}/o/entry", {"eventBasedHold": False})
    assert released["retentionExpirationTime"] > made["timeCreated"]


def test_a_locked_retention_policy_only_grows(operator: Client) -> None:
    bucket = Bucket(operator, "locked")
    path = f"{bucket.path}/lockRetentionPolicy"
    assert operator.call("POST", path).message == "Required parameter: ifMetagenerationMatch"
    unlocked = "Bucket 'locked' does not have an unlocked retention policy."
    assert operator.call("POST", f"{path}?ifMetagenerationMatch=1").message == unlocked
    bucket.patch(retentionPolicy={"retentionPeriod": "100"})
    assert operator.call("POST", f"{path}?ifMetagenerationMatch=1").status == 412
    assert operator.must("POST", f"{path}?ifMetagenerationMatch=2")["retentionPolicy"]["isLocked"] is True
    shorter = operator.call("PATCH", bucket.path, {"retentionPolicy": {"retentionPeriod": "99"}})
    assert (shorter.status, shorter.message) == (
        403,
        "Cannot reduce retention duration of a locked Retention Policy for bucket 'locked'.",
    )
    gone = operator.call("PATCH", bucket.path, {"retentionPolicy": None})
    assert (gone.status, gone.reason) == (403, "retentionPolicyNotMet")
    assert operator.must("PUT", bucket.path, {})["retentionPolicy"]["isLocked"] is True
    assert bucket.patch(retentionPolicy={"retentionPeriod": "200"})["retentionPolicy"]["retentionPeriod"] == "200"
