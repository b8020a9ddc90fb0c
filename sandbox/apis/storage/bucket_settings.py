"""A bucket's settings: what a request may say, what the service makes of it, and what it refuses. Pure.

Rules and texts, where no other source is named, are as measured in September 2026:
https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig).
"""

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.apis.storage import not_emulated
from sandbox.apis.storage.lifecycle import lifecycle
from sandbox.core.documents import Json, merge, timestamp
from sandbox.core.errors import ApiError, classic

STORAGE_CLASSES = (
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
)
# https://cloud.google.com/storage/docs/locations
MULTI_REGIONS = dict.fromkeys(("US", "EU", "ASIA"), "multi-region") | dict.fromkeys(
    ("NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1"), "dual-region"
)
REGION = re.compile(r"[A-Z]+-[A-Z]+\d+")
WRITABLE = [
    "autoclass",
    "billing",
    "cors",
    "customPlacementConfig",
    "defaultEventBasedHold",
    "encryption",
    "hierarchicalNamespace",
    "iamConfiguration",
    "ipFilter",
    "labels",
    "lifecycle",
    "location",
    "logging",
    "retentionPolicy",
    "rpo",
    "softDeletePolicy",
    "storageClass",
    "versioning",
    "website",
]
IMMUTABLE = ("location", "hierarchicalNamespace", "customPlacementConfig")
# Settings that change what requests do in ways that do not happen here.
NOT_EMULATED = {
    "billing.requesterPays": "requester pays",
    "encryption.defaultKmsKeyName": "Cloud KMS keys",
    "hierarchicalNamespace.enabled": "hierarchical namespaces",
    "autoclass.enabled": "Autoclass",
}
MOST_LABELS = 64
LABEL = re.compile(r"[a-z0-9_-]{0,63}")
SOFT_DELETE = (604_800, 7_776_000)
LONGEST_RETENTION = 3_155_760_000
UNLOCKED = dt.timedelta(days=90)


def defaults(name: str, project_number: str, now: dt.datetime) -> Json:
    """A bucket before anything is said about it."""
    return {
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "projectNumber": project_number,
        "metageneration": "1",
        "generation": str(int(now.timestamp() * 1e6)),
        "location": "US",
        "storageClass": "STANDARD",
        "softDeletePolicy": _soft_delete({"retentionDurationSeconds": SOFT_DELETE[0]}, {}, now),
        "iamConfiguration": {
            "bucketPolicyOnly": {"enabled": False},
            "publicAccessPrevention": "inherited",
            "uniformBucketLevelAccess": {"enabled": False},
        },
        "timeCreated": timestamp(now),
        "updated": timestamp(now),
    }


def changed(bucket: Json, given: Json, now: dt.datetime) -> Json:
    """The bucket with what a request says merged into it. Raises ApiError with Google's reason."""
    given = {name: value for name, value in given.items() if name in WRITABLE}
    _refuse_unknown(given)
    result = merge(bucket, {name: value for name, value in given.items() if name not in RULES})
    for name, rule in RULES.items():
        if name in given:
            value = rule(given[name], bucket, now)
            result = {**result, name: value} if value else {key: kept for key, kept in result.items() if key != name}
    return _placed(result)


def reset(bucket: Json, now: dt.datetime) -> Json:
    """What a PUT starts from: every setting as in a new bucket, but those that are fixed."""
    kept = {name: value for name, value in bucket.items() if name not in WRITABLE or name in IMMUTABLE}
    fresh = defaults(bucket["name"], bucket["projectNumber"], now)
    if bucket.get("retentionPolicy", {}).get("isLocked"):
        kept["retentionPolicy"] = bucket["retentionPolicy"]
    if _is_locked(bucket["iamConfiguration"]["uniformBucketLevelAccess"], now):
        kept["iamConfiguration"] = bucket["iamConfiguration"]
    return fresh | kept


def storage_class(given: Any) -> str:
    """A storage class as Google writes it."""
    if str(given).upper() not in STORAGE_CLASSES:
        # As measured, see above: https://github.com/kmoneil/zig-gcp.
        raise classic(400, f'Invalid storage class "{given}"', "invalid")
    return str(given).upper()


def _refuse_unknown(given: Json) -> None:
    for path, what in NOT_EMULATED.items():
        name, _, field = path.partition(".")
        if (given.get(name) or {}).get(field):
            raise not_emulated(what)
    if (given.get("ipFilter") or {}).get("mode") == "Enabled":
        raise not_emulated("IP filters")


def _placed(bucket: Json) -> Json:
    """Location in capitals, and what follows from it."""
    location = str(bucket["location"]).upper()
    kind = MULTI_REGIONS.get(location, "region" if REGION.fullmatch(location) else "")
    if not kind:
        # As the XML API words it: https://cloud.google.com/storage/docs/xml-api/reference-status.
        raise classic(400, "The specified location constraint is not valid.", "invalid")
    if bucket.get("customPlacementConfig"):
        kind = "dual-region"
    rpo = {} if kind == "region" else {"rpo": bucket.get("rpo", "DEFAULT")}
    rest = {name: value for name, value in bucket.items() if name != "rpo"}
    return rest | {"location": location, "locationType": kind} | rpo


def _labels(given: Any, bucket: Json, now: dt.datetime) -> Json:
    del now
    if not given:
        return {}
    for key, value in given.items():
        if not LABEL.fullmatch(key) or not key[:1].isalpha():
            raise _invalid(f"Invalid user label: {key}")
        if value is not None and not (isinstance(value, str) and LABEL.fullmatch(value)):
            raise _invalid(f"Invalid user label: {key} with value {value}")
    labels = merge(bucket.get("labels", {}), given)
    if len(labels) > MOST_LABELS:
        raise _invalid(f"Attempt to create a bucket with {len(labels)} labels, maximum is {MOST_LABELS}")
    return labels


def _soft_delete(given: Any, bucket: Json, now: dt.datetime) -> Json:
    """`null` puts the default back, `{}` changes nothing, 0 seconds turn it off."""
    if given is None:
        given = {"retentionDurationSeconds": SOFT_DELETE[0]}
    policy: Json = bucket.get("softDeletePolicy", {})
    if given.get("retentionDurationSeconds") is None:
        return policy
    seconds = _whole_number(given["retentionDurationSeconds"])
    if seconds != 0 and not SOFT_DELETE[0] <= seconds <= SOFT_DELETE[1]:
        raise _invalid("Soft delete policy must have a retention duration between 7 days and 90 days.")
    if str(seconds) == policy.get("retentionDurationSeconds"):
        return policy
    return {"retentionDurationSeconds": str(seconds)} | ({"effectiveTime": timestamp(now)} if seconds else {})


def _retention(given: Any, bucket: Json, now: dt.datetime) -> Json:
    policy: Json = bucket.get("retentionPolicy", {})
    locked, name = policy.get("isLocked"), bucket["name"]
    if given is None and locked:
        raise _kept(f"Bucket '{name}' has a locked Retention Policy which cannot be removed.", "retentionPolicyNotMet")
    if not given or given.get("retentionPeriod") is None:
        return {} if given is None else policy
    period = _whole_number(given["retentionPeriod"])
    if not 0 < period <= LONGEST_RETENTION:
        raise _invalid("Retention policy must have a retention period greater than 0 and less than 100 years.")
    if locked and period < int(policy["retentionPeriod"]):
        raise _kept(f"Cannot reduce retention duration of a locked Retention Policy for bucket '{name}'.", "forbidden")
    return {"effectiveTime": timestamp(now)} | policy | {"retentionPeriod": str(period)}


def _iam(given: Any, bucket: Json, now: dt.datetime) -> Json:
    """Uniform access can be taken back for 90 days. Its old name, bucketPolicyOnly, mirrors it."""
    current = bucket["iamConfiguration"]
    prevention = (given or {}).get("publicAccessPrevention") or current["publicAccessPrevention"]
    if prevention not in ("inherited", "unspecified", "enforced"):
        raise _invalid(f"Invalid value for: {prevention} is not a valid value")
    asked = [(given or {}).get(name) or {} for name in ("uniformBucketLevelAccess", "bucketPolicyOnly")]
    wanted = next((one["enabled"] for one in asked if one.get("enabled") is not None), None)
    access = current["uniformBucketLevelAccess"]
    if wanted is not None and bool(wanted) != access["enabled"]:
        if _is_locked(access, now):
            # Wording ours; the rule: https://cloud.google.com/storage/docs/uniform-bucket-level-access#ubla_lock.
            raise classic(412, "Cannot disable uniform bucket-level access: it is locked.", "conditionNotMet")
        access = {"enabled": True, "lockedTime": timestamp(now + UNLOCKED)} if wanted else {"enabled": False}
    prevention = "enforced" if prevention == "enforced" else "inherited"
    return {
        "bucketPolicyOnly": dict(access),
        "publicAccessPrevention": prevention,
        "uniformBucketLevelAccess": dict(access),
    }


def _is_locked(access: Json, now: dt.datetime) -> bool:
    return bool(access["enabled"] and access["lockedTime"] < timestamp(now))


def _class(given: Any, bucket: Json, now: dt.datetime) -> str:
    del bucket, now
    return storage_class(given or "STANDARD")


def _lifecycle(given: Any, bucket: Json, now: dt.datetime) -> Json:
    del now
    return lifecycle(given, bucket.get("lifecycle", {}))


RULES: Mapping[str, Callable[[Any, Json, dt.datetime], Any]] = {
    "iamConfiguration": _iam,
    "labels": _labels,
    "lifecycle": _lifecycle,
    "retentionPolicy": _retention,
    "softDeletePolicy": _soft_delete,
    "storageClass": _class,
}


def _whole_number(given: Any) -> int:
    if isinstance(given, bool) or not str(given).isdecimal():
        raise _invalid(f"Parse Error: Invalid value for TYPE_INT64 field: '\"{given}\"'.")
    return int(given)


def _invalid(message: str) -> ApiError:
    """Texts as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig)."""
    return classic(400, message, "invalid")


def _kept(message: str, reason: str) -> ApiError:
    """Texts as measured: https://github.com/kmoneil/zig-gcp (src/storage/fake_buckets.zig)."""
    return classic(403, message, reason)
