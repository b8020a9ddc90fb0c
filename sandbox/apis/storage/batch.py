"""POST /batch/storage/v1: up to a hundred calls in one request: https://cloud.google.com/storage/docs/batch.

Each is answered behind the same door as if it had come alone: caller, permission, faults, recorder. Uploads and
downloads are refused, as at Google.
"""

import secrets
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from urllib.parse import urlsplit

from aiohttp import StreamReader, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from sandbox.core.dispatch import answer_carried
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Answer, Call, Route

MOST_CALLS = 100
METHODS = ("GET", "POST", "PATCH", "PUT", "DELETE")
# Of the outer request, for those that do not bring their own.
INHERITED = ("Authorization", "Host", "X-Goog-User-Project")


async def batch(call: Call) -> Answer:
    """https://cloud.google.com/storage/docs/batch."""
    parts = _parts(call.request.headers.get("Content-Type", ""), await call.request.read())
    if not 0 < len(parts) <= MOST_CALLS:
        # Wording ours.
        raise classic(400, f"A batch holds 1 to {MOST_CALLS} calls, not {len(parts)}.", "invalid")
    boundary = f"batch_{secrets.token_urlsafe(16)}"
    answers = [await _answered(call, part) for part in parts]
    lines = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), answer) for answer in answers)
    body = lines + b"--%s--\r\n" % boundary.encode()
    return web.Response(body=body, headers={"Content-Type": f"multipart/mixed; boundary={boundary}"})


def _parts(content_type: str, body: bytes) -> list[Message]:
    whole = BytesParser().parsebytes(b"Content-Type: %s\r\n\r\n%s" % (content_type.encode(), body))
    if not whole.is_multipart():
        # Wording ours.
        raise classic(400, "Failed to parse batch request: multipart/mixed is expected.", "badRequest")
    return [part for part in whole.get_payload() if isinstance(part, Message)]


async def _answered(call: Call, part: Message) -> bytes:
    """One part's answer, as a part."""
    head = [b"Content-Type: application/http"]
    if content_id := part.get("Content-ID"):
        head.append(f"Content-ID: <response-{content_id.strip('<>')}>".encode())
    try:
        response = await answer_carried(call, _inner(call, part))
    except ApiError as error:
        response = web.json_response(error.body, status=error.code)
    return b"\r\n".join([*head, b"", *_printed(response)])


def _inner(call: Call, part: Message) -> web.Request:
    """The call that a part holds: a request line, headers, perhaps a JSON body."""
    raw = part.get_payload(decode=True)
    line, _, rest = (raw if isinstance(raw, bytes) else b"").lstrip().partition(b"\n")
    method, _, target = line.decode("latin-1").strip().partition(" ")
    path = _path(target.partition(" ")[0])
    if method not in METHODS or not path.startswith("/storage/v1/") or "alt=media" in path:
        # Wording ours; the rule: https://cloud.google.com/storage/docs/batch#overview.
        raise classic(400, f"Not a call that a batch may hold: {line.decode('latin-1').strip()}", "badRequest")
    inner = BytesParser().parsebytes(rest)
    headers = CIMultiDict({name: value for name in INHERITED if (value := call.request.headers.get(name))})
    headers.update(dict(inner.items()))
    body = inner.get_payload(decode=True)
    return _request(call.request, method, path, headers, body if isinstance(body, bytes) else b"")


def _path(target: str) -> str:
    """Clients write the path, or the whole address."""
    parts = urlsplit(target)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _request(outer: web.Request, method: str, path: str, headers: CIMultiDict[str], body: bytes) -> web.Request:
    headers["Content-Length"] = str(len(body))
    raw = tuple((name.encode(), value.encode()) for name, value in headers.items())
    proxy, url = CIMultiDictProxy(headers), URL(path, encoded=True)
    message = RawRequestMessage(method, path, HttpVersion11, proxy, raw, False, None, False, False, url)
    payload = StreamReader(outer.protocol, limit=1 << 16, loop=outer.loop)
    payload.feed_data(body)
    payload.feed_eof()
    return web.Request(message, payload, outer.protocol, outer.writer, outer.task, outer.loop)


def _printed(response: web.StreamResponse) -> Iterator[bytes]:
    body = response.body if isinstance(response, web.Response) and isinstance(response.body, bytes) else b""
    yield f"HTTP/1.1 {response.status} {response.reason}".encode()
    if body:
        yield f"Content-Type: {response.headers['Content-Type']}".encode()
    yield f"Content-Length: {len(body)}".encode()
    yield b""
    yield body


ROUTES = [Route("POST", "/batch/storage/v1", batch, mutating=False)]
