"""What a request goes through when a fault strikes it: delays, holds, errors, broken connections, half answers."""

import asyncio
import logging
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import ClientSession, web

from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.core.documents import Json
from sandbox.core.errors import STATUS_OF_CODE, ApiError, classic, modern
from sandbox.core.fault_rules import AFTER, BEFORE, Action, Bind, Meanwhile
from sandbox.core.faults import Hit
from sandbox.core.routing import Call

LOG = logging.getLogger(__name__)
# Marks the sandbox's own calls, so that no fault strikes them.
MEANWHILE_HEADER = "X-Sandbox-Meanwhile"
CUT = "bytes of the body that still arrive"
POLL_SECONDS = 0.02
# Nobody reads this answer; the recorder shows it.
CLIENT_CLOSED_REQUEST = 499
# Reasons as in https://cloud.google.com/storage/docs/json_api/v1/status-codes; Cloud SQL shares shape and reasons.
REASONS = {
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    409: "conflict",
    412: "conditionNotMet",
    429: "rateLimitExceeded",
    500: "backendError",
    502: "backendError",
    503: "backendError",
    504: "backendError",
}
# As recorded in googleapis/google-api-php-client#1764 and #1945.
MESSAGES = {500: "Internal error encountered.", 503: "The service is currently unavailable."}
# As recorded in googleapis/google-api-java-client#1524 and googleapis/java-storage#2148.
CLASSIC_MESSAGES = {500: "Backend Error", 503: "We encountered an internal error. Please try again."}
Respond = Callable[[], Awaitable[web.StreamResponse]]


async def suffer(call: Call, hit: Hit, respond: Respond) -> web.StreamResponse:
    """Answer a request that a fault strikes; `respond` handles it as usual."""
    action, handled = hit.action, None
    if action.meanwhile:
        try:
            await _happen_meanwhile(call, hit.rule, action.meanwhile)
        except MeanwhileError as error:
            said = f"Rule {hit.rule} could not make its call in between. {error}"
            # Wording ours: no fault but a wrong rule.
            return web.json_response(modern(500, said).body, status=500)
    if action.truncate is not None:
        call.request[CUT] = action.truncate
    if action.at == AFTER:
        handled = await respond()
    await asyncio.sleep(action.delay)
    if action.hold:
        what: Json = {"method": call.request.method, "path": call.request.path, "query": call.request.query_string}
        await call.world.faults.hold(hit.rule, what, lambda: _is_gone(call.request))
    if action.reset:
        _reset(call.request)
    if _is_gone(call.request) and action.at == BEFORE:
        # Whoever died while it waited never sent the request, as far as the sandbox is concerned.
        return web.Response(status=CLIENT_CLOSED_REQUEST)
    if action.status is not None and handled and handled.prepared:
        LOG.warning("rule %s: this answer was streamed, so it went out before it could become an error", hit.rule)
    elif action.status is not None:
        return _error(call, action)
    return handled or await respond()


async def cut(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """When an answer is about to go out: let only so many bytes of its body pass, then close the connection."""
    left: int | None = request.get(CUT)
    if left is None:
        return
    if isinstance(response, web.Response) and isinstance(response.body, bytes):
        # The header is made by now, so it keeps the whole length.
        response.body = response.body[:left]
        response.force_close()
        return
    send = response.write

    async def write(data: bytes) -> None:
        nonlocal left
        await send(data[:left])
        left -= len(data[:left])
        if left == 0 and request.transport:
            request.transport.close()

    vars(response)["write"] = write


class MeanwhileError(Exception):
    """The call in between failed, so the fault would not be the one that was asked for."""


async def _happen_meanwhile(call: Call, rule: str, wanted: Meanwhile | Bind) -> None:
    settings = call.world.settings
    token = call.world.tokens.mint(settings.operator, LIFETIME_SECONDS)
    call.world.store.commit()
    headers = {"Authorization": f"Bearer {token}", MEANWHILE_HEADER: rule}
    async with ClientSession(f"http://{settings.loopback}:{settings.port}", headers=headers) as session:
        if isinstance(wanted, Bind):
            await _bind(session, wanted)
            return
        answer = await _call(session, wanted.method, wanted.path, wanted.body)
        while wanted.wait and answer.get("kind") == "sql#operation" and answer.get("status") != "DONE":
            await asyncio.sleep(POLL_SECONDS)
            answer = await _call(session, "GET", f"/v1/projects/{settings.project}/operations/{answer['name']}")


async def _bind(session: ClientSession, wanted: Bind) -> None:
    """Read, modify and write, as gcloud's add-iam-policy-binding does."""
    resource = wanted.resource
    if resource.startswith("/storage/"):
        policy = await _call(session, "GET", f"{resource}/iam?optionsRequestedPolicyVersion=3")
    elif "/secrets/" in resource:
        policy = await _call(session, "GET", f"{resource}:getIamPolicy?options.requestedPolicyVersion=3")
    else:
        options = {"options": {"requestedPolicyVersion": 3}}
        policy = await _call(session, "POST", f"{resource}:getIamPolicy", options)
    added = {"role": wanted.role, "members": [wanted.member]}
    policy |= {"bindings": [*policy.get("bindings", []), added]}
    if resource.startswith("/storage/"):
        await _call(session, "PUT", f"{resource}/iam", policy)
    else:
        await _call(session, "POST", f"{resource}:setIamPolicy", {"policy": policy})


async def _call(session: ClientSession, method: str, path: str, body: Json | None = None) -> Json:
    async with session.request(method, path, json=body) as reply:
        if not reply.ok:
            raise MeanwhileError(f"{method} {path}: {reply.status} {await reply.text()}")
        answer: Json = await reply.json() if reply.content_type == "application/json" else {}
        return answer


def _is_gone(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()


def _reset(request: web.Request) -> None:
    """RST instead of FIN: what a client sees of a crashed peer or an impatient middlebox."""
    if request.transport is None:
        return
    connection: socket.socket = request.transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.transport.abort()


def _error(call: Call, action: Action) -> web.Response:
    """The error in the shape of the API that was called; the words are the rule's, or plain ones of ours."""
    code = action.status or 500
    classic_errors = call.route.api is not None and call.route.api.classic_errors
    # Wording ours, unless the rule has better or Google's is known.
    usual = (CLASSIC_MESSAGES if classic_errors else MESSAGES).get(code, "Injected by a fault rule of the sandbox.")
    message = action.message or usual
    api, error = call.route.api, ApiError(code, message, {})
    if api is None:
        # https://www.rfc-editor.org/rfc/rfc6749#section-5.2: neither token endpoint nor metadata server has errors[].
        error.body = {"error": action.reason or "internal_failure", "error_description": message}
    elif classic_errors:
        error = classic(code, message, action.reason or REASONS.get(code, "backendError"))
    else:
        # Codes by https://cloud.google.com/apis/design/errors#handling_errors, the text as above.
        error = modern(code, message, action.reason or STATUS_OF_CODE.get(code, "UNKNOWN"))
    headers = {} if action.retry_after is None else {"Retry-After": str(action.retry_after)}
    return web.json_response(error.body, status=code, headers=headers)
