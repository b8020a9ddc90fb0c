"""Lifecycle rules of a bucket: kept and checked as Cloud Storage does, never carried out. Pure.

Rules and texts as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig).
"""

import datetime as dt
from typing import Any

from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic

NUMBERS = ("age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions")
DATES = ("createdBefore", "customTimeBefore", "noncurrentTimeBefore")
LISTS = ("matchesPrefix", "matchesStorageClass", "matchesSuffix")
ACTIONS = ("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload")
OF_ABORT = ("age", "matchesPrefix", "matchesSuffix")


def lifecycle(given: Any, current: Json) -> Json:
    """The configuration that a request makes: `{}` changes nothing, no rules or `null` remove it."""
    if given is None:
        return {}
    rules = given.get("rule")
    if rules is None:
        return current
    return {"rule": [_rule(rule) for rule in rules]} if rules else {}


def _rule(rule: Json) -> Json:
    action = {name: value for name, value in (rule.get("action") or {}).items() if value is not None}
    kind = action.get("type")
    if kind not in ACTIONS:
        raise _invalid(f"Invalid value for: {kind} is not a valid value")
    if kind == "SetStorageClass" and "storageClass" not in action:
        raise _invalid("Lifecycle storage class rules must specify the destination storage class.")
    if kind != "SetStorageClass" and "storageClass" in action:
        raise _invalid("Storage class can only be specified for SET_STORAGE_CLASS actions")
    condition = {name: _checked(name, value) for name, value in (rule.get("condition") or {}).items() if _says(value)}
    if not condition:
        raise _invalid("Lifecycle rules must have a condition.")
    if kind == "AbortIncompleteMultipartUpload" and any(name not in OF_ABORT for name in condition):
        raise _invalid(
            "Lifecycle age_days, matches_prefix, and matches_suffix conditions are the only ones allowed for a "
            "ABORT_INCOMPLETE_MULTIPART_UPLOAD rule."
        )
    return {"action": action, "condition": condition}


def _says(value: Any) -> bool:
    return value is not None and value != []


def _checked(name: str, value: Any) -> Any:
    if name in NUMBERS:
        number = int(value)
        if number < 0:
            raise _invalid(f"Lifecycle {name} condition must be greater than or equal to 0, but was {number}")
        return number
    if name in DATES:
        try:
            dt.date.fromisoformat(str(value))
        except ValueError as error:
            raise _invalid(f'Invalid value for: Invalid format: "{value}"') from error
    elif name not in (*LISTS, "isLive", "sizeAboveBytes", "sizeBelowBytes"):
        # Wording ours.
        raise classic(400, f"Unknown lifecycle condition: {name}", "invalid")
    return value


def _invalid(message: str) -> ApiError:
    """Texts as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig)."""
    return classic(400, message, "invalid")
