"""objects.insert: media, multipart and resumable uploads: https://cloud.google.com/storage/docs/uploads-downloads.

What was answered as received is on disk: bytes are only ever added to a session's file, and the file goes once the
object that they make is committed, so a kill at any moment loses nothing that a client counts on.
"""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path
from weakref import WeakValueDictionary

from aiohttp import web

from sandbox.apis.storage import API, find_bucket
from sandbox.apis.storage.access_controls import WRITE_OBJECT, refuse_lists
from sandbox.apis.storage.bucket_settings import storage_class
from sandbox.apis.storage.digests import BLOCK, check_claims, digest_of
from sandbox.apis.storage.etags import check_preconditions
from sandbox.apis.storage.multipart import split_multipart
from sandbox.apis.storage.object_store import OBJECTS, Arrival, find_generation, object_key, place, settle
from sandbox.apis.storage.objects import check_metadata, check_name, resource
from sandbox.core.dispatch import require
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route
from sandbox.core.world import World

UPLOADS = "uploads"
RESUME_INCOMPLETE = 308
CANCELLED = 499
PERMISSION = "storage.objects.create"
# Chunks but the last are kept in units of this size, and a session for a week:
# https://cloud.google.com/storage/docs/resumable-uploads.
UNIT = 256 << 10
LIFETIME_SECONDS = 7 * 24 * 3600
CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+|\*)|\*)/(\d+|\*)")
# One request at a time for each session.
LOCKS: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()


async def insert(call: Call) -> Answer:
    """Start an upload of the kind that ?uploadType= names; all but resumable ones are complete with this request."""
    kind = call.query.get("uploadType")
    if kind == "resumable":
        return await _start_resumable(call)
    if kind not in ("media", "multipart"):
        # Wording ours.
        raise classic(400, f"Invalid upload type: {kind}", "invalid")
    file = new_file(call.world)
    try:
        given = await (_receive_media(call, file) if kind == "media" else _receive_multipart(call, file))
        return await _finish(call, Arrival(call.params["bucket"], given, file, call.query))
    finally:
        file.unlink(missing_ok=True)


async def resume(call: Call) -> Answer:
    """PUT of a chunk (or of a question: Content-Range: bytes */N) of a resumable upload: 308 until it is complete."""
    async with _lock(call):
        upload = _session(call)
        if upload.get("cancelled"):
            return web.Response(status=CANCELLED)
        if "generation" in upload:
            return _finished(call, upload)
        return await _receive(call, call.query["upload_id"], upload)


async def cancel(call: Call) -> Answer:
    """DELETE of an upload session: 499, and the same to everything after it (https://github.com/kmoneil/zig-gcp)."""
    async with _lock(call):
        upload = _session(call)
        if "generation" not in upload:
            call.world.store.put(UPLOADS, call.query["upload_id"], upload | {"cancelled": True})
            settle(call.world.store, [_file(call.world, upload)])
    return web.Response(status=CANCELLED)


def new_file(world: World) -> Path:
    """A file to receive an upload into."""
    folder = world.settings.state / "uploads"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / secrets.token_hex(16)


def _lock(call: Call) -> asyncio.Lock:
    return LOCKS.setdefault(call.query.get("upload_id", ""), asyncio.Lock())


def _session(call: Call) -> Json:
    upload_id = call.query.get("upload_id", "")
    upload = call.world.store.get(UPLOADS, upload_id)
    if upload is None:
        # Wording ours.
        raise classic(404, "The upload session was not found.", "notFound")
    # Its address alone lets in: https://cloud.google.com/storage/docs/resumable-uploads#session-uris.
    call.principal = call.principal or upload["principal"]
    require(call, PERMISSION, bucket=upload["bucket"], object=upload["given"]["name"])
    if _is_expired(upload):
        _forget(call.world, {upload_id: upload})
        # Wording ours; the status: https://cloud.google.com/storage/docs/json_api/v1/status-codes#410_Gone.
        raise classic(410, "The upload session has expired: start a new one.", "gone")
    return upload


async def _start_resumable(call: Call) -> Answer:
    announced = call.request.headers.get("X-Upload-Content-Type")
    given = _named(call, ({"contentType": announced} if announced else {}) | await call.body())
    bucket = _allowed(call, given)
    check_preconditions(call.query, call.world.store.get(OBJECTS, object_key(bucket["name"], given["name"])))
    _forget(call.world, {key: one for key, one in call.world.store.items(UPLOADS) if _is_expired(one)})
    file = new_file(call.world)
    file.touch(mode=0o600)
    upload_id = secrets.token_urlsafe(48)
    upload = {"bucket": bucket["name"], "given": given, "query": call.query, "file": file.name}
    upload |= {"principal": call.principal, "started": time.time()}
    call.world.store.put(UPLOADS, upload_id, upload)
    location = f"{call.origin}{call.request.path}?uploadType=resumable&upload_id={upload_id}"
    return web.Response(headers={"Location": location, "X-GUploader-UploadID": upload_id})


async def _receive(call: Call, upload_id: str, upload: Json) -> Answer:
    """Take what the request carries; answer how much is kept, or the object once all is here."""
    file = _file(call.world, upload)
    first, last, total = _content_range(call)
    if first is not None:
        await _append(call, file, first, last)
    received = file.stat().st_size
    total = received if last == "*" else total
    if total is not None and received > total:
        # Wording ours.
        raise classic(400, f"{received} bytes were received, more than the {total} of the upload.", "badRequest")
    if total is None or received < total:
        received = _keep_units(file)
        headers = {"Range": f"bytes=0-{received - 1}"} if received else {}
        return web.Response(status=RESUME_INCOMPLETE, headers=headers | {"X-GUploader-UploadID": upload_id})
    arrival = Arrival(upload["bucket"], upload["given"] | _claimed_hash(call), file, upload["query"])
    try:
        return await _finish(call, arrival, upload_id)
    except ApiError:
        _forget(call.world, {upload_id: upload})
        raise


async def _append(call: Call, file: Path, first: int, last: str | None) -> None:
    """Add the request's bytes; those that are here already are passed over."""
    received = file.stat().st_size
    if first > received:
        # Wording ours.
        raise classic(400, f"The chunk starts at {first}, but {received} bytes have arrived.", "badRequest")
    length = call.request.content_length
    if last and last.isdecimal() and length is not None and length != int(last) - first + 1:
        # Wording ours.
        raise classic(400, "The Content-Range does not fit the length of the body.", "badRequest")
    skip = received - first
    with file.open("ab") as target:
        async for block in call.request.content.iter_chunked(BLOCK):
            target.write(block[skip:])
            skip = max(0, skip - len(block))


def _content_range(call: Call) -> tuple[int | None, str | None, int | None]:
    """(first, last, total) of the Content-Range; without one, a body is the whole upload."""
    header = call.request.headers.get("Content-Range", "bytes 0-*/*" if call.request.body_exists else "bytes */*")
    found = CONTENT_RANGE.fullmatch(header)
    if not found:
        # Wording ours.
        raise classic(400, f"Failed to parse Content-Range header: {header!r}", "badRequest")
    total = None if found[3] == "*" else int(found[3])
    return (None if found[1] is None else int(found[1])), found[2], total


def _keep_units(file: Path) -> int:
    """Forget what goes beyond whole units of 256 KiB, as Google does until the last chunk; how much is left."""
    kept = file.stat().st_size // UNIT * UNIT
    with file.open("r+b") as target:
        target.truncate(kept)
    return kept


async def _finish(call: Call, arrival: Arrival, upload_id: str | None = None) -> Answer:
    """Make the received file an object, and remember in the session which."""
    digest = await asyncio.to_thread(digest_of, arrival.file)
    check_claims(arrival.given, digest)
    store = call.world.store
    stale = place(call, arrival, digest)
    document = store.get(OBJECTS, object_key(arrival.bucket, arrival.given["name"])) or {}
    if upload_id and (upload := store.get(UPLOADS, upload_id)):
        store.put(UPLOADS, upload_id, upload | {"generation": document["generation"]})
    settle(store, [*stale, arrival.file])
    return resource(call, document, "noAcl")


def _finished(call: Call, upload: Json) -> Answer:
    """A finished session goes on answering with its object, while that is there."""
    name = upload["given"]["name"]
    document = find_generation(call.world.store, upload["bucket"], name, upload["generation"])
    if document is None:
        # Wording ours.
        raise classic(404, "The object of this finished upload is gone.", "notFound")
    return resource(call, document, "noAcl")


def _is_expired(upload: Json) -> bool:
    return bool(upload["started"] < time.time() - LIFETIME_SECONDS)


def _forget(world: World, uploads: dict[str, Json]) -> None:
    for upload_id in uploads:
        world.store.delete(UPLOADS, upload_id)
    settle(world.store, [_file(world, upload) for upload in uploads.values()])


def _file(world: World, upload: Json) -> Path:
    return world.settings.state / "uploads" / str(upload["file"])


async def _receive_media(call: Call, file: Path) -> Json:
    said = {
        "contentType": call.request.headers.get("Content-Type"),
        "contentEncoding": call.query.get("contentEncoding"),
    }
    given = _named(call, {name: value for name, value in said.items() if value}) | _claimed_hash(call)
    _allowed(call, given)
    await _save(call.request.content.iter_chunked(BLOCK), file)
    return given


async def _receive_multipart(call: Call, file: Path) -> Json:
    """multipart/related: the resource as JSON, then the bytes."""
    raw = new_file(call.world)
    try:
        await _save(call.request.content.iter_chunked(BLOCK), raw)
        given, content_type = await asyncio.to_thread(split_multipart, call.request.headers["Content-Type"], raw, file)
    except (ValueError, KeyError) as error:
        # Wording ours.
        message = "Malformed multipart body: expected a JSON part and a media part."
        raise classic(400, message, "badRequest") from error
    finally:
        raw.unlink(missing_ok=True)
    given = _named(call, ({"contentType": content_type} if content_type else {}) | given)
    _allowed(call, given)
    return given


async def _save(blocks: AsyncIterator[bytes], file: Path) -> None:
    with file.open("wb") as target:
        async for block in blocks:
            target.write(block)


def _named(call: Call, given: Json) -> Json:
    name = given.get("name") or call.query.get("name")
    if not name:
        # https://cloud.google.com/storage/docs/json_api/v1/status-codes#required
        raise classic(400, "Required", "required")
    if given.get("storageClass"):
        given = given | {"storageClass": storage_class(given["storageClass"])}
    return {"contentType": "application/octet-stream"} | check_metadata(given) | {"name": check_name(name)}


def _allowed(call: Call, given: Json) -> Json:
    """The bucket, for who may create the object. Who may not is not told whether there is one."""
    require(call, PERMISSION, object=given["name"])
    bucket = find_bucket(call)
    refuse_lists(call, bucket, given, WRITE_OBJECT)
    return bucket


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
