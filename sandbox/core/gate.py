"""Keeps requests out while the whole state is copied or replaced."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PATIENCE_SECONDS = 2.0


class BusyGateError(Exception):
    """Requests are still being answered."""


class Gate:
    """Requests pass; whoever closes it waits for those inside, while new ones wait outside."""

    def __init__(self) -> None:
        self._inside = 0
        self._open, self._empty = asyncio.Event(), asyncio.Event()
        self._open.set()
        self._empty.set()

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[None]:
        """One request."""
        while not self._open.is_set():
            await self._open.wait()
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def closed(self) -> AsyncIterator[None]:
        """Nobody inside. Raises BusyGateError when those inside do not come out."""
        while not self._open.is_set():
            await self._open.wait()
        self._open.clear()
        try:
            await self._wait_until_empty()
            yield
        finally:
            self._open.set()

    async def _wait_until_empty(self) -> None:
        try:
            await asyncio.wait_for(self._empty.wait(), PATIENCE_SECONDS)
        except TimeoutError as error:
            raise BusyGateError(f"{self._inside} requests are still being answered.") from error
