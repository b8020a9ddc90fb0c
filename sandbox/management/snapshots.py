"""Snapshots of the whole state: saved and restored in a second or so, database contents included.

Refused while an operation runs or a request is held. They outlive resets and restarts; `down` removes them.
"""

from sandbox.core import snapshots
from sandbox.core.documents import Json
from sandbox.core.snapshots import SnapshotError
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def list_snapshots(world: World, _: Json) -> list[Json]:
    """Name, time and instances of each, oldest first."""
    return snapshots.listed(world)


async def save(world: World, body: Json) -> Json:
    """{"name": NAME}."""
    if set(body) != {"name"}:
        raise RefusedError("A snapshot has a `name` and nothing else.")
    try:
        await snapshots.save(world, str(body["name"]))
    except SnapshotError as error:
        raise RefusedError(str(error)) from error
    return {"status": "ok"}


async def restore(world: World, body: Json) -> Json:
    """Tokens and keys are then what they were; recorder and faults stay."""
    try:
        await snapshots.restore(world, body["name"])
    except SnapshotError as error:
        raise RefusedError(str(error)) from error
    return {"status": "ok"}


async def delete(world: World, body: Json) -> Json:
    """Forget one."""
    try:
        snapshots.delete(world, body["name"])
    except SnapshotError as error:
        raise RefusedError(str(error)) from error
    return {"status": "ok"}


ROUTES = [
    ManagementRoute("GET", "/snapshots", list_snapshots),
    ManagementRoute("POST", "/snapshots", save),
    ManagementRoute("POST", "/snapshots/{name}:restore", restore),
    ManagementRoute("DELETE", "/snapshots/{name}", delete),
]
