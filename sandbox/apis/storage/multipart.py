"""multipart/related bodies of two parts, taken apart on disk: gcloud ends lines with LF, others with CRLF."""

import json
import mmap
import re
from email.message import Message
from email.parser import BytesHeaderParser
from pathlib import Path

from sandbox.core.documents import Json

BLOCK = 1 << 20
END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")


def split_multipart(content_type: str, raw: Path, media: Path) -> tuple[Json, str]:
    """Write the second part's bytes to `media`; returns the first part's JSON and the second's Content-Type.

    Raises ValueError when the body is not two parts, the first a JSON object.
    """
    header = Message()
    header["Content-Type"] = content_type
    # gcloud quotes the boundary with apostrophes, which MIME does not know as quotes.
    boundary = (header.get_boundary() or "").strip("'")
    if not boundary:
        raise ValueError("no boundary")
    delimiter = b"--" + boundary.encode()
    with raw.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        first = _after(body, delimiter, 0)
        second = _after(body, b"\n" + delimiter, first)
        closing = body.rfind(b"\n" + delimiter + b"--")
        if closing < second:
            raise ValueError("no closing boundary")
        resource = json.loads(body[_body_of(body, first) : second - len(delimiter) - 1])
        if not isinstance(resource, dict):
            raise ValueError("the first part is not a JSON object")
        start = _body_of(body, second)
        end = closing - 1 if body[closing - 1 : closing] == b"\r" else closing
        with media.open("wb") as target:
            for position in range(start, end, BLOCK):
                target.write(body[position : min(position + BLOCK, end)])
        return resource, BytesHeaderParser().parsebytes(body[second:start].lstrip()).get("Content-Type", "")


def _after(body: mmap.mmap, delimiter: bytes, start: int) -> int:
    position = body.find(delimiter, start)
    if position < 0:
        raise ValueError("boundary not found")
    return position + len(delimiter)


def _body_of(body: mmap.mmap, part: int) -> int:
    """Where a part's bytes begin: after its headers."""
    found = END_OF_HEADERS.search(body, part)
    if not found:
        raise ValueError("a part without end of headers")
    return found.end()
