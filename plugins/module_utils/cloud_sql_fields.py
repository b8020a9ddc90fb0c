# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of an instance: which option is which key of the API, what changing it does, and how it is sent. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting


def _keep(option: str, found: Any, otherwise: str) -> str:
    return f"set {setting('sql_instance', option)} back to {found}, or {otherwise} an instance with a new name"


@dataclass(frozen=True)
class Field:
    """How one option maps to the API. ``implied`` is what a missing value in Google's answer means."""

    option: str
    api: str
    implied: Any = None
    radius: BlastRadius = BlastRadius.SAFE
    same: Callable[[Any, Any], bool] = plans.same
    fixed: bool = False


def _networks(networks: Iterable[Mapping[str, Any]] | None) -> list[tuple[str, str]]:
    return sorted((str(n.get("value")), str(n.get("name") or "")) for n in networks or [])


def _same_networks(desired: Any, actual: Any) -> bool:
    return _networks(desired) == _networks(actual)


# Blast radius: discovery document and gcloud's patch.py for tier, flags, edition; configure-pitr and
# configure-private-ip for their restarts; availability type by caution. Implied values: a recorded minimal creation.
FIELDS = (
    Field("database_version", "databaseVersion", radius=BlastRadius.RESTARTS),
    Field("region", "region", same=plans.same_ignoring_case, fixed=True),
    Field("edition", "settings.edition", "ENTERPRISE", BlastRadius.RESTARTS),
    Field("tier", "settings.tier", radius=BlastRadius.RESTARTS),
    Field("data_disk_size_gb", "settings.dataDiskSizeGb"),
    Field("data_disk_type", "settings.dataDiskType", "PD_SSD", fixed=True),
    Field("storage_auto_resize", "settings.storageAutoResize"),
    Field("storage_auto_resize_limit_gb", "settings.storageAutoResizeLimit", "0"),
    Field("availability_type", "settings.availabilityType", "ZONAL", BlastRadius.RESTARTS),
    Field("activation_policy", "settings.activationPolicy", "ALWAYS"),
    Field("backup_configuration.enabled", "settings.backupConfiguration.enabled"),
    Field("backup_configuration.start_time", "settings.backupConfiguration.startTime"),
    Field(
        "backup_configuration.point_in_time_recovery_enabled",
        "settings.backupConfiguration.pointInTimeRecoveryEnabled",
        radius=BlastRadius.RESTARTS,
    ),
    Field(
        "backup_configuration.retained_backups",
        "settings.backupConfiguration.backupRetentionSettings.retainedBackups",
    ),
    Field(
        "backup_configuration.transaction_log_retention_days",
        "settings.backupConfiguration.transactionLogRetentionDays",
    ),
    Field("ip_configuration.ipv4_enabled", "settings.ipConfiguration.ipv4Enabled"),
    Field("ip_configuration.authorized_networks", "settings.ipConfiguration.authorizedNetworks", same=_same_networks),
    Field("ip_configuration.ssl_mode", "settings.ipConfiguration.sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    Field("ip_configuration.private_network", "settings.ipConfiguration.privateNetwork", radius=BlastRadius.RESTARTS),
    Field("connector_enforcement", "settings.connectorEnforcement", "NOT_REQUIRED"),
    Field("deletion_protection_enabled", "settings.deletionProtectionEnabled"),
)


def settings_of(body: JsonObject) -> JsonObject:
    settings: JsonObject = body.get("settings", {})
    return settings


def wanted_value(params: Mapping[str, Any], field: Field) -> Any:
    value: Any = params
    for key in field.option.split("."):
        value = (value or {}).get(key)
    return value


def _found(body: JsonObject, field: Field) -> Any:
    value: Any = body
    for key in field.api.split("."):
        value = (value or {}).get(key)
    return field.implied if value is None else value


def _field_change(field: Field, params: Mapping[str, Any], body: JsonObject) -> Change | None:
    wanted, found = wanted_value(params, field), _found(body, field)
    if wanted is None or field.same(wanted, found):
        return None
    special = _SPECIAL.get(field.option)
    if special is not None:
        return special(wanted, found, _growing_as_wanted(params, body))
    if field.fixed:
        way_out = f"Google can't change it in place: {_keep(field.option, found, 'clone or restore into')}"
        return Change(field.option, found, wanted, "is fixed at creation", BlastRadius.DESTROYS, way_out)
    return Change(field.option, _printed(found), _printed(wanted), "differs", field.radius)


def _printed(value: Any) -> Any:
    if isinstance(value, list):
        return [{"value": address, "name": name} for address, name in _networks(value)]
    return int(value) if isinstance(value, str) and value.isdigit() else value


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
    if _version_number(wanted) < _version_number(str(found)):
        return Change(
            "database_version",
            found,
            wanted,
            "is a downgrade",
            BlastRadius.DESTROYS,
            f"Google can't downgrade: {_keep('database_version', found, 'export and import into')}",
        )
    targets = [str(target.get("name")) for target in body.get("upgradableDatabaseVersions", [])]
    refusal = ""
    if targets and wanted not in targets:
        refusal = f"Google can upgrade this instance to {', '.join(targets)} only: choose one of them"
    reason = "is a major version upgrade, which can't be undone"
    return Change("database_version", found, wanted, reason, BlastRadius.RESTARTS, refusal)


def _version_number(version: str) -> tuple[int, ...]:
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
    return Change(field, bool(found), wanted, "differs")


def _network_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "ip_configuration.private_network"
    # Google prints the network with or without its address in front.
    if found and (str(found).endswith(f"/{wanted}") or wanted.endswith(f"/{found}")):
        return None
    if not wanted:
        way_out = f"Google can't take it away: {_keep(field, found, 'clone or restore into')}"
        return Change(field, found, wanted, "can't be unset", BlastRadius.DESTROYS, way_out)
    return Change(field, found, wanted, "differs", BlastRadius.RESTARTS)


_SPECIAL: dict[str, Callable[[Any, Any, JsonObject], Change | None]] = {
    "data_disk_size_gb": _disk_change,
    "database_version": _version_change,
    "activation_policy": _activation_change,
    "backup_configuration.point_in_time_recovery_enabled": _pitr_change,
    "ip_configuration.private_network": _network_change,
}


def _flags(body: JsonObject) -> dict[str, str]:
    return {flag["name"]: str(flag.get("value", "")) for flag in settings_of(body).get("databaseFlags") or []}


def settings_as_options(body: JsonObject) -> JsonObject:
    """What Google says of an instance, as the options that would keep it so: a run with them changes nothing."""
    options: JsonObject = {}
    for field in FIELDS:
        value = _found(body, replace(field, implied=None))
        if field.option == "ip_configuration.authorized_networks":
            value = value or []
        # 0 is how Google says that a disk may grow without limit.
        elif value in (None, "", "0"):
            continue
        target = options
        *parents, last = field.option.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _printed(value)
    for option, found in (("database_flags", _flags(body)), ("user_labels", settings_of(body).get("userLabels"))):
        if found:
            options[option] = dict(found)
    return options


def field_changes(params: Mapping[str, Any], body: JsonObject) -> list[Change]:
    """What the user set and Google has otherwise, flags and labels aside."""
    found = (_field_change(field, params, body) for field in FIELDS)
    return [change for change in found if change is not None]


def flag_changes(
    params: Mapping[str, Any], body: JsonObject, known: Mapping[str, JsonObject] | None = None
) -> list[Change]:
    """Flags that differ. One that Google does not describe is taken to need a restart."""
    changes = plans.managed_keys("database_flags", params.get("database_flags"), _flags(body))
    restarts = {name for name, flag in (known or {}).items() if not flag.get("requiresRestart")}
    return [
        change if _key(change) in restarts else replace(change, blast_radius=BlastRadius.RESTARTS) for change in changes
    ]


def _key(change: Change) -> str:
    return change.field.split(".", 1)[1]


def _body(changes: Iterable[Change]) -> JsonObject:
    """The API's nested object that holds the new values of these changes (flags aside)."""
    api = {field.option: field.api for field in FIELDS}
    body: JsonObject = {}
    for change in changes:
        if change.field.startswith("database_flags."):
            continue
        # A label's key may hold no dot, an API path does.
        path = api.get(change.field, "").split(".") if change.field in api else ["settings", "userLabels", _key(change)]
        target = body
        for key in path[:-1]:
            target = target.setdefault(key, {})
        target[path[-1]] = _sent(change)
    return body


def _sent(change: Change) -> Any:
    if change.field in {"data_disk_size_gb", "storage_auto_resize_limit_gb"}:
        # 64-bit numbers travel as strings.
        return str(change.after)
    if change.field == "ip_configuration.authorized_networks":
        return [{"kind": "sql#aclEntry", **network} for network in change.after]
    return change.after


def patches(plan: Plan, body: JsonObject) -> list[JsonObject]:
    """The PATCH bodies in the order in which they must run: start, upgrade, the rest, stop."""
    start = [c for c in plan.applicable if c.field == "activation_policy" and c.after != "NEVER"]
    stop = [c for c in plan.applicable if c.field == "activation_policy" and c.after == "NEVER"]
    upgrade = [c for c in plan.applicable if c.field == "database_version"]
    rest = [c for c in plan.applicable if c not in [*start, *stop, *upgrade]]
    bodies = [_body(group) for group in (start, upgrade, rest, stop)]
    flags = [c for c in rest if c.field.startswith("database_flags.")]
    if flags:
        # Lists are replaced whole: what is not ours goes back as it was.
        merged: dict[str, Any] = {**_flags(body), **{_key(c): c.after for c in flags}}
        wanted = [{"name": name, "value": value} for name, value in merged.items() if value is not None]
        bodies[2].setdefault("settings", {})["databaseFlags"] = wanted
    return [group for group in bodies if group]


def insert_body(name: str, plan: Plan) -> JsonObject:
    """What creates the instance."""
    body: JsonObject = {"name": name, **_body(plan.applicable)}
    flags = [c for c in plan.applicable if c.field.startswith("database_flags.")]
    if flags:
        body["settings"]["databaseFlags"] = [{"name": _key(c), "value": c.after} for c in flags]
    return body
