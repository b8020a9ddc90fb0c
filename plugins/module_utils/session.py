# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one HTTP layer: a bearer token, typed errors, and the rules about what may be sent twice.

A read is repeated on 429, 5xx, conflicts, resets and unreadable answers. A write is repeated only where Google
certainly did not execute it (429, a connection that never came to be); any other unclear end raises
OutcomeUnknownError, upon which the caller reads again and plans anew. So no creation is ever repeated blindly.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import TokenSource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    BusyError,
    GoogleApiError,
    NetworkError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
    StaleVersionError,
    error_from_reply,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import Progress
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Reply, Transport

JsonObject = dict[str, Any]

USER_AGENT = "ansible-mlflow_ops.gcp/0.1.0"
_UNCONNECTED_BUDGET = 15.0
# What others do at the same time; a write has to be planned anew, a read may simply be repeated.
_BY_OTHERS = (BusyError, StaleVersionError)
_PASSING = (RateLimitedError, NetworkError, ServerError, *_BY_OTHERS)


@dataclass(frozen=True)
class Clock:
    """Time and chance, to be replaced in tests."""

    now: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random

    def full_jitter(self, attempt: int, first: float = 1.0, longest: float = 32.0) -> float:
        """A pause before the attempt-th repetition (from 0), so that crowds spread out."""
        return self.chance() * min(longest, first * 2.0**attempt)


class Session:
    """Sends requests as one principal. Safe to use from several threads.

    :param budget: seconds after the first failure in which a request is repeated.
    """

    def __init__(
        self,
        tokens: TokenSource,
        transport: Transport,
        clock: Clock | None = None,
        budget: float = 120.0,
        progress: Progress | None = None,
    ) -> None:
        self._tokens = tokens
        self._transport = transport
        self._budget = budget
        self.clock = clock or Clock()
        self.progress = progress or Progress()

    @property
    def key_id(self) -> str:
        """The id of the key that requests are sent with; empty if there is none."""
        return self._tokens.key_id

    @property
    def tokens(self) -> TokenSource:
        """What requests are sent with."""
        return self._tokens

    def sending(self, tokens: TokenSource) -> Session:
        """The same way to Google as another principal."""
        return Session(tokens, self._transport, self.clock, self._budget, self.progress)

    @property
    def account(self) -> str:
        """The e-mail of the service account that asks; empty if it is a user or not known."""
        return self._tokens.account

    def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: JsonObject | None = None,
        *,
        reads: bool | None = None,
    ) -> JsonObject:
        """Send one request and return the parsed answer (``{}`` for an empty one).

        :param reads: whether it changes nothing at the server; None: true for GET alone.
        :raises GoogleApiError: an error answer, by its class.
        :raises OutcomeUnknownError: a write whose end is unclear.
        :raises NetworkError: no answer within the budget.
        """
        repeatable = method == "GET" if reads is None else reads
        started: float | None = None
        attempt = 0
        while True:
            try:
                return self._once(method, url, params, body)
            except _PASSING as error:
                if isinstance(error, _BY_OTHERS) and not repeatable:
                    raise
                if not repeatable and not _surely_not_executed(error):
                    raise OutcomeUnknownError(error) from error
                started = self.clock.now() if started is None else started
                asked = float(getattr(error, "retry_after", 0.0))
                pause = asked + self.clock.full_jitter(attempt)
                waited, budget = self.clock.now() - started, self._budget_for(error)
                if waited + pause > budget:
                    error.say_more(given_up(asked, attempt + 1, waited, budget))
                    raise
                with self.progress.waiting(f"{named(error)} to {method} {urlsplit(url).path}: asking again"):
                    self.clock.sleep(pause)
                attempt += 1

    def _budget_for(self, error: Exception) -> float:
        if isinstance(error, NetworkError) and error.lasting:
            return 0.0
        if isinstance(error, NetworkError) and not error.sent:
            return min(_UNCONNECTED_BUDGET, self._budget)
        return self._budget

    def _once(self, method: str, url: str, params: Mapping[str, Any] | None, body: JsonObject | None) -> JsonObject:
        token = self._tokens.token()
        reply = self._send(token, method, url, params, body)
        if reply.status == HTTPStatus.UNAUTHORIZED and (renewed := self._tokens.renew(token)):
            reply = self._send(renewed, method, url, params, body)
        if reply.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise self._error(reply, method, url)
        return _parsed(reply, method, url)

    def _send(
        self, token: str, method: str, url: str, params: Mapping[str, Any] | None, body: JsonObject | None
    ) -> Reply:
        headers = {"Authorization": f"Bearer {token}", "User-Agent": USER_AGENT, "Accept": "application/json"}
        if project := self._tokens.quota_project:
            headers["x-goog-user-project"] = project
        return self._transport.send(method, url, params, body, headers)

    def _error(self, reply: Reply, method: str, url: str) -> GoogleApiError:
        error = error_from_reply(reply.status, reply.body, method, url)
        error.retry_after = _retry_after(reply.headers.get("retry-after", ""), self.clock.wall())
        return error


def given_up(asked: float, times: int, waited: float, budget: float) -> str:
    """Why a request is not sent once more."""
    if asked > budget:
        return f"Google asks to wait {asked:.0f} s, and a run waits {budget:.0f} s at most"
    return f"tried {times} times in {waited:.0f} s" if times > 1 else "tried once"


def named(error: Exception) -> str:
    """What was answered, without the texts: they may quote what was sent."""
    if isinstance(error, GoogleApiError):
        return f"{error.status} {error.reason}".strip()
    return "no answer" if isinstance(error, NetworkError) else "not seen everywhere yet"


def _parsed(reply: Reply, method: str, url: str) -> JsonObject:
    if not reply.body:
        return {}
    try:
        parsed = json.loads(reply.body)
    except ValueError as error:
        raise NetworkError(f"{method} {url}: the answer was cut off or is no JSON") from error
    if not isinstance(parsed, dict):
        raise NetworkError(f"{method} {url}: the answer is no JSON object")
    return parsed


def _surely_not_executed(error: Exception) -> bool:
    return isinstance(error, RateLimitedError) or (isinstance(error, NetworkError) and not error.sent)


def _retry_after(value: str, now: float) -> float:
    """Seconds to wait by a Retry-After header: a number or a date (RFC 9110, 10.2.3)."""
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except ValueError:
        return 0.0
