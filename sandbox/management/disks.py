"""How full the instances' disks are: what tests write is little, so the operator of the sandbox says it."""

from sandbox.cloudsql.disks import grown
from sandbox.cloudsql.engine import INSTANCES
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def list_(world: World, _: Json) -> Json:
    """{"disks": [...]}: size, use and growth of each."""
    return {"disks": [_disk(record) for _, record in world.store.items(INSTANCES)]}


async def fill(world: World, body: Json) -> Json:
    """{"instance": name, "usedGb": 12}: the database grew; a disk with automatic storage increase grows with it."""
    name, used = body.get("instance"), body.get("usedGb")
    record = world.store.get(INSTANCES, str(name))
    if record is None:
        known = ", ".join(world.store.keys(INSTANCES)) or "none"
        raise RefusedError(f"`instance` {name!r} does not exist; there are: {known}.")
    if not isinstance(used, int) or isinstance(used, bool) or used < 0:
        raise RefusedError(f"`usedGb` {used!r} must be a whole number, 0 or more.")
    settings = record["settings"]
    size = int(settings["dataDiskSizeGb"])
    if settings["storageAutoResize"]:
        size = grown(size, used, int(settings["storageAutoResizeLimit"]))
    if used > size:
        raise RefusedError(f"{used} GB do not fit on the disk of {name}: it has {size} GB and does not grow further.")
    record |= {"used_gb": used, "settings": settings | {"dataDiskSizeGb": str(size)}}
    world.store.put(INSTANCES, record["name"], record)
    return _disk(record)


def _disk(record: Json) -> Json:
    settings = record["settings"]
    return {
        "instance": record["name"],
        "sizeGb": int(settings["dataDiskSizeGb"]),
        "usedGb": record.get("used_gb", 0),
        "growsByItself": settings["storageAutoResize"],
        "limitGb": int(settings["storageAutoResizeLimit"]),
    }


ROUTES = [ManagementRoute("GET", "/disks", list_), ManagementRoute("POST", "/disks", fill)]
