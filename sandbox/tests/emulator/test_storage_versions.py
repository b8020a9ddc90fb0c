"""Object versions: what is overwritten or deleted in a versioned bucket stays, until its generation is named."""

import pytest

from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Sandbox

NO_SOFT_DELETE = {"retentionDurationSeconds": "0"}


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket that keeps versions."""
    return Bucket(sandbox.operator, "versioned", versioning={"enabled": True}, softDeletePolicy=NO_SOFT_DELETE)


def generations(bucket: Bucket, name: str) -> list[tuple[str, bool]]:
    """Generations of an object, oldest first, and whether each is live."""
    page = bucket.client.get(f"{bucket.path}/o?versions=true&prefix={name}")
    return [(one["generation"], "timeDeleted" not in one) for one in page.get("items", []) if one["name"] == name]


def test_an_overwritten_version_stays_readable(operator: Client, bucket: Bucket) -> None:
    first, second = bucket.put("model", b"1"), bucket.put("model", b"22")
    assert generations(bucket, "model") == [(first["generation"], False), (second["generation"], True)]
    assert bucket.names("prefix=model") == ["model"]
    assert (bucket.read("model"), bucket.read("model", f"&generation={first['generation']}")) == (b"22", b"1")
    old = operator.get(f"{bucket.path}/o/model?generation={first['generation']}")
    assert old["timeDeleted"] >= old["timeCreated"]
    assert operator.call("GET", f"{bucket.path}/o/model?generation=1").status == 404


def test_a_deleted_object_becomes_noncurrent(operator: Client, bucket: Bucket) -> None:
    made = bucket.put("gone", b"1")
    assert operator.call("DELETE", f"{bucket.path}/o/gone").status == 204
    assert operator.call("GET", f"{bucket.path}/o/gone").status == 404
    assert operator.call("DELETE", f"{bucket.path}/o/gone").status == 404
    assert generations(bucket, "gone") == [(made["generation"], False)]
    refused = operator.call("DELETE", bucket.path)
    assert refused.status == 409, "noncurrent versions keep a bucket from going"
    back = operator.must(
        "POST", f"{bucket.path}/o/gone/copyTo/b/versioned/o/gone?sourceGeneration={made['generation']}", {}
    )
    assert int(back["generation"]) > int(made["generation"])
    assert bucket.read("gone") == b"1"


def test_a_named_generation_goes_for_good(sandbox: Sandbox, operator: Client, bucket: Bucket) -> None:
    first, second = bucket.put("trimmed", b"1"), bucket.put("trimmed", b"2")
    files = len(list((sandbox.state / "objects").iterdir()))
    for generation in (first["generation"], second["generation"]):
        assert operator.call("DELETE", f"{bucket.path}/o/trimmed?generation={generation}").status == 204
    assert generations(bucket, "trimmed") == []
    assert len(list((sandbox.state / "objects").iterdir())) == files - 2


def test_metadata_of_an_old_version_can_change(operator: Client, bucket: Bucket) -> None:
    first = bucket.put("noted", b"1")
    bucket.put("noted", b"2")
    path = f"{bucket.path}/o/noted?generation={first['generation']}"
    changed = operator.must("PATCH", path, {"metadata": {"old": "yes"}})
    assert (changed["metageneration"], changed["metadata"]) == ("2", {"old": "yes"})
    assert "metadata" not in operator.get(f"{bucket.path}/o/noted")


def test_versions_are_listed_page_by_page_in_order(operator: Client, bucket: Bucket) -> None:
    made = [bucket.put(f"paged%2F{name}", b"x") for name in ("a", "a", "b", "a#1")]
    seen: list[str] = []
    token = ""
    while True:
        page = operator.get(f"{bucket.path}/o?versions=true&prefix=paged/&maxResults=1{token}")
        seen += [one["generation"] for one in page["items"]]
        if "nextPageToken" not in page:
            break
        token = f"&pageToken={page['nextPageToken']}"
    a_old, a_new, b, hashed = (one["generation"] for one in made)
    assert seen == [a_old, a_new, hashed, b]


def test_versioning_that_is_switched_off_keeps_what_is_there(operator: Client) -> None:
    bucket = Bucket(operator, "once-versioned", versioning={"enabled": True})
    first = bucket.put("x", b"1")
    second = bucket.put("x", b"2")
    bucket.patch(versioning={"enabled": False})
    third = bucket.put("x", b"3")
    assert generations(bucket, "x") == [(first["generation"], False), (third["generation"], True)]
    assert operator.call("GET", f"{bucket.path}/o/x?generation={second['generation']}").status == 404


def test_a_retained_object_may_become_noncurrent_but_not_go(operator: Client) -> None:
    bucket = Bucket(
        operator, "kept-versions", versioning={"enabled": True}, retentionPolicy={"retentionPeriod": "3600"}
    )
    made = bucket.put("x", b"1")
    assert operator.call("DELETE", f"{bucket.path}/o/x").status == 204
    refused = operator.call("DELETE", f"{bucket.path}/o/x?generation={made['generation']}")
    assert (refused.status, refused.reason) == (403, "retentionPolicyNotMet")
