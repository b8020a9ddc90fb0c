"""Etags as Cloud Storage makes them (an encoded message of the generations), and the conditions of a request."""

import base64

from aiohttp import web

from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call

SEVEN_BITS = 0x7F
# As recorded in hashicorp/terraform#30149.
NOT_HELD = "At least one of the pre-conditions you specified did not hold."


def bucket_etag(metageneration: str) -> str:
    """CAE= for the first, as public recordings show: https://github.com/kmoneil/zig-gcp (src/storage/iam.zig)."""
    return base64.b64encode(_field(1, int(metageneration))).decode()


def object_etag(generation: str, metageneration: str) -> str:
    """Of an object's state: its generation and metageneration."""
    return base64.b64encode(_field(1, int(generation)) + _field(2, int(metageneration))).decode()


def failed() -> ApiError:
    """https://cloud.google.com/storage/docs/json_api/v1/status-codes#412_Precondition_Failed."""
    return classic(412, NOT_HELD, "conditionNotMet", location="If-Match")


def check_preconditions(query: dict[str, str], resource: Json | None, prefix: str = "if") -> None:
    """ifGenerationMatch and its kin (ifSource... of a copy); a generation of 0 stands for "does not exist".

    A ...NotMatch that matches is 304 with no body, for writes too: https://github.com/kmoneil/zig-gcp
    (docs/storage/writing-objects.md), googleapis/google-cloud-cpp#6897.
    """
    for field, name in (("generation", "Generation"), ("metageneration", "Metageneration")):
        current = int(resource[field]) if resource else 0
        wanted, unwanted = _number(query, f"{prefix}{name}Match"), _number(query, f"{prefix}{name}NotMatch")
        if wanted is not None and wanted != current:
            raise failed()
        if unwanted is not None and unwanted == current:
            raise ApiError(web.HTTPNotModified.status_code, "", {})


def check_etags(call: Call, etag: str) -> None:
    """If-Match and If-None-Match of a read."""
    wanted, unwanted = (call.request.headers.get(name, "").strip('"') for name in ("If-Match", "If-None-Match"))
    if wanted not in ("", "*", etag):
        raise failed()
    if unwanted in ("*", etag):
        raise ApiError(web.HTTPNotModified.status_code, "", {})


def _number(query: dict[str, str], name: str) -> int | None:
    given = query.get(name)
    if given is None:
        return None
    if not given.isdecimal():
        # Wording ours.
        raise classic(400, f"Invalid value for {name}: {given!r} is not a whole number.", "invalidParameter")
    return int(given)


def _field(number: int, value: int) -> bytes:
    """A field of a protocol buffer message: its tag and a variable-length number."""
    encoded = bytes([number << 3])
    while value > SEVEN_BITS:
        encoded += bytes([(value & SEVEN_BITS) | (SEVEN_BITS + 1)])
        value >>= 7
    return encoded + bytes([value])
