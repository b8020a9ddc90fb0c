# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a module waits for, told while it waits: a module itself cannot print.

The action plugin (plugin_utils/live_action.py) makes a named pipe, names it in the module's environment and prints.
Where nobody listens (another machine, another user, a task in the background) all of this does nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

ENVIRONMENT_VARIABLE = "MLFLOW_OPS_GCP_PROGRESS"

Send = Callable[[Mapping[str, object]], None]


class Progress:
    """Tells of waits, as events. Safe to use from several threads.

    :param send: takes one event; None: nobody listens.
    :param close: ends it for whoever listens. A process that ends does the same.
    """

    def __init__(self, send: Send | None = None, close: Callable[[], None] = lambda: None) -> None:
        self._send = send
        self.close = close
        self._numbers = itertools.count(1)
        self.subject = ""
        """What the module works on, such as "sql_instance db"."""

    @contextmanager
    def waiting(self, text: str, *, at_once: bool = False) -> Iterator[None]:
        """A block that waits for what the text says (never a secret).

        A short wait is not shown. The same text again soon afterwards counts as the same wait that goes on.

        :param at_once: whether it is worth a line however short it is.
        """
        if self._send is None:
            yield
            return
        number = next(self._numbers)
        self._send({"begin": number, "subject": self.subject, "text": text, "at_once": at_once})
        try:
            yield
        finally:
            self._send({"end": number})


def listen_up(environment: Mapping[str, str]) -> Progress:
    """Progress for whoever listens at the pipe that the environment names."""
    path = environment.get(ENVIRONMENT_VARIABLE)
    if not path:
        return Progress()
    try:
        # Without a reader this fails instead of waiting for one.
        pipe = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return Progress()
    if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        os.close(pipe)
        return Progress()
    send = _sender(pipe)
    # The reader removes the pipe's name now.
    send({"here": True})
    return Progress(send, lambda: os.close(pipe))


def _sender(pipe: int) -> Send:
    def send(event: Mapping[str, object]) -> None:
        # A listener that is gone or slow is no reason to fail. One write of a line is never mixed with another's.
        with suppress(OSError):
            os.write(pipe, json.dumps(event).encode() + b"\n")

    return send
