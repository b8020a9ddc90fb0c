# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of an instance's settings, as Ansible's argument specification. Enumerations: the discovery document."""

from __future__ import annotations

from typing import Any

_BACKUP: dict[str, Any] = {
    "enabled": {"type": "bool"},
    "start_time": {"type": "str"},
    "location": {"type": "str"},
    "point_in_time_recovery_enabled": {"type": "bool"},
    "retained_backups": {"type": "int"},
    "transaction_log_retention_days": {"type": "int"},
}
_NETWORK: dict[str, Any] = {"name": {"type": "str"}, "value": {"type": "str", "required": True}}
_IP: dict[str, Any] = {
    "ipv4_enabled": {"type": "bool"},
    "authorized_networks": {"type": "list", "elements": "dict", "options": _NETWORK},
    "ssl_mode": {
        "type": "str",
        "choices": ["ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"],
    },
    "private_network": {"type": "str"},
    "allocated_ip_range": {"type": "str"},
    "enable_private_path_for_google_cloud_services": {"type": "bool"},
}
_LOCATION: dict[str, Any] = {"zone": {"type": "str"}, "secondary_zone": {"type": "str"}}
_MAINTENANCE: dict[str, Any] = {
    "day": {"type": "int"},
    "hour": {"type": "int"},
    "update_track": {"type": "str", "choices": ["canary", "stable", "week5"]},
}
_DENY: dict[str, Any] = {
    "start_date": {"type": "str", "required": True},
    "end_date": {"type": "str", "required": True},
    "time": {"type": "str"},
}
_INSIGHTS: dict[str, Any] = {
    "query_insights_enabled": {"type": "bool"},
    "query_string_length": {"type": "int"},
    "query_plans_per_minute": {"type": "int"},
    "record_application_tags": {"type": "bool"},
    "record_client_address": {"type": "bool"},
}
# No secrets, whatever "password" in their names suggests.
_PASSWORDS: dict[str, Any] = {
    "enable_password_policy": {"type": "bool", "no_log": False},
    "min_length": {"type": "int"},
    "complexity": {"type": "str", "choices": ["COMPLEXITY_DEFAULT", "COMPLEXITY_UNSPECIFIED"]},
    "disallow_username_substring": {"type": "bool"},
}
SETTINGS: dict[str, Any] = {
    "database_version": {"type": "str"},
    "region": {"type": "str"},
    "edition": {"type": "str", "choices": ["ENTERPRISE", "ENTERPRISE_PLUS"]},
    "tier": {"type": "str"},
    "data_disk_size_gb": {"type": "int"},
    "data_disk_type": {"type": "str", "choices": ["PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"]},
    "storage_auto_resize": {"type": "bool"},
    "storage_auto_resize_limit_gb": {"type": "int"},
    "availability_type": {"type": "str", "choices": ["ZONAL", "REGIONAL"]},
    "location_preference": {"type": "dict", "options": _LOCATION},
    "activation_policy": {"type": "str", "choices": ["ALWAYS", "NEVER"]},
    "backup_configuration": {"type": "dict", "options": _BACKUP},
    "retain_backups_on_delete": {"type": "bool"},
    "maintenance_window": {"type": "dict", "options": _MAINTENANCE},
    "deny_maintenance_periods": {"type": "list", "elements": "dict", "options": _DENY},
    "insights_config": {"type": "dict", "options": _INSIGHTS},
    "password_validation_policy": {"type": "dict", "options": _PASSWORDS, "no_log": False},
    "database_flags": {"type": "dict"},
    "ip_configuration": {"type": "dict", "options": _IP},
    "connector_enforcement": {"type": "str", "choices": ["NOT_REQUIRED", "REQUIRED"]},
    "user_labels": {"type": "dict"},
    "deletion_protection_enabled": {"type": "bool"},
}


def choices_of(option: str) -> list[Any] | None:
    """What an option (with dots for those inside others) may be; None if anything of its type."""
    *parents, last = option.split(".")
    options = SETTINGS
    for parent in parents:
        options = options[parent]["options"]
    found: list[Any] | None = options[last].get("choices")
    return found
