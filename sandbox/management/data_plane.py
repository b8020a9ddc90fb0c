"""Port 3307 from the inside: its open sessions, its faults, and how long ephemeral certificates live."""

import datetime as dt

from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.listener import CERTIFICATE_LIFETIME
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError
from sandbox.management.rules import Rules

# Certificates carry whole seconds.
SHORTEST_LIFE = 1


async def show(world: World, _: Json) -> Json:
    """The open sessions, oldest first, and how long new certificates live."""
    listener = world.listener
    sessions = sorted((session.as_json() for session in listener.sessions()), key=lambda one: str(one["since"]))
    return {"sessions": sessions, "certificateSeconds": listener.certificate_lifetime.total_seconds()}


async def kill(world: World, body: Json) -> Json:
    """{"instance": name}, or {} for all: reset the open sessions now. Answers how many."""
    _check_instance(world, body)
    return {"killed": world.listener.kill(body.get("instance", ""))}


async def set_certificates(world: World, body: Json) -> Json:
    """{"seconds": S}: how long ephemeral certificates live that are issued from now on; {} for Cloud SQL's hour."""
    seconds = body.get("seconds", CERTIFICATE_LIFETIME.total_seconds())
    longest = CERTIFICATE_LIFETIME.total_seconds()
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not SHORTEST_LIFE <= seconds <= longest:
        raise RefusedError(f"`seconds` must be a number from {SHORTEST_LIFE} to {longest:.0f}.")
    world.listener.certificate_lifetime = dt.timedelta(seconds=seconds)
    return {"certificateSeconds": seconds}


def _check_instance(world: World, body: Json) -> None:
    name = body.get("instance", "")
    if name and not world.store.has(INSTANCES, str(name)):
        raise RefusedError(f"There is no instance {name!r}: {', '.join(world.store.keys(INSTANCES)) or 'none at all'}.")


def _follow(world: World, _: Json) -> None:
    world.listener.follow_faults()


FAULTS = Rules("/data-plane/faults", lambda world: world.listener.faults, _check_instance, _follow)
ROUTES = [
    ManagementRoute("GET", "/data-plane", show),
    *FAULTS.routes(),
    ManagementRoute("POST", "/data-plane/kill", kill),
    ManagementRoute("POST", "/data-plane/certificates", set_certificates),
]
