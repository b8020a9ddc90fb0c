"""What Cloud SQL fills in, refuses and restarts for: pure functions over an instance's settings.

Defaults as public recordings of a minimal PostgreSQL instance show them. 64-bit numbers are strings, 32-bit are not.
"""

import re

from sandbox.apis.sqladmin.resources import invalid
from sandbox.cloudsql.flags import FLAGS, problem_with
from sandbox.cloudsql.tiers import ENTERPRISE_PLUS_BY_DEFAULT_SINCE, REGIONS, VERSIONS, find_tier
from sandbox.core.documents import Json, merge
from sandbox.core.errors import classic

NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,96}[a-z0-9])?")
LONGEST_CONNECTION_NAME = 98
INT64 = ("dataDiskSizeGb", "storageAutoResizeLimit", "settingsVersion")
SMALLEST_DISK_GB = 10
ENUMERATIONS = {
    "activationPolicy": ("ALWAYS", "NEVER", "ON_DEMAND"),
    "availabilityType": ("ZONAL", "REGIONAL"),
    "connectorEnforcement": ("NOT_REQUIRED", "REQUIRED"),
    "dataDiskType": ("PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"),
    "edition": ("ENTERPRISE", "ENTERPRISE_PLUS"),
}
SSL_MODES = ("ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")
# The Settings message of the discovery document (sqladmin v1, revision 20261018).
FIELDS = frozenset(
    [
        "activationPolicy",
        "activeDirectoryConfig",
        "advancedMachineFeatures",
        "authorizedGaeApplications",
        "autoUpgradeEnabled",
        "availabilityType",
        "backupConfiguration",
        "collation",
        "connectionPoolConfig",
        "connectorEnforcement",
        "crashSafeReplicationEnabled",
        "dataApiAccess",
        "dataCacheConfig",
        "dataDiskProvisionedIops",
        "dataDiskProvisionedThroughput",
        "dataDiskSizeGb",
        "dataDiskType",
        "databaseFlags",
        "databaseReplicationEnabled",
        "deletionProtectionEnabled",
        "denyMaintenancePeriods",
        "edition",
        "enableDataplexIntegration",
        "enableGoogleMlIntegration",
        "entraidConfig",
        "finalBackupConfig",
        "insightsConfig",
        "ipConfiguration",
        "kind",
        "locationPreference",
        "maintenanceWindow",
        "passwordValidationPolicy",
        "pricingPlan",
        "readPoolAutoScaleConfig",
        "replicationLagMaxSeconds",
        "replicationType",
        "retainBackupsOnDelete",
        "settingsVersion",
        "sqlServerAuditConfig",
        "storageAutoResize",
        "storageAutoResizeLimit",
        "tier",
        "timeZone",
        "userLabels",
    ]
)


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
    full = merge(defaults, settings)
    for network in full["ipConfiguration"].get("authorizedNetworks", []):
        network.setdefault("kind", "sql#aclEntry")
    return {name: str(value) if name in INT64 else value for name, value in full.items()}


def check_new(project: str, name: str, version: str, region: str) -> None:
    """Refuse a name, version or region that Cloud SQL would refuse."""
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


def check_fields(settings: Json) -> None:
    """Refuse fields and enum values that the discovery document does not know."""
    for name, value in settings.items():
        if name not in FIELDS:
            message = f"Invalid JSON payload received. Unknown name \"{name}\" at 'body.settings': Cannot find field."
            raise classic(400, message, "invalid")
        if name in ENUMERATIONS and value is not None and value not in ENUMERATIONS[name]:
            raise classic(400, f"Invalid value at 'body.settings.{name}', \"{value}\"", "invalid")
    mode = settings.get("ipConfiguration", {}).get("sslMode")
    if mode is not None and mode not in SSL_MODES:
        raise classic(400, f"Invalid value at 'body.settings.ip_configuration.ssl_mode', \"{mode}\"", "invalid")


def check(settings: Json) -> None:
    """Refuse complete settings that do not fit together."""
    tier, edition = find_tier(settings.get("tier", "")), settings["edition"]
    if tier is None:
        # As recorded in terraform-google-modules/terraform-google-sql-db#256.
        raise invalid(f"Tier ({settings.get('tier', '')}).")
    if tier.edition != edition:
        raise invalid(
            f"Invalid Tier ({tier.name}) for ({edition}) Edition. Use a predefined Tier like "
            f"{'db-perf-optimized-N-*' if edition == 'ENTERPRISE_PLUS' else 'db-custom-*'} instead."
        )
    if int(settings["dataDiskSizeGb"]) < SMALLEST_DISK_GB:
        raise invalid(f"The disk size must be at least {SMALLEST_DISK_GB} GB.")
    backups = settings["backupConfiguration"]
    point_in_time = backups.get("pointInTimeRecoveryEnabled", False)
    if point_in_time and not backups["enabled"]:
        raise invalid("Point in time recovery requires automated backups to be enabled.")
    if settings["availabilityType"] == "REGIONAL" and not point_in_time:
        raise invalid("Regional availability requires automated backups and point in time recovery to be enabled.")
    for flag in settings.get("databaseFlags", []):
        if problem := problem_with(flag.get("name", ""), str(flag.get("value", ""))):
            raise classic(400, f"Invalid request: {problem}", "invalid")


def check_change(before: Json, after: Json) -> None:
    """Refuse what a running instance cannot become."""
    if int(after["dataDiskSizeGb"]) < int(before["dataDiskSizeGb"]):
        raise invalid("The disk size cannot be decreased.")
    if after["dataDiskType"] != before["dataDiskType"]:
        raise invalid("The disk type cannot be changed.")
    network = before["ipConfiguration"].get("privateNetwork")
    if network and not after["ipConfiguration"].get("privateNetwork"):
        raise invalid("The private network cannot be removed.")


def needs_restart(before: Json, after: Json) -> bool:
    """Whether the change restarts PostgreSQL (tier, edition, zone, point-in-time recovery on, flags that say so)."""

    def point_in_time(settings: Json) -> bool:
        return bool(settings["backupConfiguration"].get("pointInTimeRecoveryEnabled", False))

    if any(before.get(name) != after.get(name) for name in ("tier", "edition", "locationPreference")):
        return True
    if point_in_time(after) and not point_in_time(before):
        return True
    old, new = _flags(before), _flags(after)
    changed = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    return any(FLAGS[name].requires_restart for name in changed)


def _flags(settings: Json) -> dict[str, str]:
    return {flag["name"]: flag["value"] for flag in settings.get("databaseFlags", [])}
