"""What can go wrong with a bucket."""

from tests.contract.bad_input import BUCKET, BadInput

AGED = {"age": 30}

ROWS = (
    BadInput("name", "is a URL", {"name": "gs://artifacts"}, ("no gs://", "correct mlflow_bucket")),
    BadInput("name", "has capitals", {"name": "Artifacts"}, ("lower-case letters", "correct mlflow_bucket")),
    BadInput("name", "is too short", {"name": "ab"}, ("3 to 63",)),
    BadInput(
        "location",
        "is another than the bucket's",
        {"name": BUCKET, "location": "US"},
        ("make one with a new name there",),
    ),
    BadInput(
        "hierarchical_namespace_enabled",
        "is another than the bucket's",
        {"name": BUCKET, "hierarchical_namespace_enabled": True},
        ("make one with a new name like that",),
    ),
    BadInput(
        "soft_delete_retention_seconds",
        "is below Google's 7 days",
        {"name": BUCKET, "soft_delete_retention_seconds": 3600},
        ("7 to 90 days", "give 604800 to 7776000, or 0"),
    ),
    BadInput(
        "soft_delete_retention_seconds",
        "is above Google's 90 days",
        {"name": BUCKET, "soft_delete_retention_seconds": 7_776_001},
        ("7 to 90 days",),
    ),
    BadInput(
        "retention_period_seconds",
        "is above 100 years",
        {"name": BUCKET, "retention_period_seconds": 3_155_760_001},
        ("100 years",),
    ),
    BadInput(
        "retention_policy_locked",
        "is to be undone",
        {"name": BUCKET, "retention_policy_locked": False},
        ("stays locked",),
    ),
    BadInput(
        "retention_policy_locked",
        "has no policy to lock",
        {"name": BUCKET, "retention_policy_locked": True, "confirm_lock": BUCKET},
        ("set retention_period_seconds",),
    ),
    BadInput(
        "lifecycle_rules",
        "holds for every object",
        {"name": BUCKET, "lifecycle_rules": [{"action": "Delete", "condition": {}}]},
        ("every object", "give its condition an age"),
    ),
    BadInput(
        "lifecycle_rules",
        "sets no storage class",
        {"name": BUCKET, "lifecycle_rules": [{"action": "SetStorageClass", "condition": AGED}]},
        ("storage_class belongs to SetStorageClass",),
    ),
    BadInput(
        "lifecycle_rules",
        "has an age below 0",
        {"name": BUCKET, "lifecycle_rules": [{"action": "Delete", "condition": {"age": -1}}]},
        ("below 0", "give 0 or more"),
    ),
    BadInput(
        "confirm_delete",
        "is missing",
        {"name": BUCKET, "state": "absent"},
        ("can't be undone", f"confirm_delete: {BUCKET}"),
    ),
    BadInput(
        "confirm_delete",
        "is another name",
        {"name": BUCKET, "state": "absent", "confirm_delete": "artefacts"},
        ("confirm_delete is 'artefacts'", f"set confirm_delete: {BUCKET}"),
    ),
)
