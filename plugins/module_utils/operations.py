# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for a long-running operation: soon at first, then in pauses of a twentieth of the time already waited.

So waiting costs at most a second plus 5 % over the operation's own length, and a creation of 15 minutes some 60 polls.
"""

from __future__ import annotations

from collections.abc import Callable

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError, OperationTimeoutError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Clock, JsonObject

_SOON = (0.2, 0.5)
_SHORTEST = 1.0
_LONGEST = 15.0
_SHARE = 0.05
# A fresh operation may not be visible everywhere at once (hashicorp/terraform#13091).
_INVISIBLE = 30.0


def pause_before_poll(poll: int, waited: float, chance: float) -> float:
    """Seconds before the poll-th look (from 0), after ``waited`` seconds, with jitter of a tenth downwards."""
    if poll < len(_SOON):
        return _SOON[poll]
    return min(_LONGEST, max(_SHORTEST, _SHARE * waited)) * (1.0 - 0.1 * chance)


def wait_until(
    look: Callable[[], JsonObject],
    is_done: Callable[[JsonObject], bool],
    what: str,
    timeout: float,
    clock: Clock,
    *,
    way_out: str = "run again to wait for it",
) -> JsonObject:
    """Look until done and return what was seen last.

    :param what: names the operation in errors, such as "operation 12ab (CREATE of instance x)".
    :param timeout: seconds.
    """
    started = clock.now()
    poll = 0
    while True:
        clock.sleep(pause_before_poll(poll, clock.now() - started, clock.chance()))
        waited = clock.now() - started
        try:
            seen = look()
            if is_done(seen):
                return seen
        except NotFoundError:
            if waited > _INVISIBLE:
                raise
        if waited > timeout:
            raise OperationTimeoutError(
                f"{what} is still running after {waited:.0f} s: it goes on at Google's side; {way_out}"
            )
        poll += 1
