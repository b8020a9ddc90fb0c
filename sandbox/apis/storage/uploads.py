"""objects.insert: media, multipart and resumable uploads: https://cloud.google.com/storage/docs/uploads-downloads."""

import asyncio
import re
import secrets
from pathlib import Path

from aiohttp import web

from sandbox.apis.storage import API, OBJECTS, check_preconditions, find_bucket
from sandbox.apis.storage.content import BLOCK, new_file, object_key, receive, store_object
from sandbox.apis.storage.multipart import split_multipart
from sandbox.core.dispatch import require
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route

UPLOADS = "uploads"
RESUME_INCOMPLETE = 308
CANCELLED = 499
PERMISSION = "storage.objects.create"


async def insert(call: Call) -> Answer:
    """Start an upload of the kind that ?uploadType= names; all but resumable ones are complete with this request."""
    kind = call.query.get("uploadType")
    if kind == "resumable":
        return await _start_resumable(call)
    if kind not in ("media", "multipart"):
        raise classic(400, f"Invalid upload type: {kind}", "invalid")
    file = new_file(call)
    try:
        given = await (_receive_media(call, file) if kind == "media" else _receive_multipart(call, file))
        _check(call, given)
    except BaseException:
        file.unlink(missing_ok=True)
        raise
    return await store_object(call, call.params["bucket"], given, file, call.query)


async def resume(call: Call) -> Answer:
    """PUT of a chunk (or of a question: Content-Range: bytes */N) of a resumable upload: 308 until it is complete."""
    upload_id = call.query.get("upload_id", "")
    upload = call.world.store.get(UPLOADS, upload_id)
    if upload is None:
        raise classic(404, "The upload session was not found or has expired.", "notFound")
    require(call, PERMISSION, bucket=upload["bucket"], object=upload["given"]["name"])
    file = call.world.settings.state / "uploads" / upload["file"]
    total = await _receive_chunk(call, file)
    received = file.stat().st_size
    if total is None or received < total:
        headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
        return web.Response(status=RESUME_INCOMPLETE, headers=headers | {"X-GUploader-UploadID": upload_id})
    given = upload["given"] | _claimed_hash(call)
    try:
        return await store_object(call, upload["bucket"], given, file, upload["query"])
    finally:
        call.world.store.delete(UPLOADS, upload_id)


async def cancel(call: Call) -> Answer:
    """DELETE of an upload session."""
    upload = call.world.store.get(UPLOADS, call.query.get("upload_id", ""))
    if upload is None:
        raise classic(404, "The upload session was not found or has expired.", "notFound")
    require(call, PERMISSION, bucket=upload["bucket"], object=upload["given"]["name"])
    call.world.store.delete(UPLOADS, call.query["upload_id"])
    (call.world.settings.state / "uploads" / upload["file"]).unlink(missing_ok=True)
    return web.Response(status=CANCELLED)


def _check(call: Call, given: Json) -> None:
    """Permission first, then the bucket: who may not create the object is not told whether there is one."""
    require(call, PERMISSION, object=given["name"])
    find_bucket(call)


async def _start_resumable(call: Call) -> Answer:
    given = _named(call, await call.body())
    _check(call, given)
    if content_type := call.request.headers.get("X-Upload-Content-Type"):
        given.setdefault("contentType", content_type)
    bucket = call.params["bucket"]
    check_preconditions(call.query, call.world.store.get(OBJECTS, object_key(bucket, given["name"])))
    file = new_file(call)
    file.touch(mode=0o600)
    upload_id = secrets.token_urlsafe(48)
    upload = {"bucket": bucket, "given": given, "query": call.query, "file": file.name}
    call.world.store.put(UPLOADS, upload_id, upload)
    location = f"{call.origin}{call.request.path}?uploadType=resumable&upload_id={upload_id}"
    return web.Response(headers={"Location": location, "X-GUploader-UploadID": upload_id})


async def _receive_chunk(call: Call, file: Path) -> int | None:
    """Take what the request carries; returns the whole upload's size where the client knows it by now."""
    header = call.request.headers.get("Content-Range", "bytes 0-*/*" if call.request.body_exists else "bytes */*")
    found = re.fullmatch(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)", header)
    if not found:
        raise classic(400, f"Failed to parse Content-Range header: {header!r}", "badRequest")
    # A kill between the swap and its answer left the session without its file.
    file.touch(mode=0o600)
    received = file.stat().st_size
    if found[1] is not None:
        start = int(found[1])
        if start > received:
            raise classic(400, f"The chunk starts at {start}, but {received} bytes have arrived.", "badRequest")
        await receive(call.request.content.iter_chunked(BLOCK), file, start)
    if found[2] == "*":
        return file.stat().st_size
    return None if found[3] == "*" else int(found[3])


async def _receive_media(call: Call, file: Path) -> Json:
    await receive(call.request.content.iter_chunked(BLOCK), file)
    return _named(call, {"contentType": call.request.headers.get("Content-Type")}) | _claimed_hash(call)


async def _receive_multipart(call: Call, file: Path) -> Json:
    """multipart/related: the resource as JSON, then the bytes."""
    raw = new_file(call)
    try:
        await receive(call.request.content.iter_chunked(BLOCK), raw)
        given, content_type = await asyncio.to_thread(split_multipart, call.request.headers["Content-Type"], raw, file)
    except (ValueError, KeyError) as error:
        raise _bad_multipart() from error
    finally:
        raw.unlink(missing_ok=True)
    if content_type:
        given.setdefault("contentType", content_type)
    return _named(call, given)


def _bad_multipart() -> ApiError:
    return classic(400, "Malformed multipart body: expected a JSON part and a media part.", "badRequest")


def _named(call: Call, given: Json) -> Json:
    name = given.get("name") or call.query.get("name")
    if not name:
        raise classic(400, "Required object name is missing.", "required")
    return given | {"name": name}


def _claimed_hash(call: Call) -> Json:
    """X-Goog-Hash: crc32c=...,md5=... of the whole object."""
    pairs = [pair.strip().partition("=") for pair in call.request.headers.get("X-Goog-Hash", "").split(",")]
    fields = {"crc32c": "crc32c", "md5": "md5Hash"}
    return {fields[name]: value for name, _, value in pairs if name in fields}


PATHS = ("/upload/storage/v1/b/{bucket}/o", "/resumable/upload/storage/v1/b/{bucket}/o")
ROUTES = [
    *(Route("POST", path, insert, API, PERMISSION, late=True) for path in PATHS),
    *(Route("PUT", path, resume, API, PERMISSION, late=True) for path in PATHS),
    *(Route("DELETE", path, cancel, API, PERMISSION, late=True) for path in PATHS),
]
