# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a secret says about itself and its versions, but not their values: labels, aliases, when it ends. Pure."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

# Option -> field. The update mask replaces each of these maps whole.
_MAPS: Mapping[str, str] = {
    "labels": "labels",
    "annotations": "annotations",
    "version_aliases": "versionAliases",
}
_DESTROY = "version_destroy_ttl_seconds"
_ENDS = ("expire_time", "ttl_seconds")
# https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets
_ALIAS = re.compile(r"(?!(latest|NEW)$)[A-Za-z][A-Za-z0-9_-]{0,62}")
_ANNOTATION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")

SPEC: dict[str, Any] = {
    "labels": {"type": "dict"},
    "annotations": {"type": "dict"},
    "version_aliases": {"type": "dict"},
    _DESTROY: {"type": "int"},
    "expire_time": {"type": "str"},
    "ttl_seconds": {"type": "int"},
}
FIELDS = tuple(SPEC)


def mistake(params: Mapping[str, Any]) -> str:
    """What is wrong with the options first, with the way out; empty if nothing is."""
    return next((wrong for check in (_wrong_ends, _wrong_aliases, _wrong_annotations) for wrong in check(params)), "")


def _wrong_ends(params: Mapping[str, Any]) -> Iterator[str]:
    if params.get("expire_time") is not None and params.get("ttl_seconds") is not None:
        yield "expire_time and ttl_seconds say the same: leave one out"
    if params.get("expire_time") and _moment(params["expire_time"]) is None:
        yield f"expire_time {params['expire_time']!r} is no time with a zone: write it as 2030-01-31T00:00:00Z"
    for option, least in (("ttl_seconds", 1), (_DESTROY, 0)):
        if (seconds := params.get(option)) is not None and seconds < least:
            yield f"{option} {seconds} is too small: give {least} or more"


def _wrong_aliases(params: Mapping[str, Any]) -> Iterator[str]:
    for alias, number in (params.get("version_aliases") or {}).items():
        if not _ALIAS.fullmatch(alias):
            yield (
                f"version_aliases: {alias!r} can't be an alias: use up to 63 letters, digits, hyphens and underscores, "
                "beginning with a letter, and neither latest nor NEW"
            )
        elif number is not None and not str(number).isdigit():
            yield f"version_aliases: {alias} points to {number!r}: give the number of a version, or null to remove it"


def _wrong_annotations(params: Mapping[str, Any]) -> Iterator[str]:
    for key in params.get("annotations") or {}:
        if not _ANNOTATION.fullmatch(key):
            yield (
                f"annotations: {key!r} can't be a key: use up to 63 letters, digits, hyphens, underscores and dots, "
                "with a letter or digit at both ends"
            )


def of_new(params: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new secret."""
    fields: dict[str, Any] = {}
    for option in _MAPS:
        given = {key: value for key, value in (params.get(option) or {}).items() if value is not None}
        fields |= {f"{option}.{key}": str(value) for key, value in sorted(given.items())}
    return fields | {option: params[option] for option in (_DESTROY, *_ENDS) if params.get(option)}


def differences(params: Mapping[str, Any], body: JsonObject) -> list[Change]:
    """What differs between a secret and the options that are set."""
    changes: list[Change] = []
    for option, field in _MAPS.items():
        changes += plans.managed_keys(option, params.get(option), body.get(field))
    wanted, found = params.get(_DESTROY), _seconds(body.get("versionDestroyTtl"))
    if wanted is not None and wanted != found:
        reason = (
            "differs"
            if wanted > found
            else "differs: versions that are destroyed can be brought back for a shorter time"
        )
        changes.append(Change(_DESTROY, found, wanted, reason))
    return changes + _ending(params, body.get("expireTime"))


def _ending(params: Mapping[str, Any], found: str | None) -> list[Change]:
    """An end destroys the secret with all versions: https://cloud.google.com/secret-manager/docs/creating-and-managing-expiring-secrets.

    A ttl runs from the moment it is written, so it is only written where there is no end yet.
    """
    reason, destroys = "the secret and all its versions are destroyed then", BlastRadius.DESTROYS
    wanted = params.get("expire_time")
    if wanted == "" and found:
        return [Change("expire_time", found, None, "the secret is to stay")]
    if wanted and _moment(wanted) != _moment(found or ""):
        return [Change("expire_time", found, wanted, reason, destroys)]
    if params.get("ttl_seconds") and not found:
        return [Change("ttl_seconds", None, params["ttl_seconds"], reason, destroys)]
    return []


def body_of(plan: Plan, existing: JsonObject) -> JsonObject:
    """The fields to send, by name; null clears one. Maps are whole, with the keys that are not ours."""
    body: JsonObject = {}
    for change in plan.applicable:
        option, _dot, key = change.field.partition(".")
        if option in _MAPS and key:
            field = _MAPS[option]
            kept = body.setdefault(field, dict(existing.get(field, {})))
            kept.pop(key, None)
            kept |= {key: change.after} if change.after is not None else {}
        elif option == _DESTROY:
            body["versionDestroyTtl"] = f"{change.after}s" if change.after else None
        elif option == "ttl_seconds":
            body["ttl"] = f"{change.after}s"
        elif option == "expire_time":
            body["expireTime"] = change.after
    return body


def _seconds(duration: str | None) -> int:
    return int(float((duration or "0s").removesuffix("s")))


def _moment(text: str) -> dt.datetime | None:
    """A time with its zone; Python's own parser takes no nanoseconds, which Google prints at times."""
    try:
        moment = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
