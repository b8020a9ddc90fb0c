"""Whether names of deleted Cloud SQL instances are free at once (the default) or reserved."""

from sandbox.cloudsql import names
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def get(world: World, _: Json) -> Json:
    """{"reservedDays": days}."""
    return {"reservedDays": names.reserved_days(world.store)}


async def put(world: World, body: Json) -> Json:
    """{"reservedDays": 7}: as Google's error message says; 0: as its documentation says."""
    days = body.get("reservedDays")
    if not isinstance(days, int) or isinstance(days, bool) or days < 0:
        raise RefusedError(f"`reservedDays` {days!r} must be a whole number of days, 0 or more.")
    names.reserve_for(world.store, days)
    return await get(world, body)


ROUTES = [
    ManagementRoute("GET", "/instance-names", get),
    ManagementRoute("PUT", "/instance-names", put),
]
