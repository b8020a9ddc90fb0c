"""Health, what was asked of the sandbox, a fresh project, and names taken by others."""

from sandbox.cloudsql.engine import INSTANCES
from sandbox.core import elsewhere
from sandbox.core.documents import Json
from sandbox.core.guardrails import NAME, WHAT
from sandbox.core.world import World
from sandbox.https_proxy.certificates import CA_FILE
from sandbox.management import ManagementRoute


async def health(world: World, _: Json) -> Json:
    """What it is, where it answers, and which instances it has."""
    settings = world.settings
    return {
        "status": "ok",
        "name": NAME,
        "what": WHAT,
        "url": settings.url,
        "https_proxy": {"url": settings.https_proxy_url, "ca_file": str(settings.state / CA_FILE)},
        "project": settings.project,
        "state": str(settings.state),
        "instances": world.store.keys(INSTANCES),
    }


async def requests(world: World, _: Json) -> list[Json]:
    """The recorder, oldest first."""
    return world.recorder.as_json()


async def forget_requests(world: World, _: Json) -> Json:
    """Empty the recorder."""
    world.recorder.clear()
    return {"status": "ok"}


async def reset(world: World, _: Json) -> Json:
    """A fresh project; the operator's key stays valid."""
    await world.reset()
    return {"status": "ok"}


async def take_names(world: World, body: Json) -> Json:
    """{"buckets": [names], "instances": [names]}: see sandbox/core/elsewhere.py."""
    for kind in elsewhere.KINDS:
        elsewhere.declare(world.store, kind, body.get(kind, []))
    return {"status": "ok"}


ROUTES = [
    ManagementRoute("GET", "/health", health),
    ManagementRoute("GET", "/requests", requests),
    ManagementRoute("DELETE", "/requests", forget_requests),
    ManagementRoute("POST", "/reset", reset),
    ManagementRoute("POST", "/elsewhere", take_names),
]
