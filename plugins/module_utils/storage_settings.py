# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bucket's settings: which option is which field of the JSON API, what differs, and what that does. Pure.

What a change does to objects is as Google documents it. A shorter soft delete or no versioning any more spares what is
kept already (storage/docs/use-soft-delete, .../object-versioning); a lifecycle rule with Delete takes objects away
(.../lifecycle); a locked retention policy can only become longer (.../bucket-lock).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage_rules import (
    CORS_SPEC,
    LIFECYCLE_SPEC,
    as_cors,
    as_lifecycle,
    deletes_more,
    same_rules,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_MODULE = "bucket"


def _text(value: Any) -> Any:
    """64-bit numbers are strings in Google's JSON."""
    return str(value)


def _as_it_is(value: Any) -> Any:
    return value


@dataclass(frozen=True)
class Field:
    """An option, the path of its field, what the field means where it is missing, and how the API takes it."""

    option: str
    api: str
    implied: Any = None
    sent: Callable[[Any], Any] = _as_it_is
    fixed: bool = False
    same: Callable[[Any, Any], bool] = plans.same


FIELDS = (
    Field("location", "location", fixed=True, same=plans.same_ignoring_case),
    Field("hierarchical_namespace_enabled", "hierarchicalNamespace.enabled", fixed=True),
    Field("storage_class", "storageClass", "STANDARD"),
    Field("uniform_bucket_level_access", "iamConfiguration.uniformBucketLevelAccess.enabled"),
    Field("public_access_prevention", "iamConfiguration.publicAccessPrevention", "inherited"),
    Field("versioning_enabled", "versioning.enabled"),
    Field("soft_delete_retention_seconds", "softDeletePolicy.retentionDurationSeconds", "0", _text),
    Field("retention_period_seconds", "retentionPolicy.retentionPeriod", "0", _text),
    Field("default_event_based_hold", "defaultEventBasedHold"),
    Field("lifecycle_rules", "lifecycle.rule", sent=as_lifecycle, same=same_rules(as_lifecycle)),
    Field("cors", "cors", sent=as_cors, same=same_rules(as_cors)),
)
_BY_OPTION: Mapping[str, Field] = {field.option: field for field in FIELDS}

SPEC: dict[str, Any] = {
    "location": {"type": "str"},
    "hierarchical_namespace_enabled": {"type": "bool"},
    "storage_class": {"type": "str", "choices": ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]},
    "uniform_bucket_level_access": {"type": "bool"},
    "public_access_prevention": {"type": "str", "choices": ["enforced", "inherited"]},
    "versioning_enabled": {"type": "bool"},
    "soft_delete_retention_seconds": {"type": "int"},
    "retention_period_seconds": {"type": "int"},
    "default_event_based_hold": {"type": "bool"},
    "lifecycle_rules": LIFECYCLE_SPEC,
    "cors": CORS_SPEC,
}


def differences(wanted: Mapping[str, Any], body: JsonObject, now: str) -> list[Change]:
    """What differs between a bucket and the options that are set.

    :param now: the time as Google prints it.
    """
    changes = []
    for field in FIELDS:
        value, found = wanted.get(field.option), _found(body, field)
        if value is None or field.same(value, found):
            continue
        reason = "is fixed at creation" if field.fixed else _EFFECTS.get(field.option, _differs)(value, found)
        radius = BlastRadius.SAFE
        if field.fixed or (field.option == "lifecycle_rules" and deletes_more(value, found)):
            radius = BlastRadius.DESTROYS
        refusal = _refusal(field, value, body, now)
        changes.append(Change(field.option, _printed(found, value), value, reason, radius, refusal))
    return changes


def new(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a new bucket; what is as in every new bucket (no rules, no retention) is not among them."""
    return {
        option: value
        for option, value in settings.items()
        if value is not None and not (option == "retention_period_seconds" and not value)
    }


def body_of(plan: Plan) -> JsonObject:
    """What to send for a plan's settings and labels."""
    body: JsonObject = {}
    for change in plan.applicable:
        label = change.field.removeprefix("labels.")
        if label != change.field:
            body.setdefault("labels", {})[label] = change.after
        elif change.field in _BY_OPTION:
            field = _BY_OPTION[change.field]
            _put(body, field.api.split("."), field.sent(change.after))
    if body.get("retentionPolicy") == {"retentionPeriod": "0"}:
        body["retentionPolicy"] = None
    return body


def _put(body: JsonObject, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        body = body.setdefault(key, {})
    body[path[-1]] = value


def _found(body: JsonObject, field: Field) -> Any:
    value: Any = body
    for key in field.api.split("."):
        value = (value or {}).get(key)
    return field.implied if value is None else value


def _printed(found: Any, wanted: Any) -> Any:
    if isinstance(wanted, bool):
        return bool(found)
    return int(found) if isinstance(wanted, int) else found


def _differs(value: Any, found: Any) -> str:
    del value, found
    return "differs"


def _versioning(value: Any, found: Any) -> str:
    del found
    return "differs" if value else "differs: from then on overwritten objects are not kept; those kept already stay"


def _soft_delete(value: Any, found: Any) -> str:
    if value >= int(found):
        return "differs"
    return "differs: what is deleted from then on can be restored for a shorter time; what is deleted already is spared"


def _retention(value: Any, found: Any) -> str:
    if value <= int(found):
        return "differs: objects can be deleted and overwritten sooner"
    return "differs: nobody can delete or overwrite an object before that age, nor can `mlflow gc`"


def _lifecycle(value: Any, found: Any) -> str:
    return "differs: a new rule deletes the objects that fit it" if deletes_more(value, found) else "differs"


_EFFECTS: Mapping[str, Callable[[Any, Any], str]] = {
    "versioning_enabled": _versioning,
    "soft_delete_retention_seconds": _soft_delete,
    "retention_period_seconds": _retention,
    "lifecycle_rules": _lifecycle,
}


def _refusal(field: Field, value: Any, body: JsonObject, now: str) -> str:
    """The way out of what Google can't do; empty if it can."""
    if field.fixed:
        where = "there" if field.option == "location" else "like that"
        return f"a bucket can't change it: make one with a new name {where} and copy the objects"
    if field.option == "uniform_bucket_level_access" and not value:
        locked = body.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {}).get("lockedTime") or now
        if locked < now:
            return (
                f"uniform access can be undone for 90 days, which ended at {locked}: leave out "
                f"{setting(_MODULE, field.option)}, or make a new bucket"
            )
    policy = body.get("retentionPolicy", {})
    if field.option == "retention_period_seconds" and policy.get("isLocked") and value < int(policy["retentionPeriod"]):
        return (
            "the retention policy is locked, so that the period can only become longer: raise or leave out "
            f"{setting(_MODULE, field.option)}"
        )
    return ""
