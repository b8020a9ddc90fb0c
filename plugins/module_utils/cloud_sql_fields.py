# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields of an instance: which option is which key of the API, in which form, and what changing it does. Pure.

Blast radius: WARNINGs of the discovery document and the prompt of gcloud's patch.py (tier, edition, zone, length of
queries, flags), the pages configure-pitr and configure-private-ip; by caution what no source calls safe: availability
type, secondary zone, allocated range. Implied values: a recorded minimal creation, and defaults that the discovery
document names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_options import choices_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_RESTARTS = BlastRadius.RESTARTS
_MIDNIGHT = "00:00:00"


def _plain(value: Any) -> Any:
    """64-bit numbers travel as strings."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _unchanged(value: Any) -> Any:
    return value


def _networks(value: Iterable[Mapping[str, Any]] | None) -> list[dict[str, str]]:
    """Google's entries or the user's, as the option has them, in one order."""
    entries = [{"value": str(one.get("value")), "name": str(one.get("name") or "")} for one in value or []]
    return sorted(entries, key=lambda entry: (entry["value"], entry["name"]))


def cidr(address: str) -> str:
    """One way to write a network: a lone address is a network of one."""
    try:
        return str(ip_network(address, strict=False))
    except ValueError:
        return address


def _same_networks(desired: Any, actual: Any) -> bool:
    pairs = [{(cidr(entry["value"]), entry["name"]) for entry in _networks(one)} for one in (desired, actual)]
    return pairs[0] == pairs[1]


def _periods(value: Iterable[Mapping[str, Any]] | None) -> list[dict[str, str]]:
    return [
        {
            "start_date": str(one.get("start_date") or one.get("startDate")),
            "end_date": str(one.get("end_date") or one.get("endDate")),
            "time": str(one.get("time") or _MIDNIGHT),
        }
        for one in value or []
    ]


def _same_periods(desired: Any, actual: Any) -> bool:
    return _periods(desired) == _periods(actual)


@dataclass(frozen=True)
class Field:
    """How one option maps to the API.

    ``implied`` is what a missing value in Google's answer means; ``shown`` makes Google's form the option's, ``sent``
    the option's Google's. Values in ``unset`` say that nobody has set it; one that is not ``adopted`` is no part of an
    instance as options, since Google may change it by itself.
    """

    option: str
    api: str
    implied: Any = None
    radius: BlastRadius = BlastRadius.SAFE
    same: Callable[[Any, Any], bool] = plans.same
    fixed: bool = False
    shown: Callable[[Any], Any] = _plain
    sent: Callable[[Any], Any] = _unchanged
    unset: tuple[Any, ...] = ("", None)
    adopted: bool = True


FIELDS = (
    Field("database_version", "databaseVersion", radius=_RESTARTS),
    Field("region", "region", same=plans.same_ignoring_case, fixed=True),
    Field("edition", "settings.edition", "ENTERPRISE", _RESTARTS),
    Field("tier", "settings.tier", radius=_RESTARTS),
    Field("data_disk_size_gb", "settings.dataDiskSizeGb", sent=str),
    Field("data_disk_type", "settings.dataDiskType", "PD_SSD", fixed=True),
    Field("storage_auto_resize", "settings.storageAutoResize"),
    # 0 is how Google says that a disk may grow without limit.
    Field("storage_auto_resize_limit_gb", "settings.storageAutoResizeLimit", "0", sent=str, unset=("", "0", None)),
    Field("availability_type", "settings.availabilityType", "ZONAL", _RESTARTS),
    Field("location_preference.zone", "settings.locationPreference.zone", radius=_RESTARTS, adopted=False),
    Field(
        "location_preference.secondary_zone",
        "settings.locationPreference.secondaryZone",
        radius=_RESTARTS,
        adopted=False,
    ),
    Field("activation_policy", "settings.activationPolicy", "ALWAYS"),
    Field("backup_configuration.enabled", "settings.backupConfiguration.enabled"),
    Field("backup_configuration.start_time", "settings.backupConfiguration.startTime"),
    Field("backup_configuration.location", "settings.backupConfiguration.location", same=plans.same_ignoring_case),
    Field(
        "backup_configuration.point_in_time_recovery_enabled",
        "settings.backupConfiguration.pointInTimeRecoveryEnabled",
        radius=_RESTARTS,
    ),
    Field(
        "backup_configuration.retained_backups",
        "settings.backupConfiguration.backupRetentionSettings.retainedBackups",
    ),
    Field(
        "backup_configuration.transaction_log_retention_days",
        "settings.backupConfiguration.transactionLogRetentionDays",
    ),
    Field("retain_backups_on_delete", "settings.retainBackupsOnDelete"),
    # A day of 0 is no window.
    Field("maintenance_window.day", "settings.maintenanceWindow.day", unset=("", 0, None)),
    Field("maintenance_window.hour", "settings.maintenanceWindow.hour", 0),
    Field("maintenance_window.update_track", "settings.maintenanceWindow.updateTrack"),
    Field(
        "deny_maintenance_periods",
        "settings.denyMaintenancePeriods",
        same=_same_periods,
        shown=_periods,
        sent=lambda periods: [
            {"startDate": one["start_date"], "endDate": one["end_date"], "time": one["time"]} for one in periods
        ],
        unset=(None, []),
    ),
    Field("insights_config.query_insights_enabled", "settings.insightsConfig.queryInsightsEnabled"),
    Field("insights_config.query_string_length", "settings.insightsConfig.queryStringLength", 1024, _RESTARTS),
    Field("insights_config.query_plans_per_minute", "settings.insightsConfig.queryPlansPerMinute", 5),
    Field("insights_config.record_application_tags", "settings.insightsConfig.recordApplicationTags"),
    Field("insights_config.record_client_address", "settings.insightsConfig.recordClientAddress"),
    Field(
        "password_validation_policy.enable_password_policy",
        "settings.passwordValidationPolicy.enablePasswordPolicy",
    ),
    Field("password_validation_policy.min_length", "settings.passwordValidationPolicy.minLength", 0),
    Field(
        "password_validation_policy.complexity",
        "settings.passwordValidationPolicy.complexity",
        "COMPLEXITY_UNSPECIFIED",
    ),
    Field(
        "password_validation_policy.disallow_username_substring",
        "settings.passwordValidationPolicy.disallowUsernameSubstring",
    ),
    Field("ip_configuration.ipv4_enabled", "settings.ipConfiguration.ipv4Enabled"),
    Field(
        "ip_configuration.authorized_networks",
        "settings.ipConfiguration.authorizedNetworks",
        same=_same_networks,
        shown=_networks,
        sent=lambda networks: [{"kind": "sql#aclEntry", **network} for network in networks],
        unset=(),
    ),
    Field("ip_configuration.ssl_mode", "settings.ipConfiguration.sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    Field("ip_configuration.private_network", "settings.ipConfiguration.privateNetwork", radius=_RESTARTS),
    Field("ip_configuration.allocated_ip_range", "settings.ipConfiguration.allocatedIpRange", radius=_RESTARTS),
    Field(
        "ip_configuration.enable_private_path_for_google_cloud_services",
        "settings.ipConfiguration.enablePrivatePathForGoogleCloudServices",
    ),
    Field("connector_enforcement", "settings.connectorEnforcement", "NOT_REQUIRED"),
    Field("deletion_protection_enabled", "settings.deletionProtectionEnabled"),
)
BY_OPTION = {field.option: field for field in FIELDS}


def settings_of(body: JsonObject) -> JsonObject:
    """An instance's settings."""
    settings: JsonObject = body.get("settings", {})
    return settings


def wanted_value(params: Mapping[str, Any], field: Field) -> Any:
    """What the user set; None is unmanaged."""
    value: Any = params
    for key in field.option.split("."):
        value = (value or {}).get(key)
    return value


def raw_value(body: JsonObject, field: Field) -> Any:
    """What Google says, in its own form; None if it says nothing."""
    value: Any = body
    for key in field.api.split("."):
        value = (value or {}).get(key)
    return value


def found_value(body: JsonObject, field: Field) -> Any:
    """What Google says, or means by saying nothing."""
    value = raw_value(body, field)
    return field.implied if value is None else value


def flags_of(body: JsonObject) -> dict[str, str]:
    """The instance's database flags as a map."""
    return {flag["name"]: str(flag.get("value", "")) for flag in settings_of(body).get("databaseFlags") or []}


def settings_as_options(body: JsonObject) -> JsonObject:
    """What Google says of an instance, as the options that would keep it so: a run with them changes nothing."""
    options: JsonObject = {}
    for field in FIELDS:
        value = raw_value(body, field)
        choices = choices_of(field.option)
        # Google knows values that no option takes (a newer edition): those stay unmanaged.
        if not field.adopted or value in field.unset or (choices and value not in choices):
            continue
        target = options
        *parents, last = field.option.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = field.shown(value)
    for option, found in (("database_flags", flags_of(body)), ("user_labels", settings_of(body).get("userLabels"))):
        if found:
            options[option] = dict(found)
    return options
