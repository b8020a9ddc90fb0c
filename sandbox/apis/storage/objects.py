"""objects: get (metadata and media), list, patch, delete, copy, rewrite."""

import base64
import binascii
import shutil
from bisect import bisect_right

from aiohttp import web

from sandbox.apis.storage import API, BUCKET_PATH, OBJECTS, check_preconditions, find_bucket
from sandbox.apis.storage.content import (
    WRITABLE,
    content_of,
    new_file,
    object_key,
    object_resource,
    send,
    store_object,
)
from sandbox.core.dispatch import holds, require
from sandbox.core.documents import Json, merge, timestamp
from sandbox.core.errors import classic
from sandbox.core.routing import Answer, Call, Denial, Route

LIST_SIZE = 1000
LIST_PREFIX = "storage.googleapis.com/objectListPrefix"


async def get(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/get (alt=media: the bytes, with Range)."""
    document = _find(call)
    check_preconditions(call.query, document)
    return await send(call, document) if call.query.get("alt") == "media" else object_resource(call, document)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/list (prefix, delimiter, offsets, pages)."""
    require(call, "storage.objects.list", {LIST_PREFIX: call.query.get("prefix", "")})
    bucket = find_bucket(call)["name"]
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    names = [key.partition("/")[2] for key in call.world.store.keys(OBJECTS, object_key(bucket, prefix))]
    low, high = call.query.get("startOffset", ""), call.query.get("endOffset")
    names = sorted(name for name in names if name >= low and (not high or name < high))
    entries = list(dict.fromkeys(_entry(name, prefix, delimiter) for name in names))
    start = bisect_right([name for name, _ in entries], _decode_token(call.query.get("pageToken")))
    size = min(call.page_size("maxResults", LIST_SIZE), LIST_SIZE)
    page = entries[start : start + size]
    documents = [call.world.store.get(OBJECTS, object_key(bucket, name)) for name, is_prefix in page if not is_prefix]
    answer: Json = {"kind": "storage#objects"}
    answer |= {"items": [object_resource(call, document) for document in documents if document]} if documents else {}
    if prefixes := [name for name, is_prefix in page if is_prefix]:
        answer["prefixes"] = prefixes
    if start + size < len(entries):
        answer["nextPageToken"] = base64.urlsafe_b64encode(page[-1][0].encode()).decode()
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/patch."""
    document, body = _find(call), await call.body()
    check_preconditions(call.query, document)
    changed = merge(document, {name: body[name] for name in WRITABLE if name in body})
    changed |= {"metageneration": str(int(document["metageneration"]) + 1), "updated": timestamp()}
    call.world.store.put(OBJECTS, object_key(document["bucket"], document["name"]), changed)
    return object_resource(call, changed)


async def delete(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/delete: answers 204."""
    document, store = _find(call), call.world.store
    check_preconditions(call.query, document)
    store.delete(OBJECTS, object_key(document["bucket"], document["name"]))
    store.commit()
    content_of(call, document).unlink(missing_ok=True)
    return web.Response(status=204)


async def copy(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/copy."""
    return await _copy(call)


async def rewrite(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite: done in one call whatever the size."""
    resource = await _copy(call)
    size = resource["size"]
    answer = {"kind": "storage#rewriteResponse", "totalBytesRewritten": size, "objectSize": size}
    return answer | {"done": True, "resource": resource}


async def _copy(call: Call) -> Json:
    source, bucket = _find(call), call.params["destination_bucket"]
    find_bucket(call, bucket)
    require(call, "storage.objects.create", bucket=bucket, object=call.params["destination_object"])
    given = {name: source[name] for name in WRITABLE if name in source}
    given |= await call.body() | {"name": call.params["destination_object"]}
    file = new_file(call)
    shutil.copyfile(content_of(call, source), file)
    return await store_object(call, bucket, given, file, call.query)


def _find(call: Call) -> Json:
    """The object in the path, or 404; who may not list is not told whether it exists."""
    find_bucket(call)
    bucket, name = call.params["bucket"], call.params["object"]
    document = call.world.store.get(OBJECTS, object_key(bucket, name))
    wanted = call.query.get("generation")
    if document is None or wanted not in (None, document["generation"]):
        if not holds(call, "storage.objects.list"):
            raise API.denied(Denial(call.principal, "storage.objects.list", call.params, call.request.path))
        raise classic(404, f"No such object: {bucket}/{name}", "notFound")
    return document


def _entry(name: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    """What a listing shows for an object: itself, or the prefix that the delimiter folds it into."""
    rest = name[len(prefix) :]
    if delimiter and delimiter in rest:
        return prefix + rest.partition(delimiter)[0] + delimiter, True
    return name, False


def _decode_token(token: str | None) -> str:
    try:
        return base64.urlsafe_b64decode(token or "").decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise classic(400, "Invalid page token.", "invalid") from error


ONE = f"{BUCKET_PATH}/o/{{object+}}"
DESTINATION = "b/{destination_bucket}/o/{destination_object+}"
ROUTES = [
    Route("GET", f"{BUCKET_PATH}/o", list_, API, "storage.objects.list", late=True),
    Route("GET", ONE, get, API, "storage.objects.get"),
    Route("GET", f"/download{ONE}", get, API, "storage.objects.get"),
    Route("PATCH", ONE, patch, API, "storage.objects.update"),
    Route("DELETE", ONE, delete, API, "storage.objects.delete"),
    Route("POST", f"{ONE}/copyTo/{DESTINATION}", copy, API, "storage.objects.get"),
    Route("POST", f"{ONE}/rewriteTo/{DESTINATION}", rewrite, API, "storage.objects.get"),
]
