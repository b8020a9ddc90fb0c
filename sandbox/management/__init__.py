"""The sandbox's own port, on loopback only: what no Google API offers, for people and tests."""

import importlib
import json
import pkgutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from sandbox.core.documents import Json
from sandbox.core.guardrails import introduce, refusal
from sandbox.core.world import World

Answer = Json | list[Json]


class RefusedError(Exception):
    """The request makes no sense here; the text says why and what would."""


@dataclass(frozen=True)
class ManagementRoute:
    """One row: the files of this package hold them in a list ROUTES. `handler` gets the world and the JSON body."""

    method: str
    path: str
    handler: Callable[[World, Json], Awaitable[Answer]]


def management_application(world: World) -> web.Application:
    """All routes of this package."""
    application = web.Application()
    application.on_response_prepare.append(introduce)
    for module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
        for route in getattr(importlib.import_module(module.name), "ROUTES", []):
            application.router.add_route(route.method, route.path, _door(world, route))
    return application


def _door(world: World, route: ManagementRoute) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        if reason := refusal(request):
            return web.json_response({"error": reason}, status=403)
        try:
            body = json.loads(await request.text() or "{}")
            if not isinstance(body, dict):
                raise RefusedError("The body must be a JSON object.")
            return web.json_response(await route.handler(world, body | dict(request.match_info)))
        except (ValueError, RefusedError) as error:
            return web.json_response({"error": str(error)}, status=400)
        finally:
            world.store.commit()

    return answer
