# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists of rules that a bucket holds and that are replaced whole: its lifecycle and its CORS configuration. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

Rules = Sequence[Mapping[str, Any]]

# Option -> field: https://cloud.google.com/storage/docs/json_api/v1/buckets (lifecycle.rule[].condition).
_CONDITIONS: Mapping[str, str] = {
    "age": "age",
    "created_before": "createdBefore",
    "custom_time_before": "customTimeBefore",
    "days_since_custom_time": "daysSinceCustomTime",
    "days_since_noncurrent_time": "daysSinceNoncurrentTime",
    "is_live": "isLive",
    "matches_prefix": "matchesPrefix",
    "matches_storage_class": "matchesStorageClass",
    "matches_suffix": "matchesSuffix",
    "noncurrent_time_before": "noncurrentTimeBefore",
    "num_newer_versions": "numNewerVersions",
}
_LISTS = ("matches_prefix", "matches_storage_class", "matches_suffix")
_NUMBERS = ("age", "days_since_custom_time", "days_since_noncurrent_time", "num_newer_versions")
_CORS: Mapping[str, str] = {
    "origin": "origin",
    "method": "method",
    "response_header": "responseHeader",
    "max_age_seconds": "maxAgeSeconds",
}
DELETE = "Delete"
SET_CLASS = "SetStorageClass"
ABORT = "AbortIncompleteMultipartUpload"


def _type_of(condition: str) -> dict[str, Any]:
    if condition in _LISTS:
        return {"type": "list", "elements": "str"}
    if condition in _NUMBERS:
        return {"type": "int"}
    return {"type": "bool"} if condition == "is_live" else {"type": "str"}


LIFECYCLE_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "action": {"type": "str", "required": True, "choices": [DELETE, SET_CLASS, ABORT]},
        "storage_class": {"type": "str"},
        "condition": {
            "type": "dict",
            "required": True,
            "options": {name: _type_of(name) for name in _CONDITIONS},
        },
    },
}
CORS_SPEC: dict[str, Any] = {
    "type": "list",
    "elements": "dict",
    "options": {
        "origin": {"type": "list", "elements": "str", "required": True},
        "method": {"type": "list", "elements": "str", "required": True},
        "response_header": {"type": "list", "elements": "str"},
        "max_age_seconds": {"type": "int"},
    },
}


def as_lifecycle(rules: Rules) -> list[JsonObject]:
    """The option's rules as the API takes them."""
    sent = []
    for rule in rules:
        action = {"type": rule["action"]}
        if rule.get("storage_class"):
            action["storageClass"] = rule["storage_class"].upper()
        sent.append({"action": action, "condition": _renamed(rule["condition"], _CONDITIONS)})
    return sent


def as_cors(rules: Rules) -> list[JsonObject]:
    """The option's rules as the API takes them."""
    return [_renamed(rule, _CORS) for rule in rules]


def _renamed(given: Mapping[str, Any], fields: Mapping[str, str]) -> JsonObject:
    return {field: given[option] for option, field in fields.items() if given.get(option) is not None}


def same_rules(convert: Callable[[Rules], list[JsonObject]]) -> Callable[[Any, Any], bool]:
    """A comparison of an option's rules with Google's; the order of rules, or in a rule's lists, means nothing."""

    def same(wanted: Any, found: Any) -> bool:
        return sorted(map(_key, convert(wanted))) == sorted(map(_key, found or []))

    return same


def _key(rule: Mapping[str, Any]) -> str:
    return json.dumps(_sorted(rule), sort_keys=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(one) for key, one in value.items()}
    return sorted(value) if isinstance(value, list) else value


def deletes_more(wanted: Rules, found: Any) -> bool:
    """Whether there is a rule that deletes objects and that the bucket does not have yet."""
    has = {_key(rule) for rule in found or []}
    return any(rule["action"]["type"] == DELETE and _key(rule) not in has for rule in as_lifecycle(wanted))


def mistake(rules: Rules) -> str:
    """What is wrong with lifecycle rules, with the way out; empty if nothing is."""
    for number, rule in enumerate(rules):
        where = f"lifecycle_rules[{number}] ({rule['action']})"
        if not _renamed(rule["condition"], _CONDITIONS):
            return (
                f"{where} has no condition, and would hold for every object: give its condition an age, or another one"
            )
        if (rule["action"] == SET_CLASS) != bool(rule.get("storage_class")):
            return f"{where}: storage_class belongs to {SET_CLASS}, and to nothing else: give it there, or leave it out"
        if any(rule["condition"].get(name) is not None and rule["condition"][name] < 0 for name in _NUMBERS):
            return f"{where} has a number below 0 in its condition: give 0 or more"
    return ""
