"""The fields of an instance's settings, as the discovery document has them (sqladmin v1, revision 20261018).

And of them what the sandbox refuses, because nothing here would act on it.
"""

FIELDS = frozenset(
    [
        "acceleratedReplicaMode",
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
        "performanceCaptureConfig",
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
NESTED = {
    "backupConfiguration": frozenset(
        [
            "backupRetentionSettings",
            "backupTier",
            "binaryLogEnabled",
            "enabled",
            "kind",
            "location",
            "pointInTimeRecoveryEnabled",
            "replicationLogArchivingEnabled",
            "startTime",
            "transactionLogRetentionDays",
            "transactionalLogStorageState",
        ]
    ),
    "finalBackupConfig": frozenset(["enabled", "retentionDays"]),
    "insightsConfig": frozenset(
        [
            "enhancedQueryInsightsEnabled",
            "queryInsightsEnabled",
            "queryPlansPerMinute",
            "queryStringLength",
            "recordApplicationTags",
            "recordClientAddress",
        ]
    ),
    "maintenanceWindow": frozenset(["day", "hour", "kind", "updateTrack"]),
    "passwordValidationPolicy": frozenset(
        [
            "complexity",
            "disallowCompromisedCredentials",
            "disallowUsernameSubstring",
            "enablePasswordPolicy",
            "minLength",
            "passwordChangeInterval",
            "reuseInterval",
        ]
    ),
}
ENUMERATIONS = {
    "activationPolicy": ("ALWAYS", "NEVER", "ON_DEMAND"),
    "availabilityType": ("ZONAL", "REGIONAL"),
    "connectorEnforcement": ("NOT_REQUIRED", "REQUIRED"),
    "dataDiskType": ("PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"),
    "edition": ("ENTERPRISE", "ENTERPRISE_PLUS"),
    "pricingPlan": ("PER_USE", "PACKAGE"),
    "replicationType": ("SYNCHRONOUS", "ASYNCHRONOUS"),
}
SSL_MODES = ("ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED")
INTEGERS = ("dataDiskSizeGb", "storageAutoResizeLimit", "settingsVersion")
BOOLEANS = ("storageAutoResize", "deletionProtectionEnabled", "retainBackupsOnDelete")

NOT_EMULATED = (
    "acceleratedReplicaMode",
    "activeDirectoryConfig",
    "advancedMachineFeatures",
    "authorizedGaeApplications",
    "collation",
    "connectionPoolConfig",
    "crashSafeReplicationEnabled",
    "databaseReplicationEnabled",
    "enableDataplexIntegration",
    "enableGoogleMlIntegration",
    "entraidConfig",
    "performanceCaptureConfig",
    "readPoolAutoScaleConfig",
    "timeZone",
)
"""Refused unless empty or false, as clients send them back."""
NOT_EMULATED_INSTANCE = (
    "diskEncryptionConfiguration",
    "failoverReplica",
    "masterInstanceName",
    "nodeCount",
    "onPremisesConfiguration",
    "replicaConfiguration",
    "replicationCluster",
)
"""The same beside `settings`."""
