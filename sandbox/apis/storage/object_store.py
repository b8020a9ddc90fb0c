"""Objects and their generations: which one is live, which are noncurrent, what keeps one from going.

The live ones are in `objects`, the others in `noncurrent_objects`; what a bucket with soft delete lets go of is in
`soft_deleted_objects`. Their bytes are files that nothing changes: a copy
is a hard link. A file goes only once no committed document names it, so a kill leaves a stray file, never an object
without its bytes.
"""

import datetime as dt
import os
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sandbox.apis.storage import API, find_bucket
from sandbox.apis.storage.digests import Digest
from sandbox.apis.storage.etags import check_preconditions, object_etag
from sandbox.apis.storage.retention import check_kept, retained_until
from sandbox.core.dispatch import holds, require
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Denial
from sandbox.core.store import Store
from sandbox.core.world import World

OBJECTS = "objects"
NONCURRENT = "noncurrent_objects"
SOFT_DELETED = "soft_deleted_objects"
# What a client may say about an object at upload or later.
WRITABLE = [
    "cacheControl",
    "contentDisposition",
    "contentEncoding",
    "contentLanguage",
    "contentType",
    "contexts",
    "customTime",
    "eventBasedHold",
    "metadata",
    "storageClass",
    "temporaryHold",
]
PRIVATE = ("file", "owner", "retainedFrom")


def object_key(bucket: str, name: str) -> str:
    """Under which name a live object is stored."""
    return f"{bucket}/{name}"


def generation_key(document: Json) -> str:
    """Under which name a generation that is not live is stored."""
    return f"{object_key(document['bucket'], document['name'])}#{document['generation']}"


def find_object(call: Call, generation: str = "generation") -> Json:
    """The object in the path, live or of the generation asked for, or 404.

    Who may not list is not told whether it exists.
    """
    find_bucket(call)
    bucket, name = call.params["bucket"], call.params["object"]
    document = find_generation(call.world.store, bucket, name, call.query.get(generation))
    if document is None:
        raise no_such_object(call, bucket, name)
    return document


def find_generation(store: Store, bucket: str, name: str, generation: str | None) -> Json | None:
    """The live object, or the one of a generation, if it is there."""
    live = store.get(OBJECTS, object_key(bucket, name))
    if generation is None or (live and live["generation"] == generation):
        return live
    return store.get(NONCURRENT, generation_key({"bucket": bucket, "name": name, "generation": generation}))


def no_such_object(call: Call, bucket: str, name: str) -> ApiError:
    """As recorded in firebase/firebase-tools#3647; 403 for who may not list the bucket."""
    if not holds(call, "storage.objects.list", bucket=bucket):
        return API.denied(Denial(call.principal, "storage.objects.list", call.params, call.request.path))
    return classic(404, f"No such object: {bucket}/{name}", "notFound")


def generations(store: Store, bucket: str, prefix: str, *collections: str) -> list[Json]:
    """Every generation, in these collections, of the objects whose names start with `prefix`."""
    found = [document for name in collections for _, document in store.items(name, object_key(bucket, prefix))]
    # A noncurrent one's key goes on after its name.
    return [document for document in found if document["name"].startswith(prefix)]


def is_empty(store: Store, bucket: str) -> bool:
    """Whether the bucket holds no object of any generation."""
    return not any(store.keys(name, object_key(bucket, "")) for name in (OBJECTS, NONCURRENT))


@dataclass(frozen=True)
class Arrival:
    """Bytes on their way to become an object: the bucket's name, what is said about it, a file, the conditions."""

    bucket: str
    given: Json
    file: Path
    query: dict[str, str]


def place(call: Call, arrival: Arrival, digest: Digest) -> list[Path]:
    """Make the file's bytes the live object, if nothing stands in the way.

    Nothing is awaited, so that all of it is one change. Returns the files to `settle` with; the new object is in the
    store. Conditions come before holds (412 before 403), as measured: https://github.com/kmoneil/zig-gcp.
    """
    store, bucket, name = call.world.store, find_bucket(call, arrival.bucket), arrival.given["name"]
    previous = store.get(OBJECTS, object_key(bucket["name"], name))
    check_preconditions(arrival.query, previous)
    if previous:
        require(call, "storage.objects.delete", bucket=bucket["name"], object=name)
        check_kept(bucket, previous, archives=_is_versioned(bucket))
    document = _new_object(call, bucket, arrival.given, digest, _next_generation(previous))
    target = content_of(call.world, document)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    os.link(arrival.file, target)
    stale = _retire(call.world, bucket, previous) if previous else []
    store.put(OBJECTS, object_key(bucket["name"], name), document)
    return stale


def settle(store: Store, files: Iterable[Path]) -> None:
    """Commit, then let go of files that nothing refers to any more."""
    store.commit()
    for file in files:
        file.unlink(missing_ok=True)


def change(call: Call, document: Json) -> Json:
    """Store changed metadata of an object, live or not, with its next metageneration."""
    document["metageneration"] = str(int(document["metageneration"]) + 1)
    document |= {"updated": timestamp(), "etag": object_etag(document["generation"], document["metageneration"])}
    collection, key = _place_of(document)
    call.world.store.put(collection, key, document)
    return document


def remove(call: Call, bucket: Json, document: Json, *, for_good: bool) -> None:
    """Delete an object: a live one of a versioned bucket becomes noncurrent, unless its generation was named."""
    archives = not for_good and _is_versioned(bucket)
    check_kept(bucket, document, archives=archives)
    stale = _retire(call.world, bucket, document) if archives else _discard(call.world, bucket, document)
    collection, key = _place_of(document)
    call.world.store.delete(collection, key)
    settle(call.world.store, stale)


def content_of(world: World, document: Json) -> Path:
    """Where an object's bytes are."""
    return world.settings.state / "objects" / str(document["file"])


def object_resource(call: Call, bucket: Json, document: Json) -> Json:
    """The storage#object resource, without access control lists."""
    path = f"/storage/v1/b/{document['bucket']}/o/{quote(document['name'], safe='')}"
    public = {name: value for name, value in document.items() if name not in PRIVATE}
    until = retained_until(bucket, document)
    return public | {
        "selfLink": f"{call.origin}{path}",
        "mediaLink": f"{call.origin}/download{path}?generation={document['generation']}&alt=media",
        **({"retentionExpirationTime": timestamp(until)} if until else {}),
    }


def _is_versioned(bucket: Json) -> bool:
    return bool(bucket.get("versioning", {}).get("enabled"))


def _place_of(document: Json) -> tuple[str, str]:
    bucket, name = document["bucket"], document["name"]
    if "timeDeleted" in document:
        return NONCURRENT, generation_key(document)
    return OBJECTS, object_key(bucket, name)


def _retire(world: World, bucket: Json, document: Json) -> list[Path]:
    """Make a live object noncurrent where the bucket keeps versions; else let go of it."""
    if not _is_versioned(bucket):
        return _discard(world, bucket, document)
    retired = document | {"timeDeleted": timestamp()}
    world.store.put(*_place_of(retired), retired)
    return []


def _discard(world: World, bucket: Json, document: Json) -> list[Path]:
    """Let go of an object: at once, or where the bucket has soft delete for a restore within that time."""
    seconds = int(bucket["softDeletePolicy"]["retentionDurationSeconds"])
    if not seconds:
        return [content_of(world, document)]
    now = dt.datetime.now(dt.UTC)
    times = {"softDeleteTime": timestamp(now), "hardDeleteTime": timestamp(now + dt.timedelta(seconds=seconds))}
    world.store.put(SOFT_DELETED, generation_key(document), document | times)
    return []


def _new_object(call: Call, bucket: Json, given: Json, digest: Digest, generation: str) -> Json:
    now = timestamp()
    said = {name: given[name] for name in WRITABLE if given.get(name) is not None}
    if bucket.get("defaultEventBasedHold"):
        said.setdefault("eventBasedHold", True)
    return {
        "kind": "storage#object",
        "id": f"{bucket['name']}/{given['name']}/{generation}",
        "name": given["name"],
        "bucket": bucket["name"],
        "generation": generation,
        "metageneration": "1",
        "storageClass": bucket["storageClass"],
        **said,
        **digest.fields(),
        "etag": object_etag(generation, "1"),
        "timeCreated": now,
        "updated": now,
        "timeStorageClassUpdated": now,
        "timeFinalized": now,
        "owner": call.principal,
        "file": f"{generation}-{secrets.token_hex(8)}",
    }


def _next_generation(previous: Json | None) -> str:
    """Microseconds, as Google's are, and more than before even when the clock was set back."""
    return str(max(time.time_ns() // 1000, int(previous["generation"]) + 1 if previous else 0))
