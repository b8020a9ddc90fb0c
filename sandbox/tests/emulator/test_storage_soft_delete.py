"""Soft delete: what was deleted or replaced can be listed and restored for as long as the bucket says."""

import pytest

from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Sandbox


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket as it comes, with soft delete for a week."""
    return Bucket(sandbox.operator, "soft")


def test_a_deleted_object_comes_back(operator: Client, bucket: Bucket) -> None:
    made = bucket.put("model", b"weights")
    operator.must("PATCH", f"{bucket.path}/o/model", {"metadata": {"run": "7"}})
    assert operator.call("DELETE", f"{bucket.path}/o/model").status == 204
    assert bucket.names("prefix=model") == []
    [kept] = operator.get(f"{bucket.path}/o?softDeleted=true&prefix=model")["items"]
    assert (kept["name"], kept["generation"], kept["metadata"]) == ("model", made["generation"], {"run": "7"})
    assert kept["softDeleteTime"] < kept["hardDeleteTime"]
    path = f"{bucket.path}/o/model?generation={made['generation']}"
    assert operator.get(f"{path}&softDeleted=true")["softDeleteTime"] == kept["softDeleteTime"]
    assert operator.call("GET", f"{path}&softDeleted=true&alt=media").status == 400
    assert operator.call("GET", f"{bucket.path}/o/model?softDeleted=true").message == "Required parameter: generation"
    back = operator.must("POST", path.replace("/o/model", "/o/model/restore"))
    assert (back["metadata"], int(back["generation"]) > int(made["generation"])) == ({"run": "7"}, True)
    assert not {"softDeleteTime", "hardDeleteTime"} & back.keys()
    assert bucket.read("model") == b"weights"
    again = operator.call("POST", path.replace("/o/model", "/o/model/restore") + "&ifGenerationMatch=0")
    assert again.status == 412


def test_what_was_replaced_comes_back_and_pushes_out_what_replaced_it(operator: Client, bucket: Bucket) -> None:
    first, second = bucket.put("replaced", b"1"), bucket.put("replaced", b"2")
    path = f"{bucket.path}/o/replaced/restore?generation="
    assert operator.call("POST", path + second["generation"]).status == 404, "it is live"
    operator.must("POST", path + first["generation"])
    assert bucket.read("replaced") == b"1"
    listed = operator.get(f"{bucket.path}/o?softDeleted=true&prefix=replaced")["items"]
    assert [one["generation"] for one in listed] == [first["generation"], second["generation"]]


def test_it_outlives_a_kill(sandbox: Sandbox, operator: Client, bucket: Bucket) -> None:
    made = bucket.put("survivor", b"alive")
    assert operator.call("DELETE", f"{bucket.path}/o/survivor").status == 204
    sandbox.kill()
    sandbox.restart()
    operator.must("POST", f"{bucket.path}/o/survivor/restore?generation={made['generation']}")
    assert bucket.read("survivor") == b"alive"


def test_without_soft_delete_what_is_deleted_is_gone(sandbox: Sandbox, operator: Client) -> None:
    bucket = Bucket(operator, "hard", softDeletePolicy={"retentionDurationSeconds": 0})
    files = set((sandbox.state / "objects").iterdir())
    made = bucket.put("x", b"1")
    assert operator.call("DELETE", f"{bucket.path}/o/x").status == 204
    assert set((sandbox.state / "objects").iterdir()) == files
    assert operator.call("GET", f"{bucket.path}/o?softDeleted=true").status == 400
    assert operator.call("POST", f"{bucket.path}/o/x/restore?generation={made['generation']}").status == 400


def test_versions_and_soft_deleted_ones_are_listed_apart(operator: Client) -> None:
    bucket = Bucket(operator, "both", versioning={"enabled": True})
    first = bucket.put("x", b"1")
    bucket.put("x", b"2")
    assert operator.get(f"{bucket.path}/o?softDeleted=true") == {"kind": "storage#objects"}
    assert operator.call("DELETE", f"{bucket.path}/o/x?generation={first['generation']}").status == 204
    [kept] = operator.get(f"{bucket.path}/o?softDeleted=true")["items"]
    assert (kept["generation"], "timeDeleted" in kept) == (first["generation"], True)
    assert operator.call("GET", f"{bucket.path}/o?softDeleted=true&versions=true").status == 400


def test_a_bucket_goes_with_what_was_soft_deleted_in_it(sandbox: Sandbox, operator: Client) -> None:
    files = set((sandbox.state / "objects").iterdir())
    bucket = Bucket(operator, "going")
    bucket.put("x", b"1")
    assert operator.call("DELETE", f"{bucket.path}/o/x").status == 204
    assert operator.call("DELETE", bucket.path).status == 204
    assert set((sandbox.state / "objects").iterdir()) == files
    again = Bucket(operator, "going")
    assert operator.get(f"{again.path}/o?softDeleted=true") == {"kind": "storage#objects"}
    refused = operator.call("GET", f"{bucket.path}?softDeleted=true")
    assert refused.message == "The sandbox does not emulate soft-deleted buckets: a deleted bucket is gone."
