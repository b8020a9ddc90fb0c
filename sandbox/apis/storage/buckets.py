"""buckets: insert, get, list, patch, update, delete, lockRetentionPolicy, getStorageLayout."""

import datetime as dt

from aiohttp import web

from sandbox.access import policies
from sandbox.apis.storage import (
    API,
    BUCKET_PATH,
    BUCKETS,
    check_project,
    find_bucket,
    invalid_name,
    is_name,
    not_emulated,
    shows_acl,
)
from sandbox.apis.storage.access_controls import WRITE_BUCKET, bucket_lists, refuse_lists
from sandbox.apis.storage.bucket_settings import IMMUTABLE, changed, defaults, reset
from sandbox.apis.storage.etags import bucket_etag, check_preconditions, failed
from sandbox.apis.storage.object_store import is_empty, settle
from sandbox.apis.storage.soft_delete import forget_soft_deleted
from sandbox.core.dispatch import require
from sandbox.core.documents import Json, timestamp
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route

# As recorded in terraform-google-modules/terraform-example-foundation#716.
NAME_TAKEN = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
    "Please select a different name and try again."
)
# As recorded in substratusai/runbooks#31.
NAME_OURS = "Your previous request to create the named bucket succeeded and you already own it."
LIST_SIZE = 1000


async def insert(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/insert."""
    body = await call.body()
    name = str(body.get("name", ""))
    check_project(call, _project(call))
    if call.query.get("enableObjectRetention", "").lower() == "true":
        raise not_emulated("the retention of single objects")
    if not is_name(name):
        raise invalid_name(name)
    if "." in name:
        raise _foreign_domain(name)
    if is_elsewhere(call.world.store, "buckets", name):
        raise classic(409, NAME_TAKEN, "conflict")
    if call.world.store.has(BUCKETS, name):
        raise classic(409, NAME_OURS, "conflict")
    now = dt.datetime.now(dt.UTC)
    bucket = changed(defaults(name, call.world.settings.project_number, now), body, now)
    bucket["etag"] = bucket_etag("1")
    refuse_lists(call, bucket, body, WRITE_BUCKET)
    call.world.store.put(BUCKETS, name, bucket)
    policy = policies.initial_bucket_policy(call.world.settings)
    call.world.store.put(policies.POLICIES, policies.bucket_key(name), policy)
    return _resource(call, bucket, "noAcl")


async def get(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/get."""
    _refuse_soft_deleted(call)
    bucket = find_bucket(call)
    check_preconditions(call.query, bucket)
    return _resource(call, bucket, "noAcl")


async def list_(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/list."""
    check_project(call, _project(call))
    _refuse_soft_deleted(call)
    prefix = call.query.get("prefix", "")
    found = sorted(call.world.store.items(BUCKETS, prefix))
    size, start = min(call.page_size("maxResults", LIST_SIZE), LIST_SIZE), _start(call)
    answer: Json = {"kind": "storage#buckets"}
    if page := found[start : start + size]:
        answer["items"] = [_resource(call, bucket, "noAcl") for _, bucket in page]
    if start + size < len(found):
        answer["nextPageToken"] = str(start + size)
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/patch: its answer bears access control lists."""
    bucket, body = find_bucket(call), await call.body()
    check_preconditions(call.query, bucket)
    return _change(call, bucket, bucket, body)


async def update(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/update: what is left out is reset."""
    bucket, body = find_bucket(call), await call.body()
    check_preconditions(call.query, bucket)
    return _change(call, bucket, reset(bucket, dt.datetime.now(dt.UTC)), body)


async def delete(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/delete: an empty bucket only; answers 204."""
    bucket, store = find_bucket(call), call.world.store
    check_preconditions(call.query, bucket)
    if not is_empty(store, bucket["name"]):
        # As recorded in kestra-io/plugin-gcp#321.
        raise classic(409, "The bucket you tried to delete is not empty.", "conflict")
    store.delete(BUCKETS, bucket["name"])
    store.delete(policies.POLICIES, policies.bucket_key(bucket["name"]))
    settle(store, forget_soft_deleted(call.world, bucket["name"]))
    return web.Response(status=web.HTTPNoContent.status_code)


async def lock_retention_policy(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/lockRetentionPolicy: it cannot be undone."""
    bucket = find_bucket(call)
    if not call.query.get("ifMetagenerationMatch"):
        # This and the next, and their order, as measured: https://github.com/kmoneil/zig-gcp (fake_buckets.zig).
        raise classic(400, "Required parameter: ifMetagenerationMatch", "required")
    policy = bucket.get("retentionPolicy")
    if not policy or policy.get("isLocked"):
        # https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig)
        message = f"Bucket '{bucket['name']}' does not have an unlocked retention policy."
        raise classic(400, message, "invalid")
    if call.query["ifMetagenerationMatch"] != bucket["metageneration"]:
        raise failed()
    return _resource(call, touch(call, bucket | {"retentionPolicy": policy | {"isLocked": True}}), "noAcl")


async def get_storage_layout(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/getStorageLayout (gcloud storage asks it)."""
    bucket = find_bucket(call)
    answer = {"kind": "storage#storageLayout", "bucket": bucket["name"], "hierarchicalNamespace": {"enabled": False}}
    return answer | {"location": bucket["location"], "locationType": bucket["locationType"]}


def touch(call: Call, bucket: Json) -> Json:
    """Store a changed bucket with its next metageneration."""
    bucket["metageneration"] = str(int(bucket["metageneration"]) + 1)
    bucket |= {"updated": timestamp(), "etag": bucket_etag(bucket["metageneration"])}
    call.world.store.put(BUCKETS, bucket["name"], bucket)
    return bucket


def _change(call: Call, before: Json, base: Json, body: Json) -> Json:
    refuse_lists(call, before, body, WRITE_BUCKET)
    # Measured: an empty patch leaves even the metageneration alone (https://github.com/kmoneil/zig-gcp).
    if not body and call.request.method == "PATCH":
        return _resource(call, before, "full")
    after = changed(base, body, dt.datetime.now(dt.UTC))
    for field in IMMUTABLE:
        if after.get(field) != before.get(field):
            # Wording ours.
            raise classic(400, f"The bucket's {field} cannot be changed.", "invalid")
    if _prevention(after) != _prevention(before):
        require(call, "storage.buckets.setIamPolicy")
    return _resource(call, touch(call, after), "full")


def _prevention(bucket: Json) -> str:
    return str(bucket["iamConfiguration"]["publicAccessPrevention"])


def _project(call: Call) -> str:
    if not call.query.get("project"):
        # https://cloud.google.com/storage/docs/json_api/v1/status-codes#required
        raise classic(400, "Required parameter: project", "required")
    return call.query["project"]


def _start(call: Call) -> int:
    token = call.query.get("pageToken") or "0"
    if not token.isdecimal():
        # Wording ours.
        raise classic(400, "Invalid page token.", "invalid")
    return int(token)


def _refuse_soft_deleted(call: Call) -> None:
    if call.query.get("softDeleted", "").lower() == "true":
        raise not_emulated("soft-deleted buckets: a deleted bucket is gone")


def _foreign_domain(name: str) -> ApiError:
    """A name with dots is its domain owner's: https://cloud.google.com/storage/docs/domain-name-verification.

    The text is as Terraform and Pulumi users quote it.
    """
    message = (
        f"Another user owns the domain {name} or a parent domain. You can either verify domain ownership at "
        f"https://search.google.com/search-console/welcome?new_domain_name={name} or find the current owner and ask "
        "that person to create the bucket for you"
    )
    return classic(403, message, "forbidden")


def _resource(call: Call, bucket: Json, projection: str) -> Json:
    lists = bucket_lists(call.origin, bucket) if shows_acl(call, bucket, projection) else {}
    return bucket | {"selfLink": f"{call.origin}/storage/v1/b/{bucket['name']}"} | lists


COLLECTION = "/storage/v1/b"
ROUTES = [
    Route("POST", COLLECTION, insert, API, "storage.buckets.create"),
    Route("GET", COLLECTION, list_, API, "storage.buckets.list"),
    Route("GET", BUCKET_PATH, get, API, "storage.buckets.get"),
    Route("PATCH", BUCKET_PATH, patch, API, "storage.buckets.update"),
    Route("PUT", BUCKET_PATH, update, API, "storage.buckets.update"),
    Route("DELETE", BUCKET_PATH, delete, API, "storage.buckets.delete"),
    Route("POST", f"{BUCKET_PATH}/lockRetentionPolicy", lock_retention_policy, API, "storage.buckets.update"),
    Route("GET", f"{BUCKET_PATH}/storageLayout", get_storage_layout, API, "storage.objects.list"),
]
