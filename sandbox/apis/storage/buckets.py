"""buckets: insert, get, list, patch, update, delete, getStorageLayout."""

import base64
import re
import time

from aiohttp import web

from sandbox.access import policies
from sandbox.apis.storage import API, BUCKET_PATH, BUCKETS, OBJECTS, check_preconditions, find_bucket
from sandbox.core.documents import Json, merge, timestamp
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import classic
from sandbox.core.routing import Answer, Call, Route

NAME = re.compile(r"(?!goog)[a-z0-9](?:[a-z0-9._-]{1,61})[a-z0-9]")
MULTI_REGIONS = {
    "US": "multi-region",
    "EU": "multi-region",
    "ASIA": "multi-region",
    "NAM4": "dual-region",
    "EUR4": "dual-region",
}
# As recorded in terraform-google-modules/terraform-example-foundation#716.
NAME_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
    "Please select a different name and try again."
)
WRITABLE = [
    "acl",
    "autoclass",
    "billing",
    "cors",
    "customPlacementConfig",
    "defaultEventBasedHold",
    "defaultObjectAcl",
    "encryption",
    "hierarchicalNamespace",
    "iamConfiguration",
    "ipFilter",
    "labels",
    "lifecycle",
    "location",
    "logging",
    "objectRetention",
    "retentionPolicy",
    "rpo",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
]
IMMUTABLE = ("location", "hierarchicalNamespace", "customPlacementConfig")
SOFT_DELETE_SECONDS = "604800"
LIST_SIZE = 1000
UNLOCKED_SECONDS = 90 * 24 * 3600


async def insert(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/insert."""
    body = await call.body()
    name = str(body.get("name", ""))
    if call.query.get("project", call.project) not in (call.project, call.world.settings.project_number):
        raise classic(400, f"Unknown project id: {call.query['project']}", "invalid")
    if not NAME.fullmatch(name) or "google" in name:
        raise classic(400, f"Invalid bucket name: '{name}'", "invalid")
    if is_elsewhere(call.world.store, "buckets", name):
        raise classic(409, NAME_TAKEN, "conflict")
    if call.world.store.has(BUCKETS, name):
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise classic(409, message, "conflict")
    bucket = _complete(name, _writable(body), call.world.settings.project_number)
    call.world.store.put(BUCKETS, name, bucket)
    policy = policies.initial_bucket_policy(call.world.settings)
    call.world.store.put(policies.POLICIES, policies.bucket_key(name), policy)
    return _resource(call, bucket)


async def get(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/get."""
    bucket = find_bucket(call)
    check_preconditions(call.query, bucket)
    return _resource(call, bucket)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/list."""
    prefix = call.query.get("prefix", "")
    found = sorted(call.world.store.items(BUCKETS, prefix))
    size, start = call.page_size("maxResults", LIST_SIZE), int(call.query.get("pageToken") or 0)
    answer: Json = {"kind": "storage#buckets"}
    if page := found[start : start + size]:
        answer["items"] = [_resource(call, bucket) for _, bucket in page]
    if start + size < len(found):
        answer["nextPageToken"] = str(start + size)
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/patch."""
    bucket, body = find_bucket(call), _writable(await call.body())
    return _change(call, bucket, merge(bucket, body))


async def update(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/update: what is left out is reset."""
    bucket, body = find_bucket(call), _writable(await call.body())
    kept = {name: value for name, value in bucket.items() if name not in WRITABLE or name in IMMUTABLE}
    return _change(call, bucket, merge(kept, body))


async def delete(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/delete: an empty bucket only; answers 204."""
    bucket, store = find_bucket(call), call.world.store
    check_preconditions(call.query, bucket)
    if store.keys(OBJECTS, f"{bucket['name']}/"):
        raise classic(409, "The bucket you tried to delete is not empty.", "conflict")
    store.delete(BUCKETS, bucket["name"])
    store.delete(policies.POLICIES, policies.bucket_key(bucket["name"]))
    return web.Response(status=204)


async def get_storage_layout(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout (gcloud storage asks it)."""
    bucket = find_bucket(call)
    answer = {"kind": "storage#storageLayout", "bucket": bucket["name"], "hierarchicalNamespace": {"enabled": False}}
    return answer | {"location": bucket["location"], "locationType": bucket["locationType"]}


def _writable(body: Json) -> Json:
    return {name: value for name, value in body.items() if name in WRITABLE}


def _change(call: Call, bucket: Json, wanted: Json) -> Json:
    check_preconditions(call.query, bucket)
    changed = _complete(bucket["name"], wanted, bucket["projectNumber"])
    for field in IMMUTABLE:
        if changed.get(field) != bucket.get(field):
            raise classic(400, f"The bucket's {field} cannot be changed.", "invalid")
    if (
        bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"]
        and not _is_uniform(changed)
        and _is_locked(bucket)
    ):
        raise classic(412, "Cannot disable uniform bucket-level access: it is locked.", "conditionNotMet")
    changed |= {"metageneration": str(int(bucket["metageneration"]) + 1), "updated": timestamp()}
    changed["etag"] = base64.b64encode(changed["metageneration"].encode()).decode()
    call.world.store.put(BUCKETS, bucket["name"], changed)
    return _resource(call, changed)


def _complete(name: str, given: Json, project_number: str) -> Json:
    """A bucket with what the service fills in."""
    now = timestamp()
    location = str(given.get("location") or "US").upper()
    defaults: Json = {
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "projectNumber": project_number,
        "metageneration": "1",
        "generation": str(time.time_ns() // 1000),
        "etag": base64.b64encode(b"1").decode(),
        "locationType": MULTI_REGIONS.get(location, "region"),
        "storageClass": "STANDARD",
        "softDeletePolicy": {"retentionDurationSeconds": SOFT_DELETE_SECONDS, "effectiveTime": now},
        "iamConfiguration": {"publicAccessPrevention": "inherited", "uniformBucketLevelAccess": {"enabled": False}},
        "timeCreated": now,
        "updated": now,
    }
    bucket = merge(defaults, given) | {"location": location}
    bucket["softDeletePolicy"]["retentionDurationSeconds"] = str(bucket["softDeletePolicy"]["retentionDurationSeconds"])
    access = bucket["iamConfiguration"]["uniformBucketLevelAccess"]
    if not access["enabled"]:
        access.pop("lockedTime", None)
    elif "lockedTime" not in access:
        access["lockedTime"] = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + UNLOCKED_SECONDS))
    # The old name of the same setting is mirrored.
    bucket["iamConfiguration"]["bucketPolicyOnly"] = dict(access)
    if bucket.get("labels") == {}:
        del bucket["labels"]
    return bucket


def _is_uniform(bucket: Json) -> bool:
    return bool(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])


def _is_locked(bucket: Json) -> bool:
    return bool(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["lockedTime"] < timestamp())


def _resource(call: Call, bucket: Json) -> Json:
    return bucket | {"selfLink": f"{call.origin}/storage/v1/b/{bucket['name']}"}


COLLECTION = "/storage/v1/b"
ROUTES = [
    Route("POST", COLLECTION, insert, API, "storage.buckets.create"),
    Route("GET", COLLECTION, list_, API, "storage.buckets.list"),
    Route("GET", BUCKET_PATH, get, API, "storage.buckets.get"),
    Route("PATCH", BUCKET_PATH, patch, API, "storage.buckets.update"),
    Route("PUT", BUCKET_PATH, update, API, "storage.buckets.update"),
    Route("DELETE", BUCKET_PATH, delete, API, "storage.buckets.delete"),
    Route("GET", f"{BUCKET_PATH}/storageLayout", get_storage_layout, API, "storage.objects.list"),
]
