"""An emulator that writes down what it is asked and answers, before each answer goes out.

`python -m sandbox.tests.conformance.observed FILE OPTIONS`: the tests' own way to start it, since what it writes holds
secrets; the options are those of `serve`.
"""

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import serve
from sandbox.core.dispatch import Dispatcher


@dataclass(frozen=True)
class Exchange:
    """One request with its answer; bodies that are no JSON are None."""

    method: str
    path: str
    query: str
    sent: Any
    status: int
    received: Any


class ObservedDispatcher(Dispatcher):
    """Writes every exchange to a file before the answer goes out."""

    file: Path

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        sent = await self._sent(request)
        response = await super().__call__(request)
        path, _, query = request.raw_path.partition("?")
        exchange = Exchange(request.method, path, query, sent, response.status, _received(response))
        self.file.touch(mode=0o600)
        with self.file.open("a") as file:
            file.write(json.dumps(asdict(exchange)) + "\n")
        return response

    async def _sent(self, request: web.Request) -> Any:
        """The JSON body of a call; what handlers stream (objects' bytes) is left alone."""
        streamed = request.method == "PUT" and "upload_id=" in request.query_string
        streamed = streamed or "uploadType=media" in request.query_string
        if streamed or request.content_type != "application/json" or (request.content_length or 0) > serve.LARGEST_JSON:
            return None
        return _json(await request.read())


def _received(response: web.StreamResponse) -> Any:
    if response.content_type != "application/json" or not isinstance(response, web.Response):
        return None
    return _json(response.body) if isinstance(response.body, bytes) else None


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None


def main() -> int:
    """Serve, observed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    serve.add_arguments(parser)
    arguments = parser.parse_args()
    ObservedDispatcher.file = arguments.file
    return serve.run(arguments, ObservedDispatcher)


if __name__ == "__main__":
    sys.exit(main())
