"""gcloud storage, as an operator types it: every command's own output, field by field.

The scripts run side by side: gcloud takes long to start.
"""

import hashlib
import json
import os
from base64 import b64encode
from concurrent.futures import Future
from pathlib import Path

import pytest

from sandbox.core import checksums
from sandbox.core.documents import Json
from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import Sandbox

pytestmark = NEEDED
BIG = 20_000_000
TEXT = b"0123456789"


def hashes(data: bytes) -> Json:
    """What gcloud prints of an object's checksums."""
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return {
        "crc32c_hash": b64encode(checksums.crc32c(data).to_bytes(4, "big")).decode(),
        "md5_hash": b64encode(md5).decode(),
    }


def subset(document: Json, *names: str) -> Json:
    """These fields of what gcloud printed."""
    return {name: document.get(name) for name in names}


def a_bucket_from_creation_to_deletion(gcloud: Gcloud, _: Sandbox, folder: Path) -> None:
    """Create, describe, update, list, delete."""
    url = "gs://gcloud-bucket"
    settings = ["--location=europe-west3", "--uniform-bucket-level-access", "--public-access-prevention"]
    gcloud("storage buckets create", url, *settings, "--default-storage-class=NEARLINE", "--soft-delete-duration=10d")
    made = gcloud("storage buckets describe", url)
    assert subset(made, "name", "location", "location_type", "metageneration", "storage_url") == {
        "name": "gcloud-bucket",
        "location": "EUROPE-WEST3",
        "location_type": "region",
        "metageneration": 1,
        "storage_url": f"{url}/",
    }
    assert (made["public_access_prevention"], made["uniform_bucket_level_access"]) == ("enforced", True)
    assert (made["default_storage_class"], "versioning_enabled" in made) == ("NEARLINE", False)
    assert made["soft_delete_policy"]["retentionDurationSeconds"] == "864000"
    rules = {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 30, "isLive": False}}]}
    (folder / "lifecycle.json").write_text(json.dumps({"lifecycle": rules}))
    changes = ["--update-labels=team=ml,env=dev", "--versioning", f"--lifecycle-file={folder / 'lifecycle.json'}"]
    gcloud("storage buckets update", url, *changes, "--no-uniform-bucket-level-access")
    changed = gcloud("storage buckets describe", url)
    assert (changed["labels"], changed["versioning_enabled"]) == ({"team": "ml", "env": "dev"}, True)
    assert (changed["lifecycle_config"], changed["metageneration"]) == (rules, 2)
    assert changed["uniform_bucket_level_access"] is False
    assert changed["acl"][0]["role"] == "OWNER", "projection=full shows lists once access is fine-grained"
    undone = ["--remove-labels=env", "--no-versioning", "--clear-lifecycle", "--no-public-access-prevention"]
    gcloud("storage buckets update", url, *undone, "--clear-soft-delete", "--uniform-bucket-level-access")
    [listed] = [one for one in gcloud("storage buckets list") if one["name"] == "gcloud-bucket"]
    assert (listed["labels"], listed["public_access_prevention"]) == ({"team": "ml"}, "inherited")
    assert (listed["versioning_enabled"], "lifecycle_config" in listed) == (False, False)
    assert (listed["soft_delete_policy"], listed["metageneration"]) == ({"retentionDurationSeconds": "0"}, 3)
    assert "already own it" in gcloud.refused("storage buckets create", url)
    gcloud.text("storage buckets delete", url)
    assert f"{url} not found: 404" in gcloud.refused("storage buckets describe", url)


def bindings_on_a_bucket(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """A conditional binding comes and goes, and lets in meanwhile."""
    url = "gs://gcloud-policy"
    gcloud("storage buckets create", url, "--uniform-bucket-level-access")
    reader = sandbox.account("gcloud-reader")
    binding = [f"--member=serviceAccount:{reader.email}", "--role=roles/storage.objectViewer"]
    condition = "--condition=title=until,expression=request.time < timestamp('2099-01-01T00:00:00Z')"
    before = gcloud("storage buckets get-iam-policy", url)
    assert [one["role"].removeprefix("roles/storage.") for one in before["bindings"]] == [
        "legacyBucketOwner",
        "legacyBucketReader",
        "legacyObjectOwner",
        "legacyObjectReader",
    ]
    added = gcloud("storage buckets add-iam-policy-binding", url, *binding, condition)
    assert added["version"] == 3
    assert added["bindings"][-1] == {
        "role": "roles/storage.objectViewer",
        "members": [f"serviceAccount:{reader.email}"],
        "condition": {"title": "until", "expression": "request.time < timestamp('2099-01-01T00:00:00Z')"},
    }
    assert reader.call("GET", "/storage/v1/b/gcloud-policy/o").status == 200
    left = gcloud("storage buckets remove-iam-policy-binding", url, *binding, condition)
    assert (left["bindings"], left["version"]) == (before["bindings"], 1)
    assert len({before["etag"], added["etag"], left["etag"]}) == 3
    assert reader.call("GET", "/storage/v1/b/gcloud-policy/o").status == 403


def a_big_file_up_and_down(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """20 MB, by gcloud's own resumable path."""
    url, big = "gs://gcloud-big/models/1/model.bin", folder / "model.bin"
    big.write_bytes(os.urandom(BIG))
    gcloud("storage buckets create", "gs://gcloud-big")
    gcloud.text("storage cp", str(big), url)
    described = gcloud("storage objects describe", url)
    expected = {"bucket": "gcloud-big", "name": "models/1/model.bin", "size": BIG, **hashes(big.read_bytes())}
    assert subset(described, *expected) == expected
    assert (described["content_type"], described["metageneration"]) == ("application/octet-stream", 1)
    assert described["storage_url"] == f"{url}#{described['generation']}"
    way = [one for one in sandbox.requests() if one["path"].startswith("/resumable/upload/storage/v1/b/gcloud-big")]
    assert [one["method"] for one in way] == ["POST", "PUT"], "gcloud's own resumable path"
    gcloud.text("storage cp", url, str(folder / "back.bin"))
    assert (folder / "back.bin").read_bytes() == big.read_bytes()
    assert gcloud("storage hash", url) == [{"digest_format": "base64", "url": url, **hashes(big.read_bytes())}]
    assert gcloud.text("storage du", "gs://gcloud-big", "--summarize").split() == [str(BIG), "gs://gcloud-big"]


def objects_one_by_one(gcloud: Gcloud, _: Sandbox, folder: Path) -> None:
    """Upload, read, change, move, compose, list, remove."""
    root, small = "gs://gcloud-objects", folder / "small.txt"
    small.write_bytes(TEXT)
    gcloud("storage buckets create", root, "--uniform-bucket-level-access")
    gcloud.text("storage cp", str(small), f"{root}/dir/small.txt", "--content-type=text/plain")
    assert gcloud.text("storage cat", f"{root}/dir/small.txt") == TEXT.decode()
    assert gcloud.text("storage cat", f"{root}/dir/small.txt", "--range=2-4") == "234"
    metadata = ["--custom-metadata=run=7", "--cache-control=no-store", "--temporary-hold"]
    gcloud("storage objects update", f"{root}/dir/small.txt", *metadata)
    updated = gcloud("storage objects describe", f"{root}/dir/small.txt")
    assert (updated["custom_fields"], updated["cache_control"]) == ({"run": "7"}, "no-store")
    assert (updated["temporary_hold"], updated["metageneration"], updated["size"]) == (True, 2, len(TEXT))
    assert "is under active Temporary hold" in gcloud.refused("storage rm", f"{root}/dir/small.txt")
    gcloud("storage objects update", f"{root}/dir/small.txt", "--no-temporary-hold")
    gcloud.text("storage mv", f"{root}/dir/small.txt", f"{root}/dir/moved.txt")
    moved = gcloud("storage objects describe", f"{root}/dir/moved.txt")
    assert (moved["custom_fields"], moved["content_type"]) == ({"run": "7"}, "text/plain")
    parts = [f"{root}/dir/moved.txt"] * 2
    gcloud.text("storage objects compose", *parts, f"{root}/dir/twice.txt")
    [first, second] = gcloud("storage objects list", f"{root}/dir/*")
    assert (first["name"], second["name"]) == ("dir/moved.txt", "dir/twice.txt")
    assert (second["component_count"], second["size"], "md5_hash" in second) == (2, 2 * len(TEXT), False)
    assert second["crc32c_hash"] == hashes(TEXT * 2)["crc32c_hash"]
    assert gcloud.text("storage ls", f"{root}/").split() == [f"{root}/dir/"]
    long = gcloud.text("storage ls", "--long", f"{root}/dir/").splitlines()
    assert [line.split()[0] for line in long] == [str(len(TEXT)), str(2 * len(TEXT)), "TOTAL:"]
    assert "not empty" in gcloud.refused("storage buckets delete", root)
    gcloud.text("storage rm", "--recursive", f"{root}/dir/")
    assert "matched no objects" in gcloud.refused("storage ls", f"{root}/dir/")
    assert "matched no objects" in gcloud.refused("storage cat", f"{root}/dir/moved.txt")


def versions(gcloud: Gcloud, _: Sandbox, folder: Path) -> None:
    """What was overwritten is listed, read, copied back, removed, restored."""
    root, small = "gs://gcloud-versions", folder / "small.txt"
    small.write_bytes(TEXT)
    gcloud("storage buckets create", root)
    gcloud("storage buckets update", root, "--versioning")
    gcloud.text("storage cp", str(small), f"{root}/x")
    small.write_bytes(b"newer")
    gcloud.text("storage cp", str(small), f"{root}/x")
    urls = gcloud.text("storage ls", "--all-versions", root).split()
    assert [url.partition("#")[0] for url in urls] == [f"{root}/x"] * 2
    old, new = (gcloud("storage objects describe", url) for url in urls)
    assert (old["size"], new["size"], "noncurrent_time" in old, "noncurrent_time" in new) == (10, 5, True, False)
    assert gcloud.text("storage cat", urls[0]) == TEXT.decode()
    gcloud.text("storage cp", urls[0], f"{root}/x")
    gcloud.text("storage cp", f"{root}/x", str(folder / "restored"))
    assert (folder / "restored").read_bytes() == TEXT
    gcloud.text("storage rm", urls[1])
    [soft] = gcloud.text("storage ls", "--soft-deleted", root).split()
    assert soft == urls[1]
    gcloud.text("storage restore", soft)
    assert gcloud.text("storage cat", f"{root}/x") == "newer"
    gcloud.text("storage rm", "--recursive", root)
    assert "not found: 404" in gcloud.refused("storage buckets describe", root)


def a_folder_kept_alike(gcloud: Gcloud, _: Sandbox, folder: Path) -> None:
    """rsync copies what is new and removes what is gone."""
    root, tree = "gs://gcloud-rsync", folder / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "a.txt").write_text("a")
    (tree / "deep" / "b.txt").write_text("b")
    gcloud("storage buckets create", root)
    gcloud.text("storage rsync", "--recursive", str(tree), f"{root}/tree")
    listed = [one["name"] for one in gcloud("storage objects list", f"{root}/**")]
    assert listed == ["tree/a.txt", "tree/deep/b.txt"]
    (tree / "a.txt").unlink()
    (tree / "deep" / "b.txt").write_text("changed")
    gcloud.text("storage rsync", "--recursive", "--delete-unmatched-destination-objects", str(tree), f"{root}/tree")
    [left] = gcloud("storage objects list", f"{root}/**")
    assert (left["name"], left["size"]) == ("tree/deep/b.txt", len("changed"))


def without_the_role(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """Google names the permission that is missing."""
    gcloud("storage buckets create", "gs://gcloud-private")
    outsider = sandbox.account("gcloud-outsider")
    key = folder / "key.json"
    key.write_text(json.dumps(sandbox.key_of(outsider.email)))
    refused = Gcloud(sandbox, folder / "home", key).refused("storage buckets describe", "gs://gcloud-private")
    assert (
        f"{outsider.email} does not have storage.buckets.get access to the Google Cloud Storage bucket. Permission "
        "'storage.buckets.get' denied on resource (or it may not exist)."
    ) in refused


CHAINS = (
    a_bucket_from_creation_to_deletion,
    bindings_on_a_bucket,
    a_big_file_up_and_down,
    objects_one_by_one,
    versions,
    a_folder_kept_alike,
    without_the_role,
)


@pytest.mark.parametrize("chain", [chain.__name__ for chain in CHAINS])
def test_gcloud_storage(running: dict[str, Future[None]], chain: str) -> None:
    running[chain].result()
