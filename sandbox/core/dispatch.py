"""One door for every emulated API: route, caller, Service Usage, IAM, answer, save, record."""

import logging
from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from aiohttp import ClientError, web

from sandbox.access.enforcement import ANONYMOUS, Question, is_allowed
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import ApiError, modern, service_disabled, unauthenticated
from sandbox.core.faults import Hit
from sandbox.core.fields import select
from sandbox.core.google_hosts import is_google, serves
from sandbox.core.guardrails import foreign_token, host_of, refusal
from sandbox.core.mishaps import CLIENT_CLOSED_REQUEST, MEANWHILE_HEADER, suffer
from sandbox.core.recorder import RecordedRequest
from sandbox.core.routing import Answer, Call, Denial, Route
from sandbox.core.services import is_enabled
from sandbox.core.world import World

LOG = logging.getLogger(__name__)
DISPATCHER, CARRIED = "dispatcher", "carried"


class Dispatcher:
    """aiohttp's only handler for the API addresses."""

    def __init__(self, world: World, routes: list[Route]) -> None:
        self._world = world
        self._routes = routes
        self._by_host: dict[str, list[Route]] = {}

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        if reason := refusal(request):
            # Wording ours: Google has no such refusal.
            return web.json_response(modern(403, reason).body, status=403)
        raw_path = request.raw_path.partition("?")[0]
        call = self._find(request, raw_path)
        respond = partial(self._respond, call, raw_path)
        if MEANWHILE_HEADER in request.headers:
            response, fault = await respond(), f"{request.headers[MEANWHILE_HEADER]}: made in between"
        else:
            request[DISPATCHER] = self
            # What another call carries is inside with it.
            async with nullcontext() if CARRIED in request else self._world.gate.passing():
                hit = self._strike(call, raw_path) if self._world.faults else None
                response, fault = await (suffer(call, hit, respond) if hit else respond()), str(hit or "")
        self._record(call, raw_path, response.status, fault)
        return response

    async def _respond(self, call: Call, raw_path: str) -> web.StreamResponse:
        """Handle the call and save what it changed."""
        try:
            answer = await self._answer(call, raw_path)
            response = answer if isinstance(answer, web.StreamResponse) else _json(call, answer)
        except ApiError as error:
            response = web.json_response(error.body, status=error.code)
            if not error.body:
                # 304 has none.
                response = web.Response(status=error.code)
        except web.HTTPException as error:
            response = web.json_response(
                modern(error.status, error.reason, "INVALID_ARGUMENT").body, status=error.status
            )
        except (ConnectionError, ClientError) as error:
            LOG.debug("%s %s: the client went away: %r", call.request.method, raw_path, error)
            response = web.Response(status=CLIENT_CLOSED_REQUEST)
        except Exception:
            LOG.exception("%s %s failed inside the sandbox", call.request.method, raw_path)
            # As recorded in googleapis/google-api-php-client#1764.
            response = web.json_response(modern(500, "Internal error encountered.").body, status=500)
        self._world.store.commit()
        return response

    def _strike(self, call: Call, raw_path: str) -> Hit | None:
        token = self._world.tokens.verify(_bearer(call.request))
        asked = (call.request.method, raw_path, call.request.query_string, token.email if token else "")
        return self._world.faults.strike_request(*asked)

    def _find(self, request: web.Request, raw_path: str) -> Call:
        for route in self._routes_of(host_of(request)):
            params = route.match(request.method, raw_path)
            if params is not None:
                return Call(self._world, request, route, params)
        return Call(self._world, request, Route(request.method, raw_path, _not_emulated), {})

    def _routes_of(self, host: str) -> list[Route]:
        """All routes; for one of Google's hosts, as the HTTPS proxy's clients name them, those that it has."""
        if not is_google(host):
            return self._routes
        if host not in self._by_host:
            self._by_host[host] = [route for route in self._routes if serves(host, route)]
        return self._by_host[host]

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
        value = _bearer(call.request)
        if not value:
            if call.route.api and call.route.api.anonymous:
                return ANONYMOUS
            raise unauthenticated(missing=True)
        token = self._world.tokens.verify(value)
        if token is None:
            raise unauthenticated(missing=False, guardrail=foreign_token(value, self._world.settings.project))
        return token.email

    def _record(self, call: Call, raw_path: str, status: int, fault: str) -> None:
        self._world.recorder.add(
            RecordedRequest(
                time=timestamp(),
                principal=call.principal or None,
                method=call.request.method,
                path=raw_path,
                query=call.request.query_string,
                status=status,
                mutating=call.route.changes_state,
                fault=fault or None,
            )
        )


async def answer_carried(call: Call, request: web.Request) -> web.StreamResponse:
    """Answer a request that a call carries (one of a batch), through the same door as the call itself."""
    dispatcher: Dispatcher = call.request[DISPATCHER]
    request[CARRIED] = True
    return await dispatcher(request)


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


def _bearer(request: web.Request) -> str:
    """The access token that came along, or ""."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else ""


def _json(call: Call, answer: Json) -> web.Response:
    fields = call.request.query.get("fields")
    return web.json_response(select(answer, fields) if fields else answer)


async def _not_emulated(call: Call) -> Answer:
    host = host_of(call.request)
    wanted = f"{call.request.method} {host if is_google(host) else ''}{call.request.path}"
    LOG.warning("not emulated: %s", wanted)
    # Wording ours: Google answers a method that it does not have with a page in HTML.
    raise modern(404, f"Method not found: the sandbox has no route for {wanted}.")
