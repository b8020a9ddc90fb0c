"""Objects: names, metadata, ranges, conditions, checksums, copies, rewrites, compositions, batches."""

import gzip
import json
import os

import pytest

from sandbox.core.documents import Json
from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import Client, Sandbox

UNIFORM = {"uniformBucketLevelAccess": {"enabled": True}}
MIB = 1 << 20


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """A bucket where IAM alone decides."""
    return Bucket(sandbox.operator, "objects", location="europe-west3", iamConfiguration=UNIFORM)


def test_an_object_comes_back_completed(bucket: Bucket) -> None:
    made = bucket.put("dir%2Fone.txt", b"hello")
    link = f"{bucket.client.url}/storage/v1/b/objects/o/dir%2Fone.txt"
    assert (made["name"], made["size"], made["contentType"]) == ("dir/one.txt", "5", "text/plain")
    assert (made["crc32c"], made["md5Hash"]) == ("mnG7TA==", "XUFAKrxLKna5cZ2REBfFkg==")
    assert (made["selfLink"], made["id"]) == (link, f"objects/dir/one.txt/{made['generation']}")
    assert (made["storageClass"], made["metageneration"]) == ("STANDARD", "1")
    assert bucket.client.get(f"{bucket.path}/o/dir%2Fone.txt") == made
    assert not {"file", "owner", "acl"} & made.keys()


def test_names_come_from_the_raw_path(operator: Client, bucket: Bucket) -> None:
    bucket.put("naive%20name%2B%25%2Fd%C3%A9.json", b"{}")
    reply = operator.call("GET", f"/download{bucket.path}/o/naive%20name%2B%25%2Fd%C3%A9.json?alt=media")
    assert reply.content == b"{}"
    assert bucket.names("prefix=naive") == ["naive name+%/dé.json"]


@pytest.mark.parametrize("name", ["a%0Ab", "x" * 1025, "..", ".well-known%2Facme-challenge%2Fx"])
def test_names_that_no_object_may_have(bucket: Bucket, name: str) -> None:
    refused = bucket.try_put(name, b"x")
    assert refused.status == 400
    assert "object name" in refused.message


def test_a_name_is_required(bucket: Bucket) -> None:
    refused = bucket.client.call("POST", f"{bucket.uploads}?uploadType=media", data=b"x")
    assert (refused.status, refused.reason) == (400, "required")


def test_ranges(operator: Client, bucket: Bucket) -> None:
    bucket.put("digits", b"0123456789")
    one = f"{bucket.path}/o/digits?alt=media"
    cases = {"bytes=2-4": b"234", "bytes=7-": b"789", "bytes=-3": b"789", "bytes=5-99": b"56789"}
    for header, expected in cases.items():
        reply = operator.call("GET", one, Range=header)
        assert (reply.status, reply.content) == (206, expected), header
    assert operator.call("GET", one, Range="bytes=2-4").headers["Content-Range"] == "bytes 2-4/10"
    for header in ("bytes=0-1,3-4", "bytes=4-2", "lines=1-2"):
        reply = operator.call("GET", one, Range=header)
        assert (reply.status, reply.content) == (200, b"0123456789"), header
    for header in ("bytes=10-", "bytes=-0"):
        refused = operator.call("GET", one, Range=header)
        assert (refused.status, refused.headers["Content-Type"]) == (416, "text/html; charset=utf-8")
    whole = operator.call("GET", one)
    assert whole.headers["Content-Length"] == "10"
    assert whole.headers["X-Goog-Hash"].startswith("crc32c=")


def test_an_empty_object(bucket: Bucket) -> None:
    assert bucket.put("empty", b"")["size"] == "0"
    assert bucket.read("empty") == b""
    assert bucket.client.call("GET", f"{bucket.path}/o/empty?alt=media", Range="bytes=0-").status == 416


def test_errors_of_a_download_are_plain_text(operator: Client, bucket: Bucket) -> None:
    missing = operator.call("GET", f"{bucket.path}/o/missing?alt=media")
    assert (missing.status, missing.content) == (404, b"No such object: objects/missing")
    assert missing.headers["Content-Type"].startswith("text/html")
    described = operator.call("GET", f"{bucket.path}/o/missing")
    assert (described.message, described.reason) == ("No such object: objects/missing", "notFound")
    bucket.put("private", b"x")
    anonymous = operator.call("GET", f"{bucket.path}/o/private?alt=media", Authorization="")
    assert (anonymous.status, anonymous.content.split(b".")[0]) == (
        401,
        b"Anonymous caller does not have storage",
    )


def test_who_may_not_list_is_not_told_what_exists(sandbox: Sandbox, bucket: Bucket) -> None:
    creator = sandbox.account("object-creator", "roles/storage.objectCreator")
    path = f"{bucket.uploads}?uploadType=media&name=only-once"
    assert creator.call("POST", path, data=b"1").status == 200
    overwrite = creator.call("POST", path, data=b"2")
    assert (overwrite.status, "storage.objects.delete" in overwrite.message) == (403, True)
    assert creator.call("GET", f"{bucket.path}/o/only-once").status == 403
    reader = sandbox.account("object-getter")
    sandbox.operator.bind("roles/storage.legacyObjectReader", reader.email)
    assert reader.call("GET", f"{bucket.path}/o/only-once").status == 200
    missing = reader.call("GET", f"{bucket.path}/o/missing")
    assert (missing.status, "storage.objects.list" in missing.message) == (403, True)


def test_conditions_on_generations(operator: Client, bucket: Bucket) -> None:
    first = bucket.put("guarded", b"1", "&ifGenerationMatch=0")
    again = bucket.try_put("guarded", b"2", "&ifGenerationMatch=0")
    assert (again.status, again.reason) == (412, "conditionNotMet")
    assert again.message == "At least one of the pre-conditions you specified did not hold."
    second = bucket.put("guarded", b"22", f"&ifGenerationMatch={first['generation']}")
    assert int(second["generation"]) > int(first["generation"])
    one, current = f"{bucket.path}/o/guarded", second["generation"]
    for method, body in (("GET", None), ("PATCH", {}), ("PUT", {}), ("DELETE", None)):
        assert operator.call(method, f"{one}?ifGenerationMatch={first['generation']}", body).status == 412, method
        assert operator.call(method, f"{one}?ifMetagenerationMatch=9", body).status == 412, method
        unchanged = operator.call(method, f"{one}?ifGenerationNotMatch={current}", body)
        assert (unchanged.status, unchanged.content) == (304, b""), method
    assert operator.call("GET", f"{one}?alt=media&ifGenerationNotMatch={current}").status == 304
    assert operator.call("GET", one, If_None_Match=second["etag"]).status == 304
    assert operator.call("GET", one, If_Match=first["etag"]).status == 412
    assert operator.call("GET", f"{one}?ifGenerationMatch=x").status == 400
    assert bucket.read("guarded") == b"22"


def test_checksums_are_computed_and_checked(sandbox: Sandbox, bucket: Bucket) -> None:
    bad = bucket.try_put("bad", b"hello", X_Goog_Hash="crc32c=AAAAAA==")
    assert (bad.status, bad.message) == (
        400,
        'Provided CRC32C "AAAAAA==" doesn\'t match calculated CRC32C "mnG7TA==".',
    )
    bad = bucket.try_put("bad", b"hello", X_Goog_Hash="md5=AAAA")
    assert bad.message == 'Provided MD5 hash "AAAA" doesn\'t match calculated MD5 hash "XUFAKrxLKna5cZ2REBfFkg==".'
    assert bucket.client.call("GET", f"{bucket.path}/o/bad").status == 404
    assert not list((sandbox.state / "uploads").iterdir()), "nothing half-uploaded is left"


def test_metadata_is_patched_and_replaced(operator: Client, bucket: Bucket) -> None:
    made = bucket.put("described", b"x")
    one = f"{bucket.path}/o/described"
    patched = operator.must("PATCH", one, {"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"})
    assert (patched["metadata"], patched["metageneration"]) == ({"a": "1", "b": "2"}, "2")
    assert (patched["generation"], patched["etag"] != made["etag"]) == (made["generation"], True)
    assert operator.must("PATCH", one, {"metadata": {"a": None}})["metadata"] == {"b": "2"}
    replaced = operator.must("PUT", one, {"contentType": "text/markdown"})
    assert (replaced["contentType"], "metadata" in replaced, "cacheControl" in replaced) == (
        "text/markdown",
        False,
        False,
    )
    assert bucket.read("described") == b"x"
    assert operator.call("PATCH", one, {"metadata": {"a": 1}}).status == 400
    assert operator.call("PATCH", one, {"retention": {"mode": "Locked"}}).status == 400


def test_custom_time_only_moves_on(operator: Client, bucket: Bucket) -> None:
    bucket.put("timed", b"x")
    one = f"{bucket.path}/o/timed"
    assert (
        operator.must("PATCH", one, {"customTime": "2026-01-02T00:00:00Z"})["customTime"] == "2026-01-02T00:00:00.000Z"
    )
    for earlier in ("2026-01-01T00:00:00Z", None):
        assert operator.call("PATCH", one, {"customTime": earlier}).status == 400
    assert operator.call("PATCH", one, {"customTime": "soon"}).status == 400


def test_gzip_is_undone_for_who_does_not_take_it(operator: Client, bucket: Bucket) -> None:
    packed = gzip.compress(b"plain text " * 1000)
    bucket.put("packed", packed, "&contentEncoding=gzip")
    path = f"{bucket.path}/o/packed?alt=media"
    unpacked = operator.call("GET", path, Accept_Encoding="identity")
    assert unpacked.content == b"plain text " * 1000
    assert "Content-Encoding" not in unpacked.headers
    assert unpacked.headers["X-Goog-Stored-Content-Encoding"] == "gzip"
    kept = operator.call("GET", path, Accept_Encoding="gzip")
    assert (kept.headers["Content-Encoding"], kept.headers["Content-Length"]) == ("gzip", str(len(packed)))


def test_keys_of_the_clients_own_are_refused(bucket: Bucket) -> None:
    refused = bucket.try_put("secret", b"x", X_Goog_Encryption_Algorithm="AES256")
    assert refused.message == "The sandbox does not emulate customer-supplied encryption keys."
    refused = bucket.try_put("secret", b"x", "&kmsKeyName=projects/p/locations/l/keyRings/r/cryptoKeys/k")
    assert refused.message == "The sandbox does not emulate Cloud KMS keys."


def test_access_control_lists_of_objects(operator: Client, bucket: Bucket) -> None:
    uniform = operator.call("GET", f"{bucket.path}/o/digits/acl")
    assert uniform.message.startswith(
        "Cannot get legacy ACL for an object when uniform bucket-level access is enabled."
    )
    insert = bucket.try_put("x", b"x", "&predefinedAcl=publicRead")
    assert insert.message.startswith(
        "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled."
    )
    fine = Bucket(operator, "fine-objects")
    assert "acl" not in fine.put("one", b"1")
    operator.bind("roles/storage.objectAdmin", operator.email)
    full = operator.get(f"{fine.path}/o/one?projection=full")
    assert full["owner"] == {"entity": f"user-{operator.email}"}
    assert [entry["role"] for entry in full["acl"]] == ["OWNER", "OWNER", "READER", "OWNER"]
    assert operator.get(f"{fine.path}/o/one/acl")["items"] == full["acl"]
    entry = {"entity": f"user-{operator.email}", "role": "OWNER"}
    assert operator.must("POST", f"{fine.path}/o/one/acl", entry)["entity"] == entry["entity"]
    assert operator.call("POST", f"{fine.path}/o/one/acl", entry | {"entity": "allUsers"}).status == 400
    assert "acl" in operator.must("PATCH", f"{fine.path}/o/one", {"metadata": {"a": "b"}})


def test_a_copy_takes_metadata_over_or_replaces_all_of_it(operator: Client, bucket: Bucket) -> None:
    bucket.put("source", b"abc")
    operator.must("PATCH", f"{bucket.path}/o/source", {"metadata": {"a": "b"}, "temporaryHold": True})
    copied = operator.must("POST", f"{bucket.path}/o/source/copyTo/b/objects/o/deep%2Fcopy", {})
    assert (copied["metadata"], copied["contentType"], "temporaryHold" in copied) == ({"a": "b"}, "text/plain", False)
    assert (copied["md5Hash"], copied["metageneration"]) == ("kAFQmDzST7DWlj99KOF/cg==", "1")
    other = operator.must("POST", f"{bucket.path}/o/source/copyTo/b/objects/o/second", {"cacheControl": "no-store"})
    assert (other["cacheControl"], "metadata" in other, "contentType" in other) == ("no-store", False, False)
    stale = operator.call("POST", f"{bucket.path}/o/source/copyTo/b/objects/o/x?ifSourceGenerationMatch=1", {})
    assert stale.status == 412
    taken = operator.call("POST", f"{bucket.path}/o/source/copyTo/b/objects/o/second?ifGenerationMatch=0", {})
    assert taken.status == 412
    assert operator.call("POST", f"{bucket.path}/o/source/copyTo/b/no-such-bucket/o/x", {}).status == 404
    operator.must("PATCH", f"{bucket.path}/o/source", {"temporaryHold": False})


def test_a_rewrite_is_done_in_one_call_within_a_place(operator: Client, bucket: Bucket) -> None:
    bucket.put("near", os.urandom(3 * MIB))
    done = operator.must("POST", f"{bucket.path}/o/near/rewriteTo/b/objects/o/far?maxBytesRewrittenPerCall={MIB}", {})
    assert (done["done"], done["totalBytesRewritten"], done["resource"]["size"]) == (True, str(3 * MIB), str(3 * MIB))


def test_a_rewrite_to_another_class_goes_on_by_its_token(operator: Client, bucket: Bucket) -> None:
    data = os.urandom(2 * MIB + 5)
    bucket.put("warm", data)
    path = f"{bucket.path}/o/warm/rewriteTo/b/objects/o/cold?maxBytesRewrittenPerCall={MIB}"
    body = {"storageClass": "COLDLINE", "contentType": "text/plain"}
    first = operator.must("POST", path, body)
    assert (first["done"], first["totalBytesRewritten"], "resource" in first) == (False, str(MIB), False)
    assert operator.call("GET", f"{bucket.path}/o/cold").status == 404
    assert operator.call("POST", f"{path}&rewriteToken=wrong", body).status == 400
    second = operator.must("POST", f"{path}&rewriteToken={first['rewriteToken']}", body)
    assert second["totalBytesRewritten"] == str(2 * MIB)
    assert operator.call("POST", f"{path}&rewriteToken={second['rewriteToken']}", {}).status == 400
    last = operator.must("POST", f"{path}&rewriteToken={second['rewriteToken']}", body)
    assert (last["done"], last["resource"]["storageClass"]) == (True, "COLDLINE")
    assert bucket.read("cold") == data
    assert (
        operator.call("POST", f"{bucket.path}/o/warm/rewriteTo/b/objects/o/x?maxBytesRewrittenPerCall=5", body).status
        == 400
    )


def test_composing(operator: Client, bucket: Bucket) -> None:
    made = {name: bucket.put(name, data) for name, data in (("p1", b"one,"), ("p2", b"two"))}
    path = f"{bucket.path}/o/joined/compose"
    sources: list[Json] = [{"name": "p1"}, {"name": "p2", "generation": made["p2"]["generation"]}]
    joined = operator.must("POST", path, {"sourceObjects": sources, "destination": {"contentType": "text/csv"}})
    assert (joined["componentCount"], "md5Hash" in joined, joined["contentType"]) == (2, False, "text/csv")
    assert bucket.read("joined") == b"one,two"
    assert "md5" not in operator.call("GET", f"{bucket.path}/o/joined?alt=media").headers["X-Goog-Hash"]
    longer = operator.must("POST", path, {"sourceObjects": [{"name": "joined"}, {"name": "p1"}]})
    assert (longer["componentCount"], "contentType" in longer) == (3, False)
    stale: Json = {"name": "p1", "objectPreconditions": {"ifGenerationMatch": "1"}}
    assert operator.call("POST", path, {"sourceObjects": [stale]}).status == 412
    assert operator.call("POST", path, {"sourceObjects": [{"name": "missing"}]}).status == 404
    assert operator.call("POST", path, {}).message == "You must provide at least one source component."
    many = operator.call("POST", path, {"sourceObjects": [{"name": "p1"}] * 33})
    assert many.message == "The number of source components provided (33) exceeds the maximum (32)"
    assert operator.call("POST", f"{path}?ifGenerationMatch=0", {"sourceObjects": sources}).status == 412


def test_fields_cut_an_answer_down(operator: Client, bucket: Bucket) -> None:
    bucket.put("masked", b"1")
    assert operator.get(f"{bucket.path}/o/masked?fields=name,size") == {"name": "masked", "size": "1"}


def test_a_batch_answers_each_call(sandbox: Sandbox, operator: Client, bucket: Bucket) -> None:
    for name in ("batch-a", "batch-b"):
        bucket.put(name, b"x")
    calls = [
        f"DELETE {bucket.path}/o/batch-a HTTP/1.1\r\n\r\n",
        f"PATCH {operator.url}{bucket.path}/o/batch-b HTTP/1.1\r\nContent-Type: application/json\r\n\r\n"
        + json.dumps({"metadata": {"k": "v"}}),
        f"GET {bucket.path}/o/missing HTTP/1.1\r\n\r\n",
        f"GET {bucket.path}/o/batch-b?alt=media HTTP/1.1\r\n\r\n",
    ]
    parts = [
        f"--edge\r\nContent-Type: application/http\r\nContent-ID: <{n}>\r\n\r\n{call}\r\n"
        for n, call in enumerate(calls)
    ]
    body = "".join(parts) + "--edge--\r\n"
    reply = operator.call(
        "POST", "/batch/storage/v1", data=body.encode(), Content_Type="multipart/mixed; boundary=edge"
    )
    assert reply.status == 200
    text = reply.content.decode()
    assert [line.split(" ", 2)[1] for line in text.splitlines() if line.startswith("HTTP/1.1")] == [
        "204",
        "200",
        "404",
        "400",
    ]
    assert "Content-ID: <response-1>" in text
    assert operator.get(f"{bucket.path}/o/batch-b")["metadata"] == {"k": "v"}
    seen = [(one["method"], one["principal"]) for one in sandbox.requests()[-6:] if one["path"].endswith("batch-a")]
    assert ("DELETE", operator.email) in seen
    outsider = sandbox.account("batch-outsider")
    refused = outsider.call(
        "POST", "/batch/storage/v1", data=body.encode(), Content_Type="multipart/mixed; boundary=edge"
    )
    assert refused.content.decode().count("HTTP/1.1 403") == 3
    assert operator.call("POST", "/batch/storage/v1", data=b"{}", Content_Type="application/json").status == 400
