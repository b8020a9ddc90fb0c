# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One project at Google as the resources see it: requests by API name and path, each object read once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, TypeVar
from urllib.parse import quote

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import Progress
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Clock, JsonObject, Session

T = TypeVar("T")


class Google:
    """Requests to Google's APIs in one project.

    :param endpoints: base address of each API, as from endpoints.resolve_endpoints.
    """

    def __init__(self, session: Session, endpoints: Mapping[str, str], project: str) -> None:
        self._session = session
        self._endpoints = endpoints
        self.project = project
        self._reads: dict[object, Future[Any]] = {}
        self._lock = threading.Lock()
        self._turns: dict[object, threading.Lock] = {}
        self._announced: dict[object, dict[str, None]] = {}
        self.writes = 0
        self.notes: list[str] = []
        """What the user should know besides the plan: what was resumed, what Google warns about."""

    @property
    def session(self) -> Session:
        """What sends the requests."""
        return self._session

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Base address of each API."""
        return self._endpoints

    @property
    def account(self) -> str:
        """The e-mail of the service account that asks; empty if it is a user or not known."""
        return self._session.account

    @property
    def clock(self) -> Clock:
        """Time and chance, shared with the session."""
        return self._session.clock

    @property
    def progress(self) -> Progress:
        """Tells a person what is waited for, shared with the session."""
        return self._session.progress

    @property
    def key_id(self) -> str:
        """The id of the key that requests are sent with; empty if there is none."""
        return self._session.key_id

    def get(self, api: str, path: str, **params: object) -> JsonObject:
        """GET an object."""
        return self._session.request("GET", self._endpoints[api] + path, params)

    def find(self, api: str, path: str, **params: object) -> JsonObject | None:
        """GET an object that may be absent; only 404 means absent."""
        try:
            return self.get(api, path, **params)
        except NotFoundError:
            return None

    def query(self, api: str, path: str, body: JsonObject) -> JsonObject:
        """POST a question, which changes nothing and so may be repeated."""
        return self._session.request("POST", self._endpoints[api] + path, None, body, reads=True)

    def write(
        self,
        method: str,
        api: str,
        path: str,
        body: JsonObject | None = None,
        params: Mapping[str, object] | None = None,
    ) -> JsonObject:
        """Send a write once; ``writes`` counts those that Google accepted."""
        reply = self._session.request(method, self._endpoints[api] + path, params, body)
        self.writes += 1
        return reply

    def once(self, key: object, read: Callable[[], T]) -> T:
        """The result of ``read``, shared by all callers with this key until ``forget``; threads wait for the first."""
        with self._lock:
            mine = key not in self._reads
            future = self._reads.setdefault(key, Future())
        if mine:
            try:
                future.set_result(read())
            except BaseException as error:
                future.set_exception(error)
        result: T = future.result()
        return result

    def turn(self, key: object) -> AbstractContextManager[bool]:
        """A block that only one thread of the process is in, for what Google does one at a time."""
        with self._lock:
            return self._turns.setdefault(key, threading.Lock())

    def announce(self, listing: object, name: str) -> None:
        """Say that an object of a listing will be read, so that those who read many can ask for all at once."""
        with self._lock:
            self._announced.setdefault(listing, {})[name] = None

    def asks_for_many(self, listing: object) -> bool:
        """Whether more than one object of the listing will be read."""
        return len(self.announced(listing)) > 1

    def announced(self, listing: object) -> list[str]:
        """The objects of the listing that will be read."""
        with self._lock:
            return list(self._announced.get(listing, ()))

    def forget(self) -> None:
        """Let the next ``once`` read again."""
        with self._lock:
            self._reads.clear()


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")
