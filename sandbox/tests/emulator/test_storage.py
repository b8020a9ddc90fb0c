"""Cloud Storage: buckets with policies, objects with every kind of upload, ranges, listings, preconditions."""

import hashlib
import json
import os

import pytest

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Client, Sandbox

BUCKET = "df_traffic_cyclist1"
B = f"/storage/v1/b/{BUCKET}"
UPLOAD = f"/upload/storage/v1/b/{BUCKET}/o"


@pytest.fixture(scope="module", autouse=True)
def bucket(sandbox: Sandbox) -> Json:
    """A bucket as the role makes it."""
    body = {"name": BUCKET, "location": "europe-west3", "labels": {"env": "dev"}}
    body |= {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}}
    return sandbox.operator.must("POST", f"/storage/v1/b?project={PROJECT}", body)


def put(operator: Client, name: str, data: bytes, query: str = "") -> Json:
    """A media upload."""
    reply = operator.call("POST", f"{UPLOAD}?uploadType=media&name={name}{query}", data=data, Content_Type="text/plain")
    assert reply.status == 200, reply.content
    return reply.body


def test_a_bucket_comes_back_completed(bucket: Json, operator: Client) -> None:
    assert bucket["location"] == "EUROPE-WEST3"
    assert bucket["locationType"] == "region"
    assert bucket["softDeletePolicy"]["retentionDurationSeconds"] == "604800"
    assert bucket["iamConfiguration"]["bucketPolicyOnly"]["enabled"] is True
    again = operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    assert (again.status, again.reason) == (409, "conflict")
    assert operator.call("GET", "/storage/v1/b/no-such-bucket").message == "The specified bucket does not exist."
    assert operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "Bad_Name"}).status == 400


def test_a_bucket_is_patched_with_metageneration(operator: Client) -> None:
    before = operator.get(B)
    stale = operator.call("PATCH", f"{B}?ifMetagenerationMatch=999", {"labels": {"a": "b"}})
    assert (stale.status, stale.reason) == (412, "conditionNotMet")
    query = f"?ifMetagenerationMatch={before['metageneration']}"
    change = {
        "versioning": {"enabled": True},
        "softDeletePolicy": {"retentionDurationSeconds": 0},
        "labels": {"env": None},
    }
    after = operator.must("PATCH", B + query, change)
    assert after["versioning"] == {"enabled": True}
    assert after["softDeletePolicy"]["retentionDurationSeconds"] == "0"
    assert "labels" not in after
    assert int(after["metageneration"]) == int(before["metageneration"]) + 1
    assert operator.call("PATCH", B, {"location": "US"}).status == 400


def test_bucket_policy_etag_and_public_access_prevention(sandbox: Sandbox, operator: Client) -> None:
    trainer = sandbox.account("bucket-writer")
    assert trainer.call("POST", f"{UPLOAD}?uploadType=media&name=x", data=b"x").status == 403
    policy = operator.get(f"{B}/iam")
    assert "roles/storage.legacyBucketOwner" in [binding["role"] for binding in policy["bindings"]]
    binding = {"role": "roles/storage.objectUser", "members": [f"serviceAccount:{trainer.email}"]}
    wanted = policy | {"bindings": [*policy["bindings"], binding]}
    operator.must("PUT", f"{B}/iam", wanted)
    stale = operator.call("PUT", f"{B}/iam", wanted)
    assert stale.status == 412
    assert trainer.call("POST", f"{UPLOAD}?uploadType=media&name=x", data=b"x").status == 200
    assert trainer.call("DELETE", f"{B}/o/x").status == 204
    assert trainer.call("GET", f"{B}/iam").status == 403
    public = {"bindings": [{"role": "roles/storage.objectViewer", "members": ["allUsers"]}]}
    assert operator.call("PUT", f"{B}/iam", public).status == 412
    asked = "permissions=storage.objects.create&permissions=storage.buckets.update"
    assert trainer.get(f"{B}/iam/testPermissions?{asked}")["permissions"] == ["storage.objects.create"]


def test_who_may_not_list_is_not_told_what_exists(sandbox: Sandbox, operator: Client) -> None:
    creator = sandbox.account("object-creator", "roles/storage.objectCreator")
    put(creator, "only-once", b"1")
    overwrite = creator.call("POST", f"{UPLOAD}?uploadType=media&name=only-once", data=b"2")
    assert (overwrite.status, "storage.objects.delete" in overwrite.message) == (403, True)
    assert creator.call("GET", f"{B}/o/only-once").status == 403
    assert operator.call("GET", f"{B}/o/missing").message == f"No such object: {BUCKET}/missing"
    anonymous = operator.call("GET", f"{B}/o/only-once?alt=media", Authorization="")
    assert anonymous.status == 401
    assert anonymous.message.startswith("Anonymous caller does not have storage.objects.get access")


def test_names_come_from_the_raw_path(operator: Client) -> None:
    put(operator, "naive%20name%2B%25%2Fd%C3%A9.json", b"{}")
    reply = operator.call("GET", f"/download{B}/o/naive%20name%2B%25%2Fd%C3%A9.json?alt=media")
    assert reply.content == b"{}"
    assert operator.get(f"{B}/o?prefix=naive")["items"][0]["name"] == "naive name+%/dé.json"


def test_ranges(operator: Client) -> None:
    put(operator, "digits", b"0123456789")
    cases = {"bytes=2-4": b"234", "bytes=7-": b"789", "bytes=-3": b"789", "bytes=5-99": b"56789"}
    for header, expected in cases.items():
        reply = operator.call("GET", f"{B}/o/digits?alt=media", Range=header)
        assert (reply.status, reply.content) == (206, expected), header
    assert operator.call("GET", f"{B}/o/digits?alt=media", Range="bytes=10-").status == 416
    assert operator.call("GET", f"{B}/o/digits?alt=media").headers["Content-Length"] == "10"


def test_an_empty_object(operator: Client) -> None:
    assert put(operator, "empty", b"")["size"] == "0"
    assert operator.call("GET", f"{B}/o/empty?alt=media").content == b""


def test_a_listing_folds_prefixes_and_pages(operator: Client) -> None:
    for name in ("list%2Fa%2F1", "list%2Fa%2F2", "list%2Fb", "list%2Fc%2F3"):
        put(operator, name, b"x")
    seen: list[str] = []
    token = ""
    while True:
        page = operator.get(f"{B}/o?prefix=list/&delimiter=%2F&maxResults=1{token}")
        seen += [item["name"] for item in page.get("items", [])] + page.get("prefixes", [])
        if "nextPageToken" not in page:
            break
        token = f"&pageToken={page['nextPageToken']}"
    assert seen == ["list/a/", "list/b", "list/c/"]
    assert len(operator.get(f"{B}/o?prefix=list/")["items"]) == 4
    only = operator.get(f"{B}/o?prefix=list/&fields=items(name,size),nextPageToken")
    assert only["items"][0] == {"name": "list/a/1", "size": "1"}


def test_generations_guard_writes(operator: Client) -> None:
    first = put(operator, "guarded", b"1", "&ifGenerationMatch=0")
    reply = operator.call("POST", f"{UPLOAD}?uploadType=media&name=guarded&ifGenerationMatch=0", data=b"2")
    assert reply.status == 412
    second = put(operator, "guarded", b"22", f"&ifGenerationMatch={first['generation']}")
    assert second["generation"] != first["generation"]
    assert operator.call("GET", f"{B}/o/guarded?alt=media").content == b"22"


def test_checksums_are_computed_and_checked(operator: Client, sandbox: Sandbox) -> None:
    body = put(operator, "sum", b"hello")
    assert body["crc32c"] == "mnG7TA=="
    bad = operator.call("POST", f"{UPLOAD}?uploadType=media&name=bad", data=b"hello", X_Goog_Hash="crc32c=AAAAAA==")
    assert bad.status == 400
    assert operator.call("GET", f"{B}/o/bad").status == 404
    assert not list((sandbox.state / "uploads").iterdir()), "nothing half-uploaded is left"


def test_multipart_keeps_metadata(operator: Client) -> None:
    meta = {"name": "dir/multi", "metadata": {"run": "7"}, "contentType": "application/json"}
    data = os.urandom(4096) + b"\r\n--not-the-boundary\r\n"
    parts = [b"--edge", b"Content-Type: application/json; charset=UTF-8", b"", json.dumps(meta).encode()]
    parts += [b"--edge", b"Content-Type: application/octet-stream", b"", data, b"--edge--", b""]
    header = 'multipart/related; boundary="edge"'
    reply = operator.call("POST", f"{UPLOAD}?uploadType=multipart", data=b"\r\n".join(parts), Content_Type=header)
    assert reply.status == 200, reply.content
    assert (reply.body["metadata"], reply.body["contentType"]) == ({"run": "7"}, "application/json")
    assert operator.call("GET", f"{B}/o/dir%2Fmulti?alt=media").content == data


@pytest.mark.parametrize("prefix", ["", "/resumable"])
def test_a_resumable_upload_survives_a_lost_chunk(operator: Client, prefix: str) -> None:
    data = os.urandom(600_000)
    start = operator.call("POST", f"{prefix}{UPLOAD}?uploadType=resumable&name=big", {"contentType": "text/x-model"})
    session = start.headers["Location"].removeprefix(operator.url)
    asked = operator.call("PUT", session, Content_Range="bytes */*")
    assert (asked.status, "Range" in asked.headers) == (308, False)
    half = operator.call("PUT", session, data=data[:262144], Content_Range="bytes 0-262143/*")
    assert (half.status, half.headers["Range"]) == (308, "bytes=0-262143")
    gap = operator.call("PUT", session, data=data[500_000:], Content_Range="bytes 500000-599999/600000")
    assert gap.status == 400
    done = operator.call("PUT", session, data=data[262144:], Content_Range="bytes 262144-599999/600000")
    assert (done.status, done.body["size"], done.body["contentType"]) == (200, "600000", "text/x-model")
    read = operator.call("GET", f"{B}/o/big?alt=media").content
    assert hashlib.sha256(read).digest() == hashlib.sha256(data).digest()
    assert operator.call("PUT", session, Content_Range="bytes */*").status == 404


def test_copy_rewrite_and_metadata(operator: Client) -> None:
    put(operator, "source", b"abc")
    rewritten = operator.must("POST", f"{B}/o/source/rewriteTo/b/{BUCKET}/o/deep%2Fcopy", {})
    assert (rewritten["done"], rewritten["resource"]["name"]) == (True, "deep/copy")
    copied = operator.must("POST", f"{B}/o/source/copyTo/b/{BUCKET}/o/second", {})
    assert copied["md5Hash"] == rewritten["resource"]["md5Hash"]
    changed = operator.must("PATCH", f"{B}/o/second", {"metadata": {"a": "b"}})
    assert (changed["metadata"], changed["metageneration"]) == ({"a": "b"}, "2")


def test_a_bucket_must_be_empty_to_go(operator: Client) -> None:
    operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": "short-lived"})
    path = "/upload/storage/v1/b/short-lived/o?uploadType=media&name=x"
    assert operator.call("POST", path, data=b"x").status == 200
    assert operator.call("DELETE", "/storage/v1/b/short-lived").reason == "conflict"
    assert operator.call("DELETE", "/storage/v1/b/short-lived/o/x").status == 204
    assert operator.call("DELETE", "/storage/v1/b/short-lived").status == 204
    assert operator.call("GET", "/storage/v1/b/short-lived").status == 404
