"""Buckets: what is filled in, what may change, what is refused and in which words."""

import datetime as dt
from typing import Any

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.stored import COLLECTION, Bucket
from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox

NAME = "df_traffic_cyclist1"
UNIFORM = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
DAYS_UNTIL_LOCKED = 90


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket as the role makes it."""
    labels = {"env": "dev"}
    return Bucket(sandbox.operator, NAME, location="europe-west3", labels=labels, iamConfiguration=UNIFORM)


def test_a_bucket_comes_back_completed(bucket: Bucket) -> None:
    made = bucket.made
    assert (made["location"], made["locationType"], "rpo" in made) == ("EUROPE-WEST3", "region", False)
    assert (made["projectNumber"], made["storageClass"], made["etag"]) == (NUMBER, "STANDARD", "CAE=")
    assert made["softDeletePolicy"] == {"retentionDurationSeconds": "604800", "effectiveTime": made["timeCreated"]}
    access = made["iamConfiguration"]
    assert access["bucketPolicyOnly"] == access["uniformBucketLevelAccess"]
    locked = dt.datetime.fromisoformat(access["uniformBucketLevelAccess"]["lockedTime"])
    assert (locked - dt.datetime.now(dt.UTC)).days == DAYS_UNTIL_LOCKED - 1
    assert made["selfLink"].endswith(f"/storage/v1/b/{NAME}")


def test_a_bucket_of_many_regions_says_so(operator: Client) -> None:
    made = Bucket(operator, "anywhere").made
    assert (made["location"], made["locationType"], made["rpo"]) == ("US", "multi-region", "DEFAULT")
    assert Bucket(operator, "two-regions", location="eur4").made["locationType"] == "dual-region"


def test_names_that_are_taken_or_not_to_be_had(operator: Client, bucket: Bucket) -> None:
    again = operator.call("POST", COLLECTION, {"name": bucket.name})
    assert (again.status, again.reason) == (409, "conflict")
    assert again.message == "Your previous request to create the named bucket succeeded and you already own it."
    for name in ("Bad_Name", "ab", "goog-x", "my-google", "1.2.3.4", "x" * 64, "-a-b"):
        refused = operator.call("POST", COLLECTION, {"name": name})
        assert (refused.status, refused.message) == (400, f"Invalid bucket name: '{name}'")
    domain = operator.call("POST", COLLECTION, {"name": "models.example.com"})
    assert (domain.status, domain.message.partition(" or a ")[0]) == (
        403,
        "Another user owns the domain models.example.com",
    )
    assert operator.call("GET", "/storage/v1/b/no-such-bucket").message == "The specified bucket does not exist."
    assert operator.call("GET", "/storage/v1/b/Bad_Name").status == 400


def test_a_bucket_belongs_to_this_project(operator: Client) -> None:
    assert operator.call("POST", "/storage/v1/b", {"name": "homeless"}).message == "Required parameter: project"
    elsewhere = operator.call("POST", "/storage/v1/b?project=other", {"name": "homeless"})
    assert (elsewhere.status, elsewhere.message) == (400, "Unknown project id: other")
    assert operator.call("POST", f"/storage/v1/b?project={NUMBER}", {"name": "by-number"}).status == 200


def test_buckets_are_listed_by_prefix_and_page(operator: Client) -> None:
    for name in ("listed-a", "listed-b", "listed-c"):
        Bucket(operator, name)
    first = operator.get(f"{COLLECTION}&prefix=listed-&maxResults=2")
    second = operator.get(f"{COLLECTION}&prefix=listed-&maxResults=2&pageToken={first['nextPageToken']}")
    assert [one["name"] for one in first["items"] + second["items"]] == ["listed-a", "listed-b", "listed-c"]
    assert "nextPageToken" not in second
    assert operator.get(f"{COLLECTION}&prefix=none-such") == {"kind": "storage#buckets"}


def test_metageneration_guards_every_method(operator: Client, bucket: Bucket) -> None:
    current = int(operator.get(bucket.path)["metageneration"])
    body = {"labels": {"a": "b"}}
    for method, sent in (("GET", None), ("PATCH", body), ("PUT", body), ("DELETE", None)):
        stale = operator.call(method, f"{bucket.path}?ifMetagenerationMatch={current + 1}", sent)
        assert (stale.status, stale.reason) == (412, "conditionNotMet"), method
        same = operator.call(method, f"{bucket.path}?ifMetagenerationNotMatch={current}", sent)
        assert (same.status, same.content) == (304, b""), method
    after = operator.must("PATCH", f"{bucket.path}?ifMetagenerationMatch={current}", body)
    assert (after["metageneration"], after["etag"]) == (str(current + 1), operator.get(bucket.path)["etag"])


def test_an_empty_patch_changes_nothing(bucket: Bucket) -> None:
    before = bucket.client.get(bucket.path)
    assert bucket.patch() == before


def test_a_patch_merges_and_a_put_resets(operator: Client) -> None:
    bucket = Bucket(operator, "reset", labels={"a": "1", "b": "2"}, versioning={"enabled": True}, location="EU")
    patched = bucket.patch(labels={"a": None}, softDeletePolicy={"retentionDurationSeconds": 0})
    assert (patched["labels"], patched["versioning"]) == ({"b": "2"}, {"enabled": True})
    assert patched["softDeletePolicy"] == {"retentionDurationSeconds": "0"}
    reset = operator.must("PUT", bucket.path, {"storageClass": "nearline"})
    assert not {"labels", "versioning"} & reset.keys()
    assert (reset["storageClass"], reset["location"]) == ("NEARLINE", "EU")
    assert reset["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
    assert (reset["timeCreated"], reset["metageneration"]) == (bucket.made["timeCreated"], "3")


def test_what_is_fixed_at_creation(operator: Client, bucket: Bucket) -> None:
    assert operator.call("PATCH", bucket.path, {"location": "US"}).status == 400
    assert operator.call("PATCH", bucket.path, {"location": "Europe-West3"}).status == 200


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"labels": {"Team": "x"}}, "Invalid user label: Team"),
        ({"labels": {"team": "X"}}, "Invalid user label: team with value X"),
        (
            {"labels": {f"k{n}": "v" for n in range(65)}},
            "Attempt to create a bucket with 65 labels, maximum is 64",
        ),
        ({"storageClass": "COLD"}, 'Invalid storage class "COLD"'),
        (
            {"softDeletePolicy": {"retentionDurationSeconds": "60"}},
            "Soft delete policy must have a retention duration between 7 days and 90 days.",
        ),
        (
            {"retentionPolicy": {"retentionPeriod": "0"}},
            "Retention policy must have a retention period greater than 0 and less than 100 years.",
        ),
        ({"iamConfiguration": {"publicAccessPrevention": "on"}}, "Invalid value for: on is not a valid value"),
        ({"lifecycle": {"rule": [{"action": {"type": "Delete"}}]}}, "Lifecycle rules must have a condition."),
        (
            {"lifecycle": {"rule": [{"action": {"type": "Freeze"}, "condition": {"age": 1}}]}},
            "Invalid value for: Freeze is not a valid value",
        ),
        (
            {"lifecycle": {"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age": 1}}]}},
            "Lifecycle storage class rules must specify the destination storage class.",
        ),
        (
            {"lifecycle": {"rule": [{"action": {"type": "Delete"}, "condition": {"age": -1}}]}},
            "Lifecycle age condition must be greater than or equal to 0, but was -1",
        ),
        ({"billing": {"requesterPays": True}}, "The sandbox does not emulate requester pays."),
        ({"encryption": {"defaultKmsKeyName": "k"}}, "The sandbox does not emulate Cloud KMS keys."),
        ({"hierarchicalNamespace": {"enabled": True}}, "The sandbox does not emulate hierarchical namespaces."),
        ({"location": "mars"}, "The specified location constraint is not valid."),
    ],
)
def test_settings_that_are_refused_leave_the_bucket_as_it_was(
    operator: Client, bucket: Bucket, settings: Json, text: str
) -> None:
    before = bucket.patch(labels={})
    refused = operator.call("PATCH", bucket.path, settings)
    assert (refused.status, refused.message) == (400, text)
    assert operator.get(bucket.path) == before


def test_lifecycle_rules_are_kept_and_removed(bucket: Bucket) -> None:
    rule: Json = {"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": False, "matchesPrefix": ["tmp/"]}}
    assert bucket.patch(lifecycle={"rule": [rule]})["lifecycle"] == {"rule": [rule]}
    assert bucket.patch(lifecycle={})["lifecycle"] == {"rule": [rule]}
    assert "lifecycle" not in bucket.patch(lifecycle={"rule": []})


def test_soft_delete_comes_back_by_null(bucket: Bucket) -> None:
    bucket.patch(softDeletePolicy={"retentionDurationSeconds": 0})
    assert bucket.patch(softDeletePolicy=None)["softDeletePolicy"]["retentionDurationSeconds"] == "604800"


def test_uniform_access_can_be_taken_back_until_it_is_locked(operator: Client) -> None:
    bucket = Bucket(operator, "was-uniform", iamConfiguration=UNIFORM)
    off = bucket.patch(iamConfiguration={"uniformBucketLevelAccess": {"enabled": False}})["iamConfiguration"]
    assert off["uniformBucketLevelAccess"] == off["bucketPolicyOnly"] == {"enabled": False}
    assert off["publicAccessPrevention"] == "enforced"
    by_its_old_name = bucket.patch(iamConfiguration={"bucketPolicyOnly": {"enabled": True}})
    assert by_its_old_name["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"] is True


def test_a_patch_shows_access_control_lists_and_a_get_does_not(operator: Client) -> None:
    bucket = Bucket(operator, "fine-grained")
    assert not {"acl", "defaultObjectAcl", "owner"} & (bucket.made.keys() | operator.get(bucket.path).keys())
    patched = bucket.patch(labels={"a": "b"})
    teams = [(one["entity"], one["role"]) for one in patched["acl"]]
    assert teams == [
        (f"project-owners-{NUMBER}", "OWNER"),
        (f"project-editors-{NUMBER}", "OWNER"),
        (f"project-viewers-{NUMBER}", "READER"),
    ]
    assert [one["entity"] for one in patched["defaultObjectAcl"]] == [entity for entity, _ in teams]
    assert operator.must("PUT", bucket.path, patched)["acl"][0]["entity"] == teams[0][0], "read before, sent back"
    assert operator.call("PATCH", bucket.path, {"acl": patched["acl"][:1]}).status == 400
    assert operator.get(f"{bucket.path}?projection=full")["owner"] == {"entity": f"project-owners-{NUMBER}"}
    assert operator.get(f"{bucket.path}/acl")["items"] == operator.get(f"{bucket.path}?projection=full")["acl"]
    assert len(operator.get(f"{bucket.path}/defaultObjectAcl")["items"]) == len(teams)
    kept = operator.must("POST", f"{bucket.path}/acl", {"entity": teams[0][0], "role": "OWNER"})
    assert kept["kind"] == "storage#bucketAccessControl"
    refused = operator.call("POST", f"{bucket.path}/acl", {"entity": "allUsers", "role": "READER"})
    assert refused.message.startswith("The sandbox does not emulate access control lists")


def test_uniform_access_refuses_access_control_lists(operator: Client, bucket: Bucket) -> None:
    more = " Read more at https://cloud.google.com/storage/docs/uniform-bucket-level-access"
    read = operator.call("GET", f"{bucket.path}/acl")
    assert (read.status, read.message) == (
        400,
        f"Cannot get legacy ACL for a bucket that has uniform bucket-level access.{more}",
    )
    write = operator.call("PATCH", f"{bucket.path}?predefinedAcl=publicRead", {"labels": {"a": "b"}})
    text = "Cannot use ACL API to update bucket policy when uniform bucket-level access is enabled."
    assert (write.status, write.message) == (400, text + more)
    assert (
        operator.call("PATCH", bucket.path, {"acl": [{"entity": "allUsers", "role": "READER"}]}).message == text + more
    )
    assert "acl" not in bucket.patch(labels={"c": "d"})


def test_a_bucket_must_be_empty_to_go(operator: Client) -> None:
    bucket = Bucket(operator, "short-lived")
    bucket.put("x", b"x")
    refused = operator.call("DELETE", bucket.path)
    assert (refused.status, refused.reason) == (409, "conflict")
    assert refused.message == "The bucket you tried to delete is not empty."
    assert operator.call("DELETE", f"{bucket.path}/o/x").status == 204
    assert operator.call("DELETE", bucket.path).status == 204
    assert operator.call("GET", bucket.path).status == 404


def test_a_project_to_bill_must_be_one_that_the_caller_may_use(
    sandbox: Sandbox, operator: Client, bucket: Bucket
) -> None:
    assert operator.call("GET", f"{bucket.path}?userProject={PROJECT}").status == 200
    unknown = operator.call("GET", f"{bucket.path}?userProject=other")
    assert (unknown.status, unknown.message) == (400, "User project specified in the request is invalid.")
    reader = sandbox.account("bucket-viewer", "roles/storage.bucketViewer")
    assert reader.call("GET", bucket.path).status == 200
    refused = reader.call("GET", f"{bucket.path}?userProject={PROJECT}")
    assert (refused.status, "serviceusage.services.use access to the Google Cloud project" in refused.message) == (
        403,
        True,
    )


def test_there_are_no_managed_folders(operator: Client, bucket: Bucket) -> None:
    assert operator.get(f"{bucket.path}/managedFolders") == {"kind": "storage#managedFolders"}
    fine_grained = Bucket(operator, "without-folders")
    assert operator.call("GET", f"{fine_grained.path}/managedFolders").status == 412


def test_storage_layout(operator: Client, bucket: Bucket) -> None:
    layout: dict[str, Any] = operator.get(f"{bucket.path}/storageLayout")
    assert layout["hierarchicalNamespace"] == {"enabled": False}
    assert (layout["bucket"], layout["location"], layout["locationType"]) == (NAME, "EUROPE-WEST3", "region")
