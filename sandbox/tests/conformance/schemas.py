"""Does a JSON value fit a schema of a discovery document? Pure; every problem with its place in the value.

64-bit numbers are strings in replies; requests may send them as numbers too
(https://developers.google.com/discovery/v1/type-format).
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from typing import Any

from sandbox.core.documents import Json

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)")
DURATION = re.compile(r"-?\d+(\.\d{1,9})?s")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
LONG = re.compile(r"-?\d+")
INT32 = range(-(2**31), 2**32)


def problems(value: Any, schema: Json, schemas: Json, place: str = "", *, lenient: bool = False) -> Iterator[str]:
    """What does not fit. `lenient` reads as Google reads requests: 64-bit numbers as numbers, null for "not there"."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"]]
    if schema.get("type", "any") == "any" or (lenient and value is None):
        return
    check: Callable[..., Iterator[str]] = CHECKS[schema["type"]]
    yield from check(value, schema, schemas, place or "/", lenient)


def _object(value: Any, schema: Json, schemas: Json, place: str, lenient: bool) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: {value!r} is no object"
        return
    known, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name, item in value.items():
        inside = f"{place.rstrip('/')}/{name}"
        if name in known:
            yield from problems(item, known[name], schemas, inside, lenient=lenient)
        elif others is not None:
            yield from problems(item, others, schemas, inside, lenient=lenient)
        else:
            yield f"{inside}: the schema has no such field"


def _array(value: Any, schema: Json, schemas: Json, place: str, lenient: bool) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{place}: {value!r} is no list"
        return
    for index, item in enumerate(value):
        yield from problems(item, schema["items"], schemas, f"{place}/{index}", lenient=lenient)


def _string(value: Any, schema: Json, _: Json, place: str, lenient: bool) -> Iterator[str]:
    kind = schema.get("format")
    if kind in ("int64", "uint64"):
        if not _is_long(value, lenient):
            yield f"{place}: {value!r} is no 64-bit number as a string"
    elif not isinstance(value, str):
        yield f"{place}: {value!r} is no string"
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{place}: {value!r} is none of {', '.join(schema['enum'])}"
    elif kind in FORMATS and not FORMATS[kind](value):
        yield f"{place}: {value!r} is no {kind}"


def _integer(value: Any, *rest: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int) or value not in INT32:
        yield f"{rest[2]}: {value!r} is no 32-bit number"


def _number(value: Any, *rest: Any) -> Iterator[str]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        yield f"{rest[2]}: {value!r} is no number"


def _boolean(value: Any, *rest: Any) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{rest[2]}: {value!r} is neither true nor false"


def _is_long(value: Any, lenient: bool) -> bool:
    if lenient and isinstance(value, int) and not isinstance(value, bool):
        return True
    return isinstance(value, str) and LONG.fullmatch(value) is not None


def _is_base64(value: str) -> bool:
    text = value.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return False
    return True


FORMATS: dict[str, Callable[[str], object]] = {
    "google-datetime": MOMENT.fullmatch,
    "date-time": MOMENT.fullmatch,
    "google-duration": DURATION.fullmatch,
    "date": DAY.fullmatch,
    "byte": _is_base64,
}
CHECKS = {
    "object": _object,
    "array": _array,
    "string": _string,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
}
