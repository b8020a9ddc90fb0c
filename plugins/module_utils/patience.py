# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which errors of a write are answered by reading and planning anew, how soon, and how often or how long.

The same write is never just sent again: what is still missing after a new reading is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    BusyError,
    GoogleError,
    NotFoundError,
    OutcomeUnknownError,
    ServiceDisabledError,
    StaleVersionError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import NotVisibleYetError, Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import given_up, named

# Newly enabled services and newly made accounts: iam/docs/access-change-propagation says minutes.
SERVICE_PATIENCE = 300.0
_VISIBILITY_PATIENCE = 120.0
# As long as session.py repeats a read.
_UNCLEAR_PATIENCE = 120.0
_BUSY_TIMES = 20
_FEW_TIMES = 3
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True)
class Rule:
    """How often (``times``) or how long (``seconds`` from the first of its kind) an error is answered by a new plan.

    ``pause`` is the first pause's length at most; it doubles with each.
    """

    kind: type[GoogleError]
    pause: float
    times: int | None = None
    seconds: float | None = None


def rules(resource: Resource, plan: Plan, *, wrote: bool) -> Iterator[Rule]:
    """The rules for an error of applying this plan, the first that fits counts.

    :param wrote: whether Google had accepted an earlier write of the same plan.
    """
    yield Rule(StaleVersionError, 0.5, times=resource.STALE_ATTEMPTS - 1)
    yield Rule(BusyError, 1.0, times=_BUSY_TIMES)
    yield Rule(StateChangedError, 0.0, times=_BUSY_TIMES)
    yield Rule(OutcomeUnknownError, 1.0, seconds=_UNCLEAR_PATIENCE)
    yield Rule(NotVisibleYetError, 2.0, seconds=_VISIBILITY_PATIENCE)
    # The reading asks whether it is really off.
    yield Rule(ServiceDisabledError, 1.0, seconds=SERVICE_PATIENCE)
    if plan.action is Action.CREATE:
        # It is there, though the reading does not show it yet (https://cloud.google.com/iam/docs/service-accounts-create).
        yield Rule(AlreadyExistsError, 0.5, seconds=_VISIBILITY_PATIENCE)
    if plan.action is Action.DELETE:
        # Somebody else was faster.
        yield Rule(NotFoundError, 0.5, times=_FEW_TIMES)
    if wrote:
        # What was made a moment ago is not seen everywhere yet.
        yield Rule(NotFoundError, 0.5, seconds=_VISIBILITY_PATIENCE)


class Patience:
    """Counts the errors of one resource's writes, and pauses."""

    def __init__(self, resource: Resource, google: Google) -> None:
        self._resource = resource
        self._google = google
        self._times: dict[type[GoogleError], int] = {}
        self._since: dict[type[GoogleError], float] = {}

    def allows(self, error: GoogleError, plan: Plan, *, wrote: bool) -> bool:
        """Whether to go on; pauses if so, else the error says how often and how long it was tried."""
        rule = next((r for r in rules(self._resource, plan, wrote=wrote) if isinstance(error, r.kind)), None)
        if rule is None:
            return False
        clock = self._google.clock
        waited = clock.now() - self._since.setdefault(rule.kind, clock.now())
        times = self._times[rule.kind] = self._times.get(rule.kind, 0) + 1
        cause = error.cause if isinstance(error, OutcomeUnknownError) else error
        asked = float(getattr(cause, "retry_after", 0.0))
        pause = asked + clock.full_jitter(times - 1, rule.pause, _LONGEST_PAUSE)
        longest = math.inf if rule.seconds is None else rule.seconds
        if waited + pause > longest or (rule.times is not None and times > rule.times):
            error.say_more(given_up(asked, times, waited, longest))
            return False
        with self._google.progress.waiting(f"{named(cause)}: looking again"):
            clock.sleep(pause)
        return True


def await_visibility(google: Google, is_seen: Callable[[], bool], what: str) -> None:
    """Look until what was made is seen, two minutes at most: the next who asks may meet another of Google's servers."""
    clock = google.clock
    started, attempt = clock.now(), 0
    with google.progress.waiting(f"{what} is not seen yet: looking again"):
        while not is_seen() and clock.now() - started < _VISIBILITY_PATIENCE:
            clock.sleep(0.2 + clock.full_jitter(attempt, longest=_LONGEST_PAUSE))
            attempt += 1
