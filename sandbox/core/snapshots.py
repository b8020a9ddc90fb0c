"""The whole state under a name: documents, objects' bytes, PostgreSQL's data, keys. Recorder and faults stay.

A restore has one commit point, the documents' transaction, which also notes that files are still to follow. Killed
before it, the sandbox has the old state; killed after it, the next start finishes the new one. Never a mix.
"""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.operations import OPERATIONS
from sandbox.core.documents import Json, timestamp
from sandbox.core.gate import BusyGateError
from sandbox.core.world import World
from sandbox.postgres import orphans
from sandbox.postgres.copies import link_folder

FOLDER, DOCUMENTS, CLUSTERS, OBJECTS, UPLOADS = "snapshots", "documents.json", "clusters", "objects", "uploads"
OPERATOR_KEY = "operator.json"
RESTORING = "restoring"
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
UNFINISHED = ".unfinished"


class SnapshotError(Exception):
    """It cannot be done now; the text says why."""


async def save(world: World, name: str) -> None:
    """Keep the state as it is now."""
    if not NAME.fullmatch(name):
        raise SnapshotError(f"{name!r} is no name for a snapshot: a-z, 0-9, `.`, `_` and `-`, at most 63 characters.")
    target = _folder(world) / name
    async with _quiet(world):
        if target.exists():
            raise SnapshotError(f"There is a snapshot {name} already: DELETE /snapshots/{name} first.")
        unfinished = target.with_name(f"{UNFINISHED}-{name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o711, parents=True)
        state = {"name": name, "time": timestamp(), "collections": world.store.dump()}
        await asyncio.to_thread(_save_files, world.settings.state, unfinished, state)
        await world.engine.save_clusters(unfinished / CLUSTERS)
        unfinished.rename(target)


async def restore(world: World, name: str) -> None:
    """Let the state be what it was. Sessions of databases end; whoever holds a later token has to get a new one."""
    async with _quiet(world):
        collections = _document(world, name)["collections"]
        world.store.replace(collections | {RESTORING: {"snapshot": {"name": name}}})
        await _finish(world, name)


async def recover(world: World) -> None:
    """At the start: finish a restore that was interrupted, and bring up the instances."""
    clusters, note = world.settings.state / "postgresql", world.store.get(RESTORING, "snapshot")
    await asyncio.to_thread(orphans.settle, world.settings.state)
    for path in _folder(world).glob(f"{UNFINISHED}-*"):
        shutil.rmtree(path)
    if note is None:
        await world.engine.recover()
        return
    await asyncio.to_thread(orphans.stop_servers, clusters)
    await _finish(world, note["name"])


def listed(world: World) -> list[Json]:
    """All snapshots, oldest first."""
    names = [path.name for path in _folder(world).glob("*") if not path.name.startswith(UNFINISHED)]
    found = [_document(world, name) for name in names]
    shown = [
        {"name": one["name"], "time": one["time"], "instances": list(one["collections"].get(INSTANCES, {}))}
        for one in found
    ]
    return sorted(shown, key=lambda one: str(one["time"]))


def delete(world: World, name: str) -> None:
    """Forget a snapshot."""
    _document(world, name)
    shutil.rmtree(_folder(world) / name)


@asynccontextmanager
async def _quiet(world: World) -> AsyncIterator[None]:
    """Nobody else changes anything: no request, no operation, no reset."""
    try:
        async with world.changing, world.gate.closed():
            _refuse_while_operations_run(world)
            world.store.commit()
            yield
    except BusyGateError as error:
        raise SnapshotError(f"{error} Release what fault rules hold (GET /faults), or try again.") from error


def _refuse_while_operations_run(world: World) -> None:
    for _, record in world.store.items(OPERATIONS):
        operation = record["operation"]
        if operation["status"] != "DONE":
            what = f"{operation['operationType']} of {operation['targetId']}"
            raise SnapshotError(f"An operation runs ({what}): wait until it is DONE.")


async def _finish(world: World, name: str) -> None:
    """Everything that follows the documents; done twice it does no harm."""
    folder = _folder(world) / name
    await asyncio.to_thread(_load_files, folder, world.settings.state)
    await world.engine.load_clusters(folder / CLUSTERS)
    world.store.delete(RESTORING, "snapshot")
    world.store.commit()
    world.remove_stray_files()


def _save_files(state: Path, folder: Path, documents: Json) -> None:
    (folder / DOCUMENTS).touch(mode=0o600)
    (folder / DOCUMENTS).write_text(json.dumps(documents))
    shutil.copy2(state / OPERATOR_KEY, folder / OPERATOR_KEY)
    # Nothing changes an object's file; an upload's grows.
    for name, copy in ((OBJECTS, link_folder), (UPLOADS, shutil.copytree)):
        if (state / name).exists():
            copy(state / name, folder / name)


def _load_files(folder: Path, state: Path) -> None:
    for name in (OBJECTS, UPLOADS):
        shutil.rmtree(state / name, ignore_errors=True)
    for name, copy in ((OBJECTS, link_folder), (UPLOADS, shutil.copytree)):
        if (folder / name).exists():
            copy(folder / name, state / name)
    shutil.copy2(folder / OPERATOR_KEY, state / OPERATOR_KEY)


def _document(world: World, name: str) -> Json:
    path = _folder(world) / name / DOCUMENTS
    if not NAME.fullmatch(name) or not path.exists():
        known = ", ".join(sorted(path.name for path in _folder(world).glob("[a-z0-9]*"))) or "none"
        raise SnapshotError(f"There is no snapshot {name!r}. Those there are: {known}.")
    document: Json = json.loads(path.read_text())
    return document


def _folder(world: World) -> Path:
    folder = world.settings.state / FOLDER
    folder.mkdir(mode=0o711, exist_ok=True)
    return folder
