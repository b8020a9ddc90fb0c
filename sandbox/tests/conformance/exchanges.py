"""What an emulator was asked and answered, as it wrote it down, against Google's schemas."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import parse_qsl

from sandbox.core.routing import Route
from sandbox.tests.conformance import discovery
from sandbox.tests.conformance.observed import Exchange
from sandbox.tests.conformance.schemas import problems

FAILED = 400
ERROR_FIELDS = frozenset(("code", "message", "errors", "status", "details"))
ERROR_ITEM_FIELDS = frozenset(("domain", "reason", "message", "location", "locationType", "extendedHelp"))


def read(file: Path) -> list[Exchange]:
    """What an emulator wrote down (its last line may be torn by a kill)."""
    lines = file.read_text().splitlines(keepends=True) if file.exists() else []
    return [Exchange(**json.loads(line)) for line in lines if line.endswith("\n")]


def findings(exchanges: Iterable[Exchange], routes: list[Route]) -> list[str]:
    """Everything in these exchanges that Google would not send or take, each once."""
    found: dict[str, None] = {}
    for exchange in exchanges:
        if route := route_of(exchange, routes):
            found |= dict.fromkeys(f"{exchange.method} {route.path}: {one}" for one in _findings(exchange, route))
    return list(found)


def route_of(exchange: Exchange, routes: list[Route]) -> Route | None:
    """The emulated method of a Google API that was called; None for the token endpoint and the metadata server."""
    for route in routes:
        if route.match(exchange.method, exchange.path) is not None:
            return route if route.api else None
    return None


def _findings(exchange: Exchange, route: Route) -> Iterator[str]:
    if exchange.status >= FAILED:
        yield from _error_findings(exchange)
        return
    service = route.api.service if route.api else ""
    method = discovery.find(service, exchange.method, exchange.path)
    if method is None:
        yield "the discovery document has no such method"
        return
    query = dict(parse_qsl(exchange.query, keep_blank_values=True))
    yield from (f"query parameter {name}: {method.id} has no such one" for name in query.keys() - method.parameters)
    if exchange.sent is not None and method.request:
        schema = method.schemas[method.request]
        yield from (f"sent {one}" for one in problems(exchange.sent, schema, method.schemas, lenient=True))
    if exchange.received is not None and method.response and "enum-encoding=int" not in query.get("$alt", ""):
        yield from problems(exchange.received, method.schemas[method.response], method.schemas)


def _error_findings(exchange: Exchange) -> Iterator[str]:
    """https://cloud.google.com/apis/design/errors#http_mapping, and errors[] as the older APIs send it."""
    if exchange.received is None:
        return
    error = exchange.received.get("error")
    if not isinstance(error, dict) or not {"code", "message"} <= error.keys() <= ERROR_FIELDS:
        yield f"{exchange.status} with a body that is no error of Google's: {exchange.received}"
        return
    if error["code"] != exchange.status:
        yield f"{exchange.status} with code {error['code']} in the body"
    if "errors" not in error and "status" not in error:
        yield f"{exchange.status} with neither errors[] nor status"
    for item in error.get("errors", []):
        if not {"reason", "message"} <= item.keys() <= ERROR_ITEM_FIELDS:
            yield f"{exchange.status} with a strange item in errors[]: {item}"
