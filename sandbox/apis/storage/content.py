"""Objects' bytes: files in the state directory, streamed both ways, so that a big artifact is never held in memory."""

import asyncio
import base64
import hashlib
import re
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from sandbox.apis.storage import OBJECTS, check_preconditions
from sandbox.core import checksums
from sandbox.core.dispatch import require
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import classic
from sandbox.core.routing import Call

BLOCK = 1 << 20
# What a client may say about an object at upload or later.
WRITABLE = [
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "eventBasedHold",
    "metadata",
    "retention",
    "storageClass",
    "temporaryHold",
]


@dataclass(frozen=True)
class Digest:
    """Size and checksums of a file, as the object resource prints them."""

    size: str
    crc32c: str
    md5: str


def object_key(bucket: str, name: str) -> str:
    """Under which name an object is stored."""
    return f"{bucket}/{name}"


def new_file(call: Call) -> Path:
    """A file to receive an upload into."""
    folder = call.world.settings.state / "uploads"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / secrets.token_hex(16)


async def receive(blocks: AsyncIterator[bytes], file: Path, offset: int = 0) -> None:
    """Append a body to the file, from `offset` on."""
    with file.open("r+b" if file.exists() else "wb") as target:
        target.truncate(offset)
        target.seek(offset)
        async for block in blocks:
            target.write(block)


async def store_object(call: Call, bucket: str, given: Json, file: Path, query: dict[str, str]) -> Json:
    """Make the received file an object: checksums, preconditions, overwrite permission, swap. Returns the resource."""
    try:
        digest = await asyncio.to_thread(_digest, file)
        _check_claims(given, digest)
        previous = call.world.store.get(OBJECTS, object_key(bucket, given["name"]))
        check_preconditions(query, previous)
        if previous:
            require(call, "storage.objects.delete", bucket=bucket, object=given["name"])
    except Exception:
        file.unlink(missing_ok=True)
        raise
    document = _new_object(bucket, given, digest)
    target = call.world.settings.state / "objects" / document["file"]
    target.parent.mkdir(mode=0o700, exist_ok=True)
    file.rename(target)
    call.world.store.put(OBJECTS, object_key(bucket, given["name"]), document)
    if previous:
        # Only once nothing refers to it: a kill in between leaves a stray file, never an object without one.
        call.world.store.commit()
        content_of(call, previous).unlink(missing_ok=True)
    return object_resource(call, document)


def content_of(call: Call, document: Json) -> Path:
    """Where an object's bytes are."""
    return call.world.settings.state / "objects" / str(document["file"])


def object_resource(call: Call, document: Json) -> Json:
    """The storage#object resource."""
    path = f"/storage/v1/b/{document['bucket']}/o/{quote(document['name'], safe='')}"
    public = {name: value for name, value in document.items() if name != "file"}
    return public | {
        "selfLink": f"{call.origin}{path}",
        "mediaLink": f"{call.origin}/download{path}?generation={document['generation']}&alt=media",
    }


async def send(call: Call, document: Json) -> web.StreamResponse:
    """The object's bytes, or the range that was asked for."""
    size = int(document["size"])
    headers = {
        "Content-Type": document["contentType"],
        "ETag": document["etag"],
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": document["generation"],
        "X-Goog-Metageneration": document["metageneration"],
        "X-Goog-Hash": f"crc32c={document['crc32c']},md5={document['md5Hash']}",
        "X-Goog-Storage-Class": document["storageClass"],
        "X-Goog-Stored-Content-Length": document["size"],
        "X-Goog-Stored-Content-Encoding": document.get("contentEncoding", "identity"),
    }
    if encoding := document.get("contentEncoding"):
        headers["Content-Encoding"] = encoding
    status, first, last = _range(call.request.headers.get("Range", ""), size)
    if status == web.HTTPPartialContent.status_code:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = last - first + 1
    with content_of(call, document).open("rb") as file:
        await response.prepare(call.request)
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(BLOCK, left))):
            await response.write(block)
            left -= len(block)
    await response.write_eof()
    return response


def _range(header: str, size: int) -> tuple[int, int, int]:
    """(status, first, last) for a Range header; anything but one range of bytes is ignored, as HTTP allows."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not found or found[1] == found[2] == "":
        return 200, 0, size - 1
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        raise classic(416, "The requested range cannot be satisfied.", "requestedRangeNotSatisfiable")
    return 206, first, last


def _digest(file: Path) -> Digest:
    crc32c, md5 = checksums.running(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            crc32c.update(block)
            md5.update(block)
    return Digest(
        str(file.stat().st_size),
        base64.b64encode(crc32c.digest()).decode(),
        base64.b64encode(md5.digest()).decode(),
    )


def _check_claims(given: Json, digest: Digest) -> None:
    """Checksums that the client sent must be those of what arrived."""
    for field, actual in (("crc32c", digest.crc32c), ("md5Hash", digest.md5)):
        if given.get(field) not in (None, actual):
            message = f'Provided {field} hash "{given[field]}" doesn\'t match calculated {field} hash "{actual}".'
            raise classic(400, message, "invalid")


def _new_object(bucket: str, given: Json, digest: Digest) -> Json:
    generation, now = str(time.time_ns() // 1000), timestamp()
    return {
        "kind": "storage#object",
        "id": f"{bucket}/{given['name']}/{generation}",
        "name": given["name"],
        "bucket": bucket,
        "generation": generation,
        "metageneration": "1",
        "contentType": "application/octet-stream",
        "storageClass": "STANDARD",
        **{name: given[name] for name in WRITABLE if given.get(name)},
        "size": digest.size,
        "crc32c": digest.crc32c,
        "md5Hash": digest.md5,
        "etag": base64.b64encode(generation.encode()).decode(),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
        "file": f"{generation}-{secrets.token_hex(8)}",
    }
