"""One door for every emulated API: route, caller, Service Usage, IAM, answer, save, record."""

import logging
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientError, web

from sandbox.access.enforcement import ANONYMOUS, Question, is_allowed
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import ApiError, modern, service_disabled, unauthenticated
from sandbox.core.fields import select
from sandbox.core.recorder import RecordedRequest
from sandbox.core.routing import Answer, Call, Denial, Route
from sandbox.core.services import is_enabled
from sandbox.core.world import World

LOG = logging.getLogger(__name__)
# Nobody reads this answer; the recorder shows it.
CLIENT_CLOSED_REQUEST = 499


class Dispatcher:
    """aiohttp's only handler for the API addresses."""

    def __init__(self, world: World, routes: list[Route]) -> None:
        self._world = world
        self._routes = routes

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        raw_path = request.raw_path.partition("?")[0]
        call = self._find(request, raw_path)
        try:
            answer = await self._answer(call, raw_path)
            response = answer if isinstance(answer, web.StreamResponse) else _json(call, answer)
        except ApiError as error:
            response = web.json_response(error.body, status=error.code)
        except web.HTTPException as error:
            response = web.json_response(
                modern(error.status, error.reason, "INVALID_ARGUMENT").body, status=error.status
            )
        except (ConnectionError, ClientError) as error:
            LOG.debug("%s %s: the client went away: %r", request.method, raw_path, error)
            response = web.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception:
            LOG.exception("%s %s failed inside the sandbox", request.method, raw_path)
            response = web.json_response(modern(500, "Internal error encountered.").body, status=500)
        self._world.store.commit()
        self._record(call, raw_path, response.status)
        return response

    def _find(self, request: web.Request, raw_path: str) -> Call:
        for route in self._routes:
            params = route.match(request.method, raw_path)
            if params is not None:
                return Call(self._world, request, route, params)
        return Call(self._world, request, Route(request.method, raw_path, _not_emulated), {})

    async def _answer(self, call: Call, raw_path: str) -> Answer:
        api = call.route.api
        if api is None:
            return await call.route.handler(call)
        call.principal = self._authenticate(call)
        settings = self._world.settings
        known = (settings.project, settings.project_number, "-")
        if call.params.get("project", settings.project) not in known:
            raise api.denied(Denial(call.principal, call.route.permission or "", call.params, raw_path))
        if not is_enabled(self._world.store, api.service):
            raise service_disabled(api.service, api.title, settings.project_number)
        if call.route.permission and not call.route.late:
            require(call, call.route.permission)
        return await call.route.handler(call)

    def _authenticate(self, call: Call) -> str:
        scheme, _, value = call.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not value:
            if call.route.api and call.route.api.anonymous:
                return ANONYMOUS
            raise unauthenticated(missing=True)
        token = self._world.tokens.verify(value.strip())
        if token is None:
            raise unauthenticated(missing=False)
        return token.email

    def _record(self, call: Call, raw_path: str, status: int) -> None:
        self._world.recorder.add(
            RecordedRequest(
                time=timestamp(),
                principal=call.principal or None,
                method=call.request.method,
                path=raw_path,
                query=call.request.query_string,
                status=status,
                mutating=call.route.changes_state,
            )
        )


def holds(call: Call, permission: str, api: Mapping[str, Any] | None = None, **names: str) -> bool:
    """Whether the caller holds the permission on what the path (or `names`) says; `api` is what conditions may ask."""
    world, service = call.world, call.route.api.service if call.route.api else ""
    question = Question(call.principal, permission, service, call.params | names, api or {})
    return is_allowed(world.store, world.settings, question)


def require(call: Call, permission: str, api: Mapping[str, Any] | None = None, **names: str) -> None:
    """Refuse the call unless the caller `holds` the permission."""
    if not holds(call, permission, api, **names):
        if call.route.api is None:
            raise TypeError(f"{call.route.path} asks for {permission} but belongs to no API")
        raise call.route.api.denied(Denial(call.principal, permission, call.params | names, call.request.path))


def _json(call: Call, answer: Json) -> web.Response:
    fields = call.request.query.get("fields")
    return web.json_response(select(answer, fields) if fields else answer)


async def _not_emulated(call: Call) -> Answer:
    LOG.warning("not emulated: %s %s", call.request.method, call.request.path)
    raise modern(404, f"Method not found: the sandbox has no route for {call.request.method} {call.request.path}.")
