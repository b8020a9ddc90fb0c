"""What Cloud SQL fills in, refuses and restarts for: pure functions over an instance's settings.

Defaults as public recordings of a minimal PostgreSQL instance show them. 64-bit numbers are strings, 32-bit are not.
"""

import re
from collections.abc import Mapping

from sandbox.apis.sqladmin.resources import invalid
from sandbox.apis.sqladmin.settings_fields import (
    BOOLEANS,
    ENUMERATIONS,
    FIELDS,
    INTEGERS,
    NESTED,
    NOT_EMULATED,
    NOT_EMULATED_INSTANCE,
    SSL_MODES,
)
from sandbox.cloudsql.flags import FLAGS, is_known, normalized, problem_with
from sandbox.cloudsql.tiers import ENTERPRISE_PLUS_BY_DEFAULT_SINCE, REGIONS, VERSIONS, find_tier
from sandbox.core.documents import Json, merge
from sandbox.core.errors import ApiError, classic

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,96}[a-z0-9])?")
LONGEST_CONNECTION_NAME = 98
SMALLEST_DISK_GB = 10
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}"), re.compile(r"[a-z0-9_-]{0,63}")
START_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
# Ranges as the discovery document and https://cloud.google.com/sql/docs/postgres/backup-recovery/backups give them.
BACKUPS_KEPT = range(1, 366)
RANGES = {
    "maintenanceWindow": {"day": range(8), "hour": range(24)},
    "insightsConfig": {"queryStringLength": range(256, 4501), "queryPlansPerMinute": range(21)},
    "finalBackupConfig": {"retentionDays": range(1, 366)},
}


def with_defaults(settings: Json, version: str, region: str) -> Json:
    """The settings as the service would send them back."""
    edition = "ENTERPRISE_PLUS" if VERSIONS[version] >= ENTERPRISE_PLUS_BY_DEFAULT_SINCE else "ENTERPRISE"
    edition = settings.get("edition", edition)
    plus = edition == "ENTERPRISE_PLUS"
    defaults: Json = {
        "kind": "sql#settings",
        "activationPolicy": "ALWAYS",
        "authorizedGaeApplications": [],
        "availabilityType": "ZONAL",
        "backupConfiguration": {
            "kind": "sql#backupConfiguration",
            "enabled": False,
            "startTime": "12:00",
            "backupTier": "STANDARD",
            "backupRetentionSettings": {"retainedBackups": 15 if plus else 7, "retentionUnit": "COUNT"},
            "transactionLogRetentionDays": 14 if plus else 7,
            "transactionalLogStorageState": "TRANSACTIONAL_LOG_STORAGE_STATE_UNSPECIFIED",
        },
        "connectorEnforcement": "NOT_REQUIRED",
        "dataDiskSizeGb": "20" if plus else "10",
        "dataDiskType": "PD_SSD",
        "deletionProtectionEnabled": False,
        "edition": edition,
        "ipConfiguration": {
            "authorizedNetworks": [],
            "ipv4Enabled": True,
            "requireSsl": False,
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
            "serverCertificateRotationMode": "NO_AUTOMATIC_ROTATION",
            "sslMode": "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        },
        "locationPreference": {"kind": "sql#locationPreference", "zone": f"{region}-a"},
        "pricingPlan": "PER_USE",
        "replicationLagMaxSeconds": 31536000,
        "replicationType": "SYNCHRONOUS",
        "storageAutoResize": True,
        "storageAutoResizeLimit": "0",
    }
    full = merge(defaults, _without_null(settings))
    _as_printed(full)
    return {name: str(value) if name in INTEGERS else value for name, value in full.items()}


def _without_null(document: Json) -> Json:
    """What is null was not given: its default holds."""
    return {
        name: _without_null(value) if isinstance(value, dict) else value
        for name, value in document.items()
        if value is not None
    }


def _as_printed(settings: Json) -> None:
    """Kinds where the service adds them; plain booleans that are false it leaves out (as recordings show)."""
    for network in settings["ipConfiguration"].get("authorizedNetworks", []):
        network.setdefault("kind", "sql#aclEntry")
    if "databaseFlags" in settings:
        settings["databaseFlags"] = [normalized(flag) for flag in settings["databaseFlags"]]
    if "maintenanceWindow" in settings:
        settings["maintenanceWindow"] = {"kind": "sql#maintenanceWindow", **settings["maintenanceWindow"]}
    if (insights := settings.get("insightsConfig")) is not None:
        numbers = {"queryPlansPerMinute": 5, "queryStringLength": 1024}
        printed = {name: value for name, value in insights.items() if value is not False}
        settings["insightsConfig"] = numbers | printed if insights.get("queryInsightsEnabled") else printed
    if not settings["backupConfiguration"].get("pointInTimeRecoveryEnabled"):
        settings["backupConfiguration"].pop("pointInTimeRecoveryEnabled", None)


def check_new(project: str, name: str, version: str, region: str) -> None:
    """Refuse a name, version or region that Cloud SQL would refuse.

    Wording ours, but for the version's: Google's texts are not known.
    """
    if not NAME.fullmatch(name):
        raise invalid(
            f"Invalid instance name ({name}). Instance names must start with a letter and hold only lower-case "
            "letters, digits and hyphens."
        )
    if len(f"{project}:{name}") > LONGEST_CONNECTION_NAME:
        raise invalid(
            f"Invalid instance name ({name}): project and instance name exceed {LONGEST_CONNECTION_NAME} characters."
        )
    if version not in VERSIONS:
        # As recorded in hashicorp/terraform-provider-google#3964.
        raise classic(400, f"Invalid value at 'body.database_version' (TYPE_ENUM), \"{version}\"", "badRequest")
    if region not in REGIONS:
        raise invalid(f"Invalid region ({region}).")


def check_instance(body: Json) -> None:
    """Refuse what stands beside the settings and is not emulated (wording ours)."""
    for name in NOT_EMULATED_INSTANCE:
        if body.get(name):
            raise invalid(f"the sandbox does not emulate {name}.")


def check_fields(settings: Json) -> None:
    """Refuse fields and values that the discovery document does not know, or that nothing here would act on.

    Texts as recorded in hashicorp/terraform-provider-google#3964; those about the sandbox are ours.
    """
    _check_names("body.settings", settings, FIELDS)
    for name, known in NESTED.items():
        _check_names(f"body.settings.{_snake(name)}", settings.get(name) or {}, known)
    for name, allowed in ENUMERATIONS.items():
        if settings.get(name) is not None and settings[name] not in allowed:
            raise _bad_value(name, settings[name])
    mode = (settings.get("ipConfiguration") or {}).get("sslMode")
    if mode is not None and mode not in SSL_MODES:
        raise _bad_value("ipConfiguration.sslMode", mode)
    for name in INTEGERS:
        if settings.get(name) is not None and not re.fullmatch(r"\d{1,18}", str(settings[name])):
            raise _bad_value(name, settings[name])
    for name in BOOLEANS:
        if settings.get(name) is not None and not isinstance(settings[name], bool):
            raise _bad_value(name, settings[name])
    for name in NOT_EMULATED:
        if settings.get(name):
            raise invalid(f"the sandbox does not emulate settings.{name}.")


def _check_names(where: str, given: Mapping[str, object], known: frozenset[str]) -> None:
    for name in given:
        if name not in known:
            # As recorded in decolua/9router#1876.
            message = f"Invalid JSON payload received. Unknown name \"{name}\" at '{where}': Cannot find field."
            raise classic(400, message, "invalid")


def _bad_value(name: str, value: object) -> ApiError:
    """The form of hashicorp/terraform-provider-google#3964, without the type."""
    return classic(400, f"Invalid value at 'body.settings.{_snake(name)}', \"{value}\"", "invalid")


def _snake(name: str) -> str:
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def check(settings: Json, version: str) -> None:
    """Refuse complete settings that do not fit together."""
    tier, edition = find_tier(settings.get("tier", "")), settings["edition"]
    if tier is None:
        # As recorded in terraform-google-modules/terraform-google-sql-db#256.
        raise invalid(f"Tier ({settings.get('tier', '')}).")
    if tier.edition != edition:
        # As recorded in hashicorp/terraform-provider-google#20498.
        raise invalid(
            f"Invalid Tier ({tier.name}) for ({edition}) Edition. Use a predefined Tier like "
            f"{'db-perf-optimized-N-*' if edition == 'ENTERPRISE_PLUS' else 'db-custom-*'} instead."
        )
    _check_disk(settings)
    _check_backups(settings, plus=edition == "ENTERPRISE_PLUS")
    _check_details(settings)
    _check_flags(settings, version)


def _check_flags(settings: Json, version: str) -> None:
    given = settings.get("databaseFlags", [])
    for flag in given:
        if flag["name"].startswith("cloudsql.") and flag["name"] not in FLAGS:
            raise invalid(f"the sandbox does not emulate the flag {flag['name']}.")
        if not is_known(flag["name"], VERSIONS[version]):
            # https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, ERROR_INVALID_FLAG_NAME; which flag
            # is ours to add.
            message = "The requested flag is either misspelled or unsupported by Cloud SQL."
            raise classic(400, f"{message} ({flag['name']})", "invalidFlagName")
        if problem := problem_with(flag["name"], flag["value"]):
            # See sandbox/cloudsql/flags.py; the reason: https://cloud.google.com/sql/docs/postgres/admin-api/error-messages.
            raise classic(400, problem, "invalidFlagValue")
    if len({flag["name"] for flag in given}) < len(given):
        # Wording ours: Google's text is not known.
        raise invalid("a database flag is given twice.")


def _check_disk(settings: Json) -> None:
    """Wording ours: Google's texts are not known."""
    size, limit = int(settings["dataDiskSizeGb"]), int(settings["storageAutoResizeLimit"])
    if size < SMALLEST_DISK_GB:
        raise invalid(f"The disk size must be at least {SMALLEST_DISK_GB} GB.")
    if limit and limit < size:
        raise invalid(f"The storage auto resize limit ({limit} GB) is below the disk size ({size} GB).")


def _check_backups(settings: Json, *, plus: bool) -> None:
    """Wording ours: Google's texts are not known."""
    backups = settings["backupConfiguration"]
    point_in_time = backups.get("pointInTimeRecoveryEnabled", False)
    if point_in_time and not backups["enabled"]:
        raise invalid("Point in time recovery requires automated backups to be enabled.")
    if settings["availabilityType"] == "REGIONAL" and not point_in_time:
        raise invalid("Regional availability requires automated backups and point in time recovery to be enabled.")
    if not START_TIME.fullmatch(str(backups["startTime"])):
        raise invalid(f"The backup start time ({backups['startTime']}) must be HH:MM in UTC.")
    retention = backups["backupRetentionSettings"]
    if retention["retentionUnit"] != "COUNT" or retention["retainedBackups"] not in BACKUPS_KEPT:
        raise invalid(f"Backups are retained by COUNT, {BACKUPS_KEPT[0]} to {BACKUPS_KEPT[-1]} of them.")
    longest = 35 if plus else 7
    if backups["transactionLogRetentionDays"] not in range(1, longest + 1):
        raise invalid(f"Transaction logs are retained for 1 to {longest} days.")


def _check_details(settings: Json) -> None:
    """Wording ours: Google's texts are not known."""
    for name, fields in RANGES.items():
        for field, allowed in fields.items():
            value = (settings.get(name) or {}).get(field)
            if value is not None and value not in allowed:
                raise invalid(f"settings.{name}.{field} ({value}) must be {allowed[0]} to {allowed[-1]}.")
    policy = settings.get("passwordValidationPolicy") or {}
    for field in ("reuseInterval", "passwordChangeInterval", "disallowCompromisedCredentials"):
        if policy.get(field):
            raise invalid(f"the sandbox does not emulate settings.passwordValidationPolicy.{field}.")
    for key, value in (settings.get("userLabels") or {}).items():
        if not LABEL[0].fullmatch(key) or not LABEL[1].fullmatch(str(value)):
            raise invalid(f"Invalid label ({key}: {value}).")


def check_change(before: Json, after: Json) -> None:
    """Refuse what a running instance cannot become. Wording ours: Google's texts are not known."""
    if int(after["dataDiskSizeGb"]) < int(before["dataDiskSizeGb"]):
        raise invalid("The disk size cannot be decreased.")
    if after["dataDiskType"] != before["dataDiskType"]:
        raise invalid("The disk type cannot be changed.")
    network = before["ipConfiguration"].get("privateNetwork")
    if network and not after["ipConfiguration"].get("privateNetwork"):
        raise invalid("The private network cannot be removed.")


def needs_restart(before: Json, after: Json) -> bool:
    """Whether the change restarts PostgreSQL: tier, edition, zone, point-in-time recovery on, flags that say so.

    And the length of the queries that Query Insights keeps, as the discovery document says, and a private network:
    https://cloud.google.com/sql/docs/postgres/configure-private-ip (an existing instance).
    """

    def point_in_time(settings: Json) -> bool:
        return bool(settings["backupConfiguration"].get("pointInTimeRecoveryEnabled", False))

    if any(before.get(name) != after.get(name) for name in ("tier", "edition", "locationPreference")):
        return True
    if point_in_time(after) and not point_in_time(before):
        return True
    if before["ipConfiguration"].get("privateNetwork") != after["ipConfiguration"].get("privateNetwork"):
        return True
    length = [(settings.get("insightsConfig") or {}).get("queryStringLength", 1024) for settings in (before, after)]
    if length[0] != length[1]:
        return True
    old, new = _flags(before), _flags(after)
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return any(FLAGS[name].restart for name in changed)


def _flags(settings: Json) -> dict[str, str]:
    return {flag["name"]: flag["value"] for flag in settings.get("databaseFlags", [])}
