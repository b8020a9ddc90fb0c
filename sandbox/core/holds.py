"""What faults hold: requests and operations that wait until somebody releases them."""

import asyncio
from collections.abc import Callable

from sandbox.core.documents import Json, timestamp

LOOK_SECONDS = 0.05


class Holds:
    """Everything that waits now, by the rule that holds it."""

    def __init__(self) -> None:
        self._waiting: dict[asyncio.Event, tuple[str, Json]] = {}

    def of(self, rule: str) -> list[Json]:
        """What the rule holds, oldest first."""
        return [what for holder, what in self._waiting.values() if holder == rule]

    def release(self, rule: str | None = None) -> int:
        """Let what a rule holds go on (None: all rules); how many."""
        released = [event for event, (holder, _) in self._waiting.items() if rule in (None, holder)]
        for event in released:
            event.set()
        return len(released)

    async def wait(self, rule: str, what: Json, gone: Callable[[], bool]) -> None:
        """Wait for the release, or until nobody waits for the outcome any more."""
        event = asyncio.Event()
        self._waiting[event] = (rule, what | {"since": timestamp()})
        try:
            while not event.is_set() and not gone():
                try:
                    await asyncio.wait_for(event.wait(), LOOK_SECONDS)
                except TimeoutError:
                    continue
        finally:
            del self._waiting[event]
