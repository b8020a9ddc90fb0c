"""What was deleted or replaced and can still be restored: https://cloud.google.com/storage/docs/soft-delete.

As measured: https://github.com/kmoneil/zig-gcp (docs/storage/buckets.md). A deleted bucket is gone here, and what was
soft-deleted in it.
"""

from pathlib import Path

from sandbox.apis.storage import find_bucket
from sandbox.apis.storage.object_store import SOFT_DELETED, content_of, generations, no_such_object
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call
from sandbox.core.world import World


def is_asked_for(call: Call) -> bool:
    """Whether the request is about soft-deleted objects."""
    return call.query.get("softDeleted", "").lower() == "true"


def find_soft_deleted(call: Call) -> Json:
    """The generation in question, which must be named, or 404."""
    generation = call.query.get("generation")
    if not generation:
        # https://cloud.google.com/storage/docs/json_api/v1/status-codes#required
        raise classic(400, "Required parameter: generation", "required")
    for document in soft_deleted(call, call.params["object"]):
        if (document["name"], document["generation"]) == (call.params["object"], generation):
            return document
    raise no_such_object(call, call.params["bucket"], call.params["object"])


def soft_deleted(call: Call, prefix: str) -> list[Json]:
    """All of the bucket whose names start with `prefix`; 400 where soft delete is off."""
    bucket = find_bucket(call)
    if bucket["softDeletePolicy"]["retentionDurationSeconds"] == "0":
        raise _is_off(bucket["name"])
    found = generations(call.world.store, bucket["name"], prefix, SOFT_DELETED)
    return [document for document in found if document["hardDeleteTime"] > timestamp()]


def forget_soft_deleted(world: World, bucket: str) -> list[Path]:
    """Of a bucket that goes: the files to `settle` with."""
    found = generations(world.store, bucket, "", SOFT_DELETED)
    for key in world.store.keys(SOFT_DELETED, f"{bucket}/"):
        world.store.delete(SOFT_DELETED, key)
    return [content_of(world, document) for document in found]


def _is_off(bucket: str) -> ApiError:
    """Wording ours."""
    return classic(400, f"Soft delete is not enabled on the bucket '{bucket}'.", "invalid")
