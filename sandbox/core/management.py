"""The sandbox's own port, on loopback only: what was asked of it, a reset to a fresh project, and its health."""

from aiohttp import web

from sandbox.cloudsql.engine import INSTANCES
from sandbox.core.world import World


def management_application(world: World) -> web.Application:
    """GET /health, GET /requests, POST /reset."""

    async def health(_: web.Request) -> web.Response:
        settings = world.settings
        answer = {"status": "ok", "url": settings.url, "project": settings.project, "state": str(settings.state)}
        return web.json_response(answer | {"instances": world.store.keys(INSTANCES)})

    async def requests(_: web.Request) -> web.Response:
        return web.json_response(world.recorder.as_json())

    async def reset(_: web.Request) -> web.Response:
        await world.reset()
        return web.json_response({"status": "ok"})

    application = web.Application()
    application.add_routes([web.get("/health", health), web.get("/requests", requests), web.post("/reset", reset)])
    return application
