# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a module's waits become lines for a person, and how they read: pure, without pipe and clock.

The events are those of module_utils/progress.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# Seconds after the beginning of a wait; then every minute. What is over sooner is not worth a line.
_DUE = (2.0, 5.0, 15.0, 30.0, 60.0)
_EVERY = 60.0
# Within so many seconds the same wait goes on: pauses between repetitions are one wait.
_SAME_WAIT = 60.0
_LONGEST_LINE = 300


@dataclass
class _Wait:
    text: str
    started: float
    shown: int
    open: int = 0
    seen: float = 0.0

    def due(self) -> float:
        """When its next line is due."""
        after = _DUE[self.shown] if self.shown < len(_DUE) else _DUE[-1] + _EVERY * (self.shown - len(_DUE) + 1)
        return self.started + after


class LiveLines:
    """The waits of one module."""

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}
        self._numbers: dict[str, str] = {}

    def take(self, event: Mapping[str, Any], now: float) -> Iterator[str]:
        """Note an event; the lines that it is worth at once. Nonsense is not noted."""
        if "begin" in event:
            yield from self._begin(event, now)
        elif (text := self._numbers.pop(str(event.get("end")), None)) is not None:
            wait = self._waits[text]
            wait.open -= 1
            wait.seen = now

    def _begin(self, event: Mapping[str, Any], now: float) -> Iterator[str]:
        text = _printable(": ".join(str(part) for part in (event.get("subject"), event.get("text")) if part))
        wait = self._waits.get(text)
        if wait is None or (not wait.open and now - wait.seen > _SAME_WAIT):
            wait = self._waits[text] = _Wait(text, now, 0)
            if event.get("at_once"):
                yield text
        wait.open += 1
        self._numbers[str(event["begin"])] = text

    def tick(self, now: float) -> Iterator[str]:
        """The lines that are due."""
        for wait in self._waits.values():
            if not wait.open or now < wait.due():
                continue
            # After a pause in which nothing was shown, one line is enough.
            while now >= wait.due():
                wait.shown += 1
            yield f"{wait.text}, {elapsed(now - wait.started)}"

    def next_due(self) -> float | None:
        """When to tick next; None: not before another event."""
        return min((wait.due() for wait in self._waits.values() if wait.open), default=None)


def elapsed(seconds: float) -> str:
    """A time for people: 45 s, 2 min 10 s."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def parse(line: bytes) -> Mapping[str, Any]:
    """One event; empty if it is none."""
    try:
        event = json.loads(line)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _printable(text: str) -> str:
    """One line without control characters, whatever Google answered."""
    return "".join(c if c.isprintable() else " " for c in text)[:_LONGEST_LINE]
