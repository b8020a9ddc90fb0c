"""Routes: which request is answered by which function, what it needs, and what it is called with."""

import importlib
import json
import pkgutil
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import web

from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic, modern
from sandbox.core.shapes import MisshapenError, Shape, shaped

if TYPE_CHECKING:
    from sandbox.core.world import World

MAX_JSON_BYTES = 4 << 20


@dataclass(frozen=True)
class Denial:
    """What IAM refused, for the API to word."""

    principal: str
    permission: str
    params: dict[str, str]
    path: str


@dataclass(frozen=True)
class Api:
    """One Google API: the service that Service Usage switches, its title, and how it words a refusal by IAM.

    `permissions` is the page on which Google says which permission each method asks for.
    """

    service: str
    title: str
    denied: Callable[[Denial], ApiError]
    permissions: str
    classic_errors: bool = False
    anonymous: bool = False
    """Whether callers without a token are judged by the policies (allUsers) instead of refused."""

    def invalid(self, message: str) -> ApiError:
        """400 in this API's error shape."""
        return classic(400, message, "invalid") if self.classic_errors else modern(400, message)


@dataclass
class Call:
    """One request on its way to a handler: who asks, and the names found in its path."""

    world: "World"
    request: web.Request
    route: "Route"
    params: dict[str, str]
    principal: str = ""

    @property
    def project(self) -> str:
        """The project's id, whether the path had id or number."""
        return self.world.settings.project

    @property
    def query(self) -> dict[str, str]:
        """The query parameters (the last one wins)."""
        return dict(self.request.query)

    def page_size(self, parameter: str, default: int) -> int:
        """How many to list at once; 0 asks for the default (https://google.aip.dev/158)."""
        given = self.query.get(parameter, "") or "0"
        if not given.isdecimal():
            # The form of hashicorp/terraform-provider-google#3964.
            raise self.invalid(f"Invalid value at '{parameter}' (TYPE_INT32), {given!r}")
        return int(given) or default

    def page(self, name: str, found: list[Json], *, default: int, most: int) -> Json:
        """What `pageSize` and `pageToken` ask for of a list; {} where there is nothing."""
        size, token = min(self.page_size("pageSize", default), most), self.query.get("pageToken") or "0"
        if not token.isdecimal():
            # Wording ours: Google's APIs differ in theirs.
            raise self.invalid(f"Invalid page token: {token}")
        end = int(token) + size
        answer: Json = {name: found[int(token) : end]} if found else {}
        return answer | ({"nextPageToken": str(end)} if end < len(found) else {})

    @property
    def origin(self) -> str:
        """Scheme and host as this client addresses the sandbox, for links it will follow."""
        return f"{self.request.scheme}://{self.request.host}"

    async def body(self, shape: Shape = None) -> Json:
        """The request's JSON object, {} when it has none; its fields have the types that `shape` names."""
        raw = await self.request.read()
        try:
            document = json.loads(raw) if raw.strip() else {}
        except ValueError as error:
            # As recorded in googlecodelabs/feedback#441; the reason after it is Python's.
            raise self.invalid(f"Invalid JSON payload received. {error}") from error
        if not isinstance(document, dict):
            # As recorded in google-wallet/rest-samples#22.
            raise self.invalid('Invalid JSON payload received. Unknown name "": Root element must be a message.')
        try:
            return shaped(document, shape) if shape else document
        except MisshapenError as error:
            # Wording ours, after what Google says of unknown fields (pulumi/pulumi-google-native#836).
            raise self.invalid(str(error)) from error

    def invalid(self, message: str) -> ApiError:
        """400 in the error shape of the API that was called."""
        return self.route.api.invalid(message) if self.route.api else modern(400, message)


Answer = Json | web.StreamResponse
Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True)
class Route:
    """One row of the route table.

    `path` is matched against the raw path; `{name}` stands for one segment without `/` and `:`, `{name+}` for the rest.
    `api` None marks what no Google API front end guards (token endpoint, metadata server). `permission` None means that
    none is needed. `mutating` defaults to "everything but GET". `late` routes ask for their permission in the handler,
    since only the body or the query says what they are about.
    """

    method: str
    path: str
    handler: Handler
    api: Api | None = None
    permission: str | None = None
    mutating: bool | None = None
    late: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The path as a regular expression."""
        parts = re.split(r"\{(\w+\+?)\}", self.path)
        expression = ""
        for index, part in enumerate(parts):
            if index % 2 == 0:
                expression += re.escape(part)
            elif part.endswith("+"):
                expression += f"(?P<{part[:-1]}>.+)"
            else:
                expression += f"(?P<{part}>[^/:]+)"
        return re.compile(expression)

    @property
    def changes_state(self) -> bool:
        """The recorder's `mutating`."""
        return self.method != "GET" if self.mutating is None else self.mutating

    def match(self, method: str, raw_path: str) -> dict[str, str] | None:
        """The names in the path, decoded, or None when this is another request."""
        if method != self.method or not (found := self.pattern.fullmatch(raw_path)):
            return None
        return {name: unquote(value) for name, value in found.groupdict().items()}


def collect(package: str) -> list[Route]:
    """The route tables of every file below `package`."""
    found: list[Route] = []
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, prefix=f"{package}."):
        found += getattr(importlib.import_module(module.name), "ROUTES", [])
    return found
