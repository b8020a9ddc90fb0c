"""Objects' bytes on their way out: whole or a range, streamed from disk, decompressed for who does not take gzip."""

import re
import zlib

from aiohttp import web

from sandbox.apis.storage.digests import BLOCK
from sandbox.apis.storage.object_store import content_of
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call

GZIP_WINDOW = zlib.MAX_WBITS | 16
PARTIAL = web.HTTPPartialContent.status_code


def as_text(error: ApiError) -> web.Response:
    """An error of a download is plain text, as recorded in firebase/firebase-tools#3647."""
    return web.Response(status=error.code, text=str(error), content_type="text/html")


async def send(call: Call, document: Json) -> web.StreamResponse:
    """The object's bytes, or the range that was asked for."""
    if _is_transcoded(call, document):
        return await _send_decompressed(call, document)
    size = int(document["size"])
    status, first, last = _range(call.request.headers.get("Range", ""), size)
    headers = _headers(document)
    if encoding := document.get("contentEncoding"):
        headers["Content-Encoding"] = encoding
    if status == PARTIAL:
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = last - first + 1
    with content_of(call.world, document).open("rb") as file:
        await response.prepare(call.request)
        file.seek(first)
        left = last - first + 1
        while left > 0 and (block := file.read(min(BLOCK, left))):
            await response.write(block)
            left -= len(block)
    await response.write_eof()
    return response


async def _send_decompressed(call: Call, document: Json) -> web.StreamResponse:
    """Decompressive transcoding, whole whatever the range: https://cloud.google.com/storage/docs/transcoding."""
    response = web.StreamResponse(headers=_headers(document) | {"Warning": "214 UploadServer gunzipped"})
    inflate = zlib.decompressobj(GZIP_WINDOW)
    with content_of(call.world, document).open("rb") as file:
        await response.prepare(call.request)
        while block := file.read(BLOCK):
            await response.write(inflate.decompress(block))
    await response.write(inflate.flush())
    await response.write_eof()
    return response


def _is_transcoded(call: Call, document: Json) -> bool:
    accepts_gzip = "gzip" in call.request.headers.get("Accept-Encoding", "")
    is_fixed = "no-transform" in document.get("cacheControl", "")
    return document.get("contentEncoding") == "gzip" and not accepts_gzip and not is_fixed


def _headers(document: Json) -> dict[str, str]:
    hashes = {"crc32c": document["crc32c"], "md5": document.get("md5Hash")}
    optional = {"Cache-Control": "cacheControl", "Content-Language": "contentLanguage"}
    optional |= {"Content-Disposition": "contentDisposition"}
    return {
        "Content-Type": document.get("contentType", "application/octet-stream"),
        "ETag": document["etag"],
        "Accept-Ranges": "bytes",
        "X-Goog-Generation": document["generation"],
        "X-Goog-Metageneration": document["metageneration"],
        "X-Goog-Hash": ",".join(f"{name}={value}" for name, value in hashes.items() if value),
        "X-Goog-Storage-Class": document["storageClass"],
        "X-Goog-Stored-Content-Length": document["size"],
        "X-Goog-Stored-Content-Encoding": document.get("contentEncoding", "identity"),
        **{header: document[field] for header, field in optional.items() if field in document},
    }


def _range(header: str, size: int) -> tuple[int, int, int]:
    """(status, first, last) for a Range header; anything but one range of bytes is ignored, as HTTP allows."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", header)
    if not found or found[1] == found[2] == "" or (found[1] and found[2] and int(found[1]) > int(found[2])):
        return 200, 0, size - 1
    first = int(found[1]) if found[1] else max(0, size - int(found[2]))
    last = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if first > last:
        # Wording ours: Google's is not known. That of the XML API is much the same.
        raise classic(416, "The requested range cannot be satisfied.", "requestedRangeNotSatisfiable")
    return PARTIAL, first, last
