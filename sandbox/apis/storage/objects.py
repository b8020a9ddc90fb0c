"""objects: get (metadata and media), patch, update, delete."""

import datetime as dt
import re

from aiohttp import web

from sandbox.apis.storage import API, BUCKET_PATH, find_bucket, not_emulated, shows_acl
from sandbox.apis.storage.access_controls import CHANGE_OBJECT, object_lists, refuse_lists
from sandbox.apis.storage.downloads import as_text, send
from sandbox.apis.storage.etags import check_etags, check_preconditions
from sandbox.apis.storage.object_store import WRITABLE, change, find_object, object_resource, remove
from sandbox.apis.storage.soft_delete import find_soft_deleted, is_asked_for
from sandbox.core.dispatch import require
from sandbox.core.documents import Json, merge, timestamp
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route

# What a PUT does not reset.
FIXED = ("storageClass", "temporaryHold", "eventBasedHold", "customTime")
LONGEST_NAME = 1024


async def get(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/get (alt=media: the bytes, with Range)."""
    if call.query.get("alt") != "media":
        return resource(call, _readable(call), "noAcl")
    try:
        document = _readable(call)
        if is_asked_for(call):
            # Wording ours.
            raise classic(400, "The bytes of a soft-deleted object cannot be read: restore it first.", "invalid")
        return await send(call, document)
    except ApiError as error:
        return as_text(error)


async def patch(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/patch."""
    document, given = await _to_change(call)
    return _changed(call, document, merge(document, given))


async def update(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/update: what is left out is cleared."""
    document, given = await _to_change(call)
    kept = {name: value for name, value in document.items() if name not in WRITABLE or name in FIXED}
    return _changed(call, document, merge(kept, given))


async def delete(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/delete: answers 204."""
    document = find_object(call)
    check_preconditions(call.query, document)
    remove(call, find_bucket(call), document, for_good="generation" in call.query)
    return web.Response(status=web.HTTPNoContent.status_code)


def resource(call: Call, document: Json, projection: str) -> Json:
    """The object as this call may see it."""
    bucket = find_bucket(call, document["bucket"])
    answer = object_resource(call, bucket, document)
    if shows_acl(call, bucket, projection):
        answer |= object_lists(call.origin, bucket, document, document["etag"])
    return answer


def check_name(name: str) -> str:
    """A name that an object may have: https://cloud.google.com/storage/docs/objects#naming."""
    if re.search(r"[\r\n]", name):
        # As s5cmd's users quote it of Google: https://cloud.google.com/storage/docs/objects#naming.
        raise classic(400, "Disallowed unicode characters present in object name", "invalid")
    if len(name.encode()) > LONGEST_NAME or name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        # Wording ours.
        raise classic(400, f"Invalid object name: '{name}'", "invalid")
    return name


def check_metadata(given: Json) -> Json:
    """What a client says about an object; what has no counterpart here is refused."""
    if given.get("retention"):
        raise not_emulated("the retention of single objects")
    if given.get("kmsKeyName") or given.get("customerEncryption"):
        raise not_emulated("Cloud KMS keys")
    if given.get("customTime") is not None:
        given = given | {"customTime": _instant(given["customTime"])}
    metadata = given.get("metadata")
    if metadata and not all(value is None or isinstance(value, str) for value in metadata.values()):
        # Wording ours.
        raise classic(400, "Invalid value for: metadata: values are strings", "invalid")
    return given


def _readable(call: Call) -> Json:
    require(call, "storage.objects.get")
    document = find_soft_deleted(call) if is_asked_for(call) else find_object(call)
    check_preconditions(call.query, document)
    check_etags(call, document["etag"])
    return document


async def _to_change(call: Call) -> tuple[Json, Json]:
    body = check_metadata(await call.body())
    document = find_object(call)
    check_preconditions(call.query, document)
    refuse_lists(call, find_bucket(call), body, CHANGE_OBJECT)
    return document, {name: body[name] for name in WRITABLE if name in body and name != "storageClass"}


def _changed(call: Call, before: Json, after: Json) -> Json:
    if before.get("customTime") and after.get("customTime", "") < before["customTime"]:
        # Wording ours; the rule: https://cloud.google.com/storage/docs/metadata#custom-time.
        raise classic(400, "Custom time cannot be unset or set to an earlier time.", "invalid")
    if before.get("eventBasedHold") and not after.get("eventBasedHold"):
        # The policy's period starts over.
        after["retainedFrom"] = timestamp()
    if after.get("metadata") == {}:
        del after["metadata"]
    return resource(call, change(call, after), "full")


def _instant(given: str) -> str:
    try:
        return timestamp(dt.datetime.fromisoformat(given))
    except (TypeError, ValueError) as error:
        # Wording ours.
        raise classic(400, f"Invalid value for: customTime: {given!r} is not in RFC 3339", "invalid") from error


ONE = f"{BUCKET_PATH}/o/{{object+}}"
ROUTES = [
    Route("GET", ONE, get, API, "storage.objects.get", late=True),
    Route("GET", f"/download{ONE}", get, API, "storage.objects.get", late=True),
    Route("PATCH", ONE, patch, API, "storage.objects.update"),
    Route("PUT", ONE, update, API, "storage.objects.update"),
    Route("DELETE", ONE, delete, API, "storage.objects.delete"),
]
