"""The shape of everything Google's APIs exchange: JSON documents, with Google's timestamps and bytes fields."""

import base64
import datetime as dt
from typing import Any, TypeVar

Json = dict[str, Any]
Document = TypeVar("Document")


def timestamp(moment: dt.datetime | None = None) -> str:
    """RFC 3339 with milliseconds and Z, as the Cloud SQL Admin API prints it."""
    moment = moment or dt.datetime.now(dt.UTC)
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def decode_bytes(text: str) -> bytes:
    """A bytes field: clients send base64 in the standard or the URL-safe alphabet, padded or not."""
    alphabet = text.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(alphabet + "=" * (-len(alphabet) % 4), validate=True)


def duplicate(document: Document) -> Document:
    """A copy that shares nothing that can change; several times quicker than copy.deepcopy, since JSON has no loops."""
    copy: Document = _duplicate(document)
    return copy


def merge(document: Json, patch: Json) -> Json:
    """A PATCH as Google applies it: objects merge, null clears, lists and scalars are replaced whole."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merge(result[key], value)
        else:
            result[key] = value
    return result


def _duplicate(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _duplicate(one) for key, one in value.items()}
    return [_duplicate(one) for one in value] if isinstance(value, list) else value
