# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an instance differs from what the user wants, what each difference does, and what settles it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import (
    BY_OPTION,
    FIELDS,
    Field,
    flags_of,
    found_value,
    settings_of,
    wanted_value,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

FLAG, LABEL = "database_flags.", "user_labels."


def instance_changes(params: Mapping[str, Any], body: JsonObject) -> list[Change]:
    """What the user set and Google has otherwise, flags aside."""
    found = (_field_change(field, params, body) for field in FIELDS)
    changes = [change for change in found if change is not None]
    return changes + plans.managed_keys("user_labels", params.get("user_labels"), settings_of(body).get("userLabels"))


def creation_fields(wanted: Mapping[str, Any]) -> JsonObject:
    """What a new instance is made of, by the names of options."""
    fields = {
        field.option: field.shown(value) for field in FIELDS if (value := wanted_value(wanted, field)) is not None
    }
    # Newer versions default to an edition that refuses small tiers, and auto-resize differs by the asker.
    fields.setdefault("edition", "ENTERPRISE")
    fields.setdefault("storage_auto_resize", True)
    for option in ("database_flags", "user_labels"):
        given = {key: value for key, value in (wanted.get(option) or {}).items() if value is not None}
        fields |= {f"{option}.{key}": str(value) for key, value in sorted(given.items())}
    return fields


def keep(option: str, found: Any, otherwise: str) -> str:
    """The way out of a difference that can't be settled in place."""
    return f"set {setting('sql_instance', option)} back to {found}, or {otherwise} an instance with a new name"


def _field_change(field: Field, params: Mapping[str, Any], body: JsonObject) -> Change | None:
    wanted, found = wanted_value(params, field), found_value(body, field)
    if wanted is None or field.same(wanted, found):
        return None
    special = _SPECIAL.get(field.option)
    if special is not None:
        return special(wanted, found, _growing_as_wanted(params, body))
    before, after = field.shown(found), field.shown(wanted)
    if field.fixed:
        way_out = f"Google can't change it in place: {keep(field.option, found, 'clone or restore into')}"
        return Change(field.option, before, after, "is fixed at creation", BlastRadius.DESTROYS, way_out)
    value, meaning = _MEANINGS.get(field.option, (None, ""))
    return Change(field.option, before, after, meaning if after == value else "differs", field.radius)


# What a value does that its name does not say.
_MEANINGS = {
    "backup_configuration.enabled": (False, "no more backups are made"),
    "connector_enforcement": ("REQUIRED", "Google then ignores the authorized networks"),
    "deletion_protection_enabled": (False, "the instance can then be deleted"),
}


def _growing_as_wanted(params: Mapping[str, Any], body: JsonObject) -> JsonObject:
    """The instance once Google grows its disk, or does not, as the user wants: it decides what a smaller size means."""
    wanted = params.get("storage_auto_resize")
    return body if wanted is None else {**body, "settings": {**settings_of(body), "storageAutoResize": wanted}}


def _disk_change(wanted: int, found: Any, body: JsonObject) -> Change | None:
    size = int(found or 0)
    if wanted > size:
        return Change("data_disk_size_gb", size, wanted, "the disk is to grow")
    if settings_of(body).get("storageAutoResize", True):
        return None
    return Change(
        "data_disk_size_gb",
        size,
        wanted,
        "a disk can't shrink in place",
        BlastRadius.DESTROYS,
        f"set {setting('sql_instance', 'data_disk_size_gb')} to {size} (or leave it out), or shrink it by hand with "
        "`gcloud sql instances perform-storage-shrink`",
    )


def _version_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    if version_number(wanted) < version_number(str(found)):
        return Change(
            "database_version",
            found,
            wanted,
            "is a downgrade",
            BlastRadius.DESTROYS,
            f"Google can't downgrade: {keep('database_version', found, 'export and import into')}",
        )
    targets = [str(target.get("name")) for target in body.get("upgradableDatabaseVersions", [])]
    refusal = ""
    if targets and wanted not in targets:
        refusal = f"Google can upgrade this instance to {', '.join(targets)} only: choose one of them"
    reason = "is a major version upgrade, which can't be undone"
    return Change("database_version", found, wanted, reason, BlastRadius.RESTARTS, refusal)


def version_number(version: str) -> tuple[int, ...]:
    """The major version, to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _activation_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    del body
    if wanted == "NEVER":
        reason = "stops the instance: all connections end"
        return Change("activation_policy", found, wanted, reason, BlastRadius.RESTARTS)
    return Change("activation_policy", found, wanted, "starts the instance")


def _pitr_change(wanted: bool, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "backup_configuration.point_in_time_recovery_enabled"
    if wanted:
        return Change(field, bool(found), wanted, "enabling it restarts the instance", BlastRadius.RESTARTS)
    return Change(field, bool(found), wanted, "Google then deletes the logs: no moment of the past can be restored")


def _fewer(field: str) -> Callable[[int, Any, JsonObject], Change | None]:
    def change(wanted: int, found: Any, body: JsonObject) -> Change | None:
        del body
        size = int(found or 0)
        reason = "Google deletes the oldest that are more" if wanted < size else "differs"
        return Change(field, size, wanted, reason)

    return change


def _public_change(wanted: bool, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "ip_configuration.ipv4_enabled"
    if wanted:
        return Change(field, bool(found), wanted, "the instance gets a public address")
    reason = "the public address goes, and all connections through it end"
    return Change(field, bool(found), wanted, reason, BlastRadius.RESTARTS)


def _network_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "ip_configuration.private_network"
    # Google prints the network with or without its address in front.
    if found and (str(found).endswith(f"/{wanted.lstrip('/')}") or wanted.endswith(f"/{str(found).lstrip('/')}")):
        return None
    if not wanted:
        way_out = f"Google can't take it away: {keep(field, found, 'clone or restore into')}"
        return Change(field, found, wanted, "can't be unset", BlastRadius.DESTROYS, way_out)
    return Change(field, found, wanted, "differs", BlastRadius.RESTARTS)


_KEPT = ("backup_configuration.retained_backups", "backup_configuration.transaction_log_retention_days")
_SPECIAL: dict[str, Callable[[Any, Any, JsonObject], Change | None]] = {
    "data_disk_size_gb": _disk_change,
    "database_version": _version_change,
    "activation_policy": _activation_change,
    "backup_configuration.point_in_time_recovery_enabled": _pitr_change,
    "ip_configuration.ipv4_enabled": _public_change,
    "ip_configuration.private_network": _network_change,
    **{field: _fewer(field) for field in _KEPT},
}


def key_of(change: Change) -> str:
    """The flag's or label's name."""
    return change.field.split(".", 1)[1]


def _request(changes: Iterable[Change], body: JsonObject) -> JsonObject:
    """The API's nested object with the new values of these changes; ``body`` is the instance as it is."""
    request: JsonObject = {}
    for change in changes:
        if field := BY_OPTION.get(change.field):
            target = request
            *parents, last = field.api.split(".")
            for key in parents:
                target = target.setdefault(key, {})
            target[last] = field.sent(change.after)
    merged = {
        "databaseFlags": _merged(FLAG, changes, flags_of(body)),
        "userLabels": _merged(LABEL, changes, settings_of(body).get("userLabels") or {}),
    }
    if (flags := merged["databaseFlags"]) is not None:
        wanted = [{"name": name, "value": value} for name, value in flags.items() if value is not None]
        request.setdefault("settings", {})["databaseFlags"] = wanted
    if (labels := merged["userLabels"]) is not None:
        request.setdefault("settings", {})["userLabels"] = labels
    return request


def _merged(prefix: str, changes: Iterable[Change], found: Mapping[str, Any]) -> dict[str, Any] | None:
    """A map with its changes; None without any.

    Google replaces a list whole, so what is not ours goes back as it was; with labels gcloud does so too, and clears
    one by null (ExplicitNullificationDiff in its labels_util.py).
    """
    changed = {key_of(change): change.after for change in changes if change.field.startswith(prefix)}
    return {**found, **changed} if changed else None


def patches(plan: Plan, body: JsonObject) -> list[JsonObject]:
    """The PATCH bodies in the order in which they must run.

    A stopped instance takes few changes, so it starts first and stops last. A major upgrade goes alone, an edition only
    with its tier (both are atomic: Terraform's resource_sql_database_instance.go); what needs the higher edition comes
    after it. Whatever else restarts the database goes together, so that it restarts once.
    """
    fields = {change.field: change for change in plan.applicable}
    edition, policy = fields.get("edition"), fields.get("activation_policy")
    place = {"database_version": 1, **({} if edition is None else {"edition": 2, "tier": 2})}
    if edition is not None and edition.after == "ENTERPRISE":
        place |= {"edition": 4, "tier": 4}
    if policy is not None:
        place["activation_policy"] = 5 if policy.after == "NEVER" else 0
    groups: dict[int, list[Change]] = {}
    for change in plan.applicable:
        groups.setdefault(place.get(change.field, 3), []).append(change)
    return [_request(groups[number], body) for number in sorted(groups)]


def insert_body(name: str, plan: Plan) -> JsonObject:
    """What creates the instance."""
    return {"name": name, **_request(plan.applicable, {})}
