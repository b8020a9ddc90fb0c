"""The sandbox's own port, on loopback only: health, what was asked of it, a reset, and names taken by others."""

from aiohttp import web

from sandbox.cloudsql.engine import INSTANCES
from sandbox.core import elsewhere
from sandbox.core.world import World


def management_application(world: World) -> web.Application:
    """GET /health, GET /requests, POST /reset, POST /elsewhere."""

    async def health(_: web.Request) -> web.Response:
        settings = world.settings
        answer = {"status": "ok", "url": settings.url, "project": settings.project, "state": str(settings.state)}
        return web.json_response(answer | {"instances": world.store.keys(INSTANCES)})

    async def requests(_: web.Request) -> web.Response:
        return web.json_response(world.recorder.as_json())

    async def reset(_: web.Request) -> web.Response:
        await world.reset()
        return web.json_response({"status": "ok"})

    async def take_names(request: web.Request) -> web.Response:
        """{"buckets": [names], "instances": [names]}: see sandbox/core/elsewhere.py."""
        names = await request.json()
        for kind in elsewhere.KINDS:
            elsewhere.declare(world.store, kind, names.get(kind, []))
        world.store.commit()
        return web.json_response({"status": "ok"})

    application = web.Application()
    application.add_routes([web.get("/health", health), web.get("/requests", requests)])
    application.add_routes([web.post("/reset", reset), web.post("/elsewhere", take_names)])
    return application
