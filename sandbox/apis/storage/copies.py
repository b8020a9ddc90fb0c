"""objects: copy, rewrite, compose, restore: new objects out of ones that are there, with no bytes on the wire."""

import asyncio
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from sandbox.apis.storage import API, find_bucket, not_emulated
from sandbox.apis.storage.access_controls import WRITE_OBJECT, refuse_lists
from sandbox.apis.storage.bucket_settings import storage_class
from sandbox.apis.storage.digests import BLOCK, Digest, digest_of
from sandbox.apis.storage.etags import check_preconditions, failed
from sandbox.apis.storage.object_store import (
    OBJECTS,
    WRITABLE,
    Arrival,
    content_of,
    find_generation,
    find_object,
    no_such_object,
    object_key,
    place,
    settle,
)
from sandbox.apis.storage.objects import ONE, check_metadata, check_name, resource
from sandbox.apis.storage.soft_delete import find_soft_deleted
from sandbox.apis.storage.uploads import new_file
from sandbox.core.dispatch import require
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

REWRITES = "rewrites"
MIB = 1 << 20
MOST_SOURCES = 32
# A copy names its own class and holds: https://github.com/kmoneil/zig-gcp (docs/storage/writing-objects.md).
NOT_COPIED = ("storageClass", "temporaryHold", "eventBasedHold")


async def copy(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/copy."""
    source, target, given = await _prepared(call)
    return _copied(call, source, target, given)


async def rewrite(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite.

    Done in one call, but for maxBytesRewrittenPerCall between locations or storage classes, where Google honours it.
    """
    source, target, given = await _prepared(call)
    size, done = int(source["size"]), _rewritten(call, source, target, given)
    answer: Json = {"kind": "storage#rewriteResponse", "objectSize": source["size"]}
    answer |= {"totalBytesRewritten": str(done), "done": done == size}
    if done < size:
        token = secrets.token_urlsafe(24)
        call.world.store.put(REWRITES, token, _progress(call, source, given) | {"done": done})
        return answer | {"rewriteToken": token}
    return answer | {"resource": _copied(call, source, target, given)}


async def compose(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/compose: nothing is inherited from the sources."""
    body, bucket = await call.body(), find_bucket(call)
    given = check_metadata(body.get("destination") or {}) | {"name": check_name(call.params["object"])}
    refuse_lists(call, bucket, given, WRITE_OBJECT)
    if body.get("deleteSourceObjects"):
        raise not_emulated("deleteSourceObjects")
    sources = list(_sources(call, bucket, body.get("sourceObjects") or []))
    file = new_file(call.world)
    try:
        with ExitStack() as opened:
            # Open from now on, so that a source may go meanwhile.
            parts = [opened.enter_context(content_of(call.world, one).open("rb")) for one in sources]
            digest = await asyncio.to_thread(_concatenate, parts, file)
        components = sum(one.get("componentCount", 1) for one in sources)
        composed = replace(digest, components=components)
        settle(call.world.store, place(call, Arrival(bucket["name"], given, file, call.query), composed))
    finally:
        file.unlink(missing_ok=True)
    return resource(call, _live(call, bucket["name"], given["name"]), "noAcl")


async def restore(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/objects/restore: the soft-deleted one stays where it is."""
    bucket, source = find_bucket(call), find_soft_deleted(call)
    require(call, "storage.objects.create")
    given = {name: source[name] for name in WRITABLE if name in source}
    return _copied(call, source, bucket, given | {"name": source["name"]})


async def _prepared(call: Call) -> tuple[Json, Json, Json]:
    """The source, the bucket to copy into, and what is to be said about the copy. A body replaces all metadata."""
    body = check_metadata(await call.body())
    source = find_object(call, "sourceGeneration")
    check_preconditions(call.query, source, "ifSource")
    target = find_bucket(call, call.params["destination_bucket"])
    require(call, "storage.objects.create", bucket=target["name"], object=call.params["destination_object"])
    refuse_lists(call, target, body, WRITE_OBJECT)
    said = body if any(body.get(name) for name in WRITABLE) else _without(source, NOT_COPIED)
    given = {name: said[name] for name in WRITABLE if said.get(name) is not None}
    given |= {"storageClass": storage_class(body.get("storageClass") or target["storageClass"])}
    return source, target, given | {"name": check_name(call.params["destination_object"])}


def _copied(call: Call, source: Json, target: Json, given: Json) -> Json:
    digest = Digest(int(source["size"]), source["crc32c"], source.get("md5Hash", ""), source.get("componentCount", 0))
    arrival = Arrival(target["name"], given, content_of(call.world, source), call.query)
    settle(call.world.store, place(call, arrival, digest))
    return resource(call, _live(call, target["name"], given["name"]), "noAcl")


def _rewritten(call: Call, source: Json, target: Json, given: Json) -> int:
    """How many bytes are rewritten after this call."""
    most, token = call.query.get("maxBytesRewrittenPerCall"), call.query.get("rewriteToken")
    size, before = int(source["size"]), 0
    if most is not None and (not most.isdecimal() or int(most) < MIB or int(most) % MIB):
        # Wording ours; the rule: https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite.
        raise classic(400, "maxBytesRewrittenPerCall must be a multiple of 1 MiB.", "invalid")
    if token:
        progress = call.world.store.get(REWRITES, token) or {}
        before = progress.pop("done", 0)
        if progress != _progress(call, source, given):
            # Wording ours.
            raise classic(400, "The rewriteToken is invalid.", "invalid")
        call.world.store.delete(REWRITES, token)
    source_bucket = find_bucket(call)
    moves = source_bucket["location"] != target["location"] or source["storageClass"] != given["storageClass"]
    return min(size, before + int(most)) if most and moves else size


def _progress(call: Call, source: Json, given: Json) -> Json:
    """What must be the same in each call of a rewrite."""
    return {
        "source": source["id"],
        "given": given,
        "target": call.params["destination_bucket"],
        "most": call.query.get("maxBytesRewrittenPerCall"),
        "principal": call.principal,
    }


def _sources(call: Call, bucket: Json, asked: list[Json]) -> Iterator[Json]:
    if not asked:
        # As Google's own test bench has it: https://github.com/googleapis/google-cloud-cpp.
        raise classic(400, "You must provide at least one source component.", "invalid")
    if len(asked) > MOST_SOURCES:
        # As users of Airflow quote it of Google; the limit: https://cloud.google.com/storage/docs/composite-objects.
        message = f"The number of source components provided ({len(asked)}) exceeds the maximum ({MOST_SOURCES})"
        raise classic(400, message, "invalid")
    for one in asked:
        name = str(one.get("name", ""))
        require(call, "storage.objects.get", object=name)
        generation = str(one["generation"]) if one.get("generation") else None
        document = find_generation(call.world.store, bucket["name"], name, generation)
        if document is None:
            raise no_such_object(call, bucket["name"], name)
        wanted = (one.get("objectPreconditions") or {}).get("ifGenerationMatch")
        if wanted is not None and str(wanted) != document["generation"]:
            raise failed()
        yield document


def _concatenate(sources: Sequence[BinaryIO], target: Path) -> Digest:
    with target.open("wb") as out:
        for source in sources:
            shutil.copyfileobj(source, out, BLOCK)
    return digest_of(target)


def _without(document: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in document.items() if name not in names}


def _live(call: Call, bucket: str, name: str) -> Json:
    return call.world.store.get(OBJECTS, object_key(bucket, name)) or {}


DESTINATION = "b/{destination_bucket}/o/{destination_object+}"
ROUTES = [
    Route("POST", f"{ONE}/copyTo/{DESTINATION}", copy, API, "storage.objects.get"),
    Route("POST", f"{ONE}/rewriteTo/{DESTINATION}", rewrite, API, "storage.objects.get"),
    Route("POST", f"{ONE}/restore", restore, API, "storage.objects.restore"),
    Route("POST", f"{ONE}/compose", compose, API, "storage.objects.create"),
]
