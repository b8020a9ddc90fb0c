"""What keeps an object from being deleted or replaced: holds, and the bucket's retention policy. Pure.

As measured: https://github.com/kmoneil/zig-gcp (src/storage/retention.zig, docs/storage/buckets.md).
"""

import datetime as dt

from sandbox.core.documents import Json
from sandbox.core.errors import classic

HOLDS = {"temporaryHold": "Temporary", "eventBasedHold": "Event-Based"}


def retained_until(bucket: Json, document: Json) -> dt.datetime | None:
    """Until when the bucket's retention policy keeps the object; an event-based hold defers it."""
    policy = bucket.get("retentionPolicy")
    if not policy or document.get("eventBasedHold"):
        return None
    start = dt.datetime.fromisoformat(str(document.get("retainedFrom", document["timeCreated"])))
    return start + dt.timedelta(seconds=int(policy["retentionPeriod"]))


def check_kept(bucket: Json, document: Json, *, archives: bool = False) -> None:
    """Refuse to delete or replace what a hold or a policy keeps; a policy lets an object become noncurrent."""
    who = f"Object '{document['bucket']}/{document['name']}'"
    for field, kind in HOLDS.items():
        if document.get(field):
            text = f"is under active {kind} hold and cannot be deleted, overwritten or archived until hold is removed."
            # https://github.com/kmoneil/zig-gcp (src/storage/retention.zig)
            raise classic(403, f"{who} {text}", "forbidden")
    until = retained_until(bucket, document)
    if until and until > dt.datetime.now(dt.UTC) and not archives:
        text = "is subject to bucket's retention policy or object retention and cannot be deleted or overwritten until"
        # https://github.com/kmoneil/zig-gcp (src/storage/retention.zig)
        raise classic(403, f"{who} {text} {until.isoformat(timespec='microseconds')}", "retentionPolicyNotMet")
