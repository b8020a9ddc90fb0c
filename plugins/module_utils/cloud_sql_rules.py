# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which settings of an instance fit together: Google refuses the others, so they are refused before anything is sent.

Rules: https://cloud.google.com/sql/docs/postgres (high-availability, backup-recovery/configure-pitr, configure-ip,
configure-private-ip, editions-intro, configure-ha), the discovery document, hashicorp/terraform-provider-google#20498
(edition and tier), langfuse/langfuse-terraform-gcp#8 (log retention). Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_changes import version_number
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import (
    FIELDS,
    found_value,
    wanted_value,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Change
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

State = Mapping[str, Any]
_BACKUPS = "backup_configuration.enabled"
_PITR = "backup_configuration.point_in_time_recovery_enabled"
_LOG_DAYS = "backup_configuration.transaction_log_retention_days"
_PUBLIC = "ip_configuration.ipv4_enabled"
_PRIVATE = "ip_configuration.private_network"
_NETWORKS = "ip_configuration.authorized_networks"
_RANGE = "ip_configuration.allocated_ip_range"
_PATH = "ip_configuration.enable_private_path_for_google_cloud_services"
_ZONE, _SECOND = "location_preference.zone", "location_preference.secondary_zone"
_SIZE, _LIMIT = "data_disk_size_gb", "storage_auto_resize_limit_gb"
_MOST_LOG_DAYS = {"ENTERPRISE": 7}
_PLUS_SINCE = (12,)
# What a new instance gets where nobody says anything, beside the values that Field.implied knows.
_NEW: JsonObject = {_PUBLIC: True, _SIZE: 10}


def state_of(body: JsonObject) -> dict[str, Any]:
    """An instance as it is, or a new one with Google's defaults, by the names of options."""
    state = {field.option: field.shown(found_value(body, field)) for field in FIELDS}
    return state if body else state | _NEW


def after(state: State, params: Mapping[str, Any]) -> dict[str, Any]:
    """The state once it is what the user wants."""
    wanted = {field.option: wanted_value(params, field) for field in FIELDS}
    made = {**state, **{option: value for option, value in wanted.items() if value is not None}}
    # A disk only grows.
    return made | {_SIZE: max(made[_SIZE] or 0, state[_SIZE] or 0)}


def broken(state: State, changed: Iterable[str]) -> Iterator[str]:
    """The rules that a state breaks, of those about what is to change: what is so already is not our matter."""
    fields = set(changed)
    for rule in RULES:
        if fields & {*rule.options} and (sentence := rule.breach(state)):
            yield sentence


def hold_back(changes: list[Change], state: State) -> list[Change]:
    """Refuse those changes too that Google takes only together with refused ones."""
    kept = list(changes)
    for rule in RULES:
        applied = {change.field: change.after for change in kept if not change.refusal}
        waiting = [change for change in kept if change.refusal and change.field in rule.options]
        if waiting and {*rule.options} & {*applied} and rule.breach({**state, **applied}):
            names = " and ".join(change.field for change in waiting)
            way_out = f"Google takes it only together with {names}: {waiting[0].refusal}"
            kept = [
                replace(change, refusal=change.refusal or way_out) if change.field in rule.options else change
                for change in kept
            ]
    return kept


@dataclass(frozen=True)
class Rule:
    """``breach`` says what is wrong with a state and the way out, or nothing."""

    options: tuple[str, ...]
    breach: Callable[[State], str]


def _set(option: str) -> str:
    return setting("sql_instance", option)


def _regional(state: State) -> str:
    if state["availability_type"] != "REGIONAL" or (state[_BACKUPS] and state[_PITR]):
        return ""
    return (
        "availability_type REGIONAL needs automated backups and point-in-time recovery: set "
        f"{_BACKUPS} and {_set(_PITR)} to true, or availability_type to ZONAL"
    )


def _recovery(state: State) -> str:
    if not state[_PITR] or state[_BACKUPS]:
        return ""
    return f"{_PITR} needs automated backups: set {_set(_BACKUPS)} to true, or {_PITR} to false"


def _logs(state: State) -> str:
    edition, days = state["edition"], state[_LOG_DAYS]
    most = _MOST_LOG_DAYS.get(edition)
    if most is None or days is None or days <= most:
        return ""
    return f"{_LOG_DAYS} {days} is too much for edition {edition}: set {_set(_LOG_DAYS)} to {most} at most"


def _tier(state: State) -> str:
    edition, tier = state["edition"], str(state["tier"] or "")
    small = re.fullmatch(r"db-(f1-micro|g1-small|custom-\d+-\d+|n1-.+)", tier)
    plus = re.fullmatch(r"db-perf-optimized-.+|db-c4a-.+", tier)
    if edition == "ENTERPRISE_PLUS" and small:
        return (
            f"tier {tier} is none of edition ENTERPRISE_PLUS: set {_set('tier')} to one such as "
            "db-perf-optimized-N-2, or edition to ENTERPRISE"
        )
    if edition == "ENTERPRISE" and plus:
        return (
            f"tier {tier} is none of edition ENTERPRISE: set {_set('tier')} to one such as db-custom-2-7680, or "
            "edition to ENTERPRISE_PLUS"
        )
    return ""


def _plus_version(state: State) -> str:
    version = str(state["database_version"] or "")
    if state["edition"] != "ENTERPRISE_PLUS" or not version or version_number(version) >= _PLUS_SINCE:
        return ""
    return (
        f"edition ENTERPRISE_PLUS starts with POSTGRES_12, and database_version is {version}: set edition to "
        f"ENTERPRISE, or {_set('database_version')} to a newer one"
    )


def _growth(state: State) -> str:
    limit, size = state[_LIMIT], state[_SIZE] or 0
    if not limit or limit >= size:
        return ""
    return f"{_LIMIT} {limit} is below the disk's {size} GB: set {_set(_LIMIT)} to {size} or more, or to 0 for no limit"


def _reachable(state: State) -> str:
    if state[_PUBLIC] or state[_PRIVATE]:
        return ""
    return (
        f"{_PUBLIC} false leaves the instance without any address: set {_set(_PRIVATE)} to a network too, or "
        f"{_PUBLIC} to true"
    )


def _useful_networks(state: State) -> str:
    if not state[_NETWORKS]:
        return ""
    if not state[_PUBLIC]:
        return (
            f"{_NETWORKS} has no effect without a public address: leave {_set(_NETWORKS)} empty, or set {_PUBLIC} to "
            "true"
        )
    if state["connector_enforcement"] == "REQUIRED":
        return (
            f"{_NETWORKS} has no effect with connector_enforcement REQUIRED: leave {_set(_NETWORKS)} empty, or set "
            "connector_enforcement to NOT_REQUIRED"
        )
    return ""


def _private(state: State) -> str:
    given = next((option for option in (_RANGE, _PATH) if state[option]), "")
    if state[_PATH] and state[_PUBLIC]:
        # gcloud, --enable-google-private-path.
        return f"{_PATH} is for instances without a public address: set {_set(_PUBLIC)} to false, or leave {_PATH} out"
    if not given or state[_PRIVATE]:
        return ""
    return f"{given} needs a private address: set {_set(_PRIVATE)} too, or leave {given} out"


def _zones(state: State) -> str:
    region, first, second = str(state["region"] or "").lower(), state[_ZONE], state[_SECOND]
    for option, zone in ((_ZONE, first), (_SECOND, second)):
        if zone and region and not zone.startswith(f"{region}-"):
            return f"{option} {zone} is not in region {region}: set {_set(option)} to one such as {region}-b"
    if first and first == second:
        return f"{_SECOND} {second} is the instance's first zone too: set {_set(_SECOND)} to another one of {region}"
    return ""


def _window(state: State) -> str:
    if state["maintenance_window.day"] or not state["maintenance_window.hour"]:
        return ""
    return (
        "maintenance_window.hour says nothing without a day: set "
        f"{_set('maintenance_window.day')} to 1 (Monday) to 7 (Sunday) too"
    )


RULES = (
    Rule(("availability_type", _BACKUPS, _PITR), _regional),
    Rule((_PITR, _BACKUPS), _recovery),
    Rule((_LOG_DAYS, "edition"), _logs),
    Rule(("tier", "edition"), _tier),
    Rule(("edition", "database_version"), _plus_version),
    Rule((_LIMIT, _SIZE), _growth),
    Rule((_PUBLIC, _PRIVATE), _reachable),
    Rule((_NETWORKS,), _useful_networks),
    Rule((_RANGE, _PATH, _PRIVATE), _private),
    Rule((_ZONE, _SECOND), _zones),
    Rule(("maintenance_window.day", "maintenance_window.hour"), _window),
)
