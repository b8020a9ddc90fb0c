"""Long-running operations of Cloud SQL: PENDING, RUNNING, DONE (errors inside), one at a time an instance."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable

from sandbox.core.documents import Json, timestamp
from sandbox.core.store import Store

LOG = logging.getLogger(__name__)
OPERATIONS = "operations"
KEPT = 200
# How much of an operation's time it waits in the queue.
PENDING_SHARE = 0.2

Work = Callable[[str, str, Json], Awaitable[None]]


class BusyError(Exception):
    """Another operation runs on the instance."""


class Operations:
    """Starts, paces, records and resumes operations. What they do is `work(type, instance, payload)`, idempotent."""

    def __init__(self, store: Store, project: str, seconds: float, work: Work) -> None:
        self._store = store
        self._project = project
        self._seconds = seconds
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._acting: set[str] = set()
        self._stopping = asyncio.Event()

    def refuse_if_busy(self, instance: str) -> None:
        """Raise BusyError while an operation on the instance is not DONE."""
        unfinished = any(
            record["operation"]["targetId"] == instance and record["operation"]["status"] != "DONE"
            for _, record in self._store.items(OPERATIONS)
        )
        if unfinished or instance in self._acting:
            raise BusyError(instance)

    def begin(self, kind: str, instance: str, user: str, payload: Json) -> Json:
        """Start a long operation; the answer is PENDING."""
        self.refuse_if_busy(instance)
        operation = self._new(kind, instance, user)
        self._save(operation, payload)
        self._spawn(operation["name"])
        return operation

    async def act(self, kind: str, instance: str, user: str, work: Callable[[], Awaitable[None]]) -> Json:
        """A short operation, DONE when this returns. What `work` raises is the caller's to word: nothing is kept."""
        self.refuse_if_busy(instance)
        self._acting.add(instance)
        operation = self._new(kind, instance, user) | {"startTime": timestamp()}
        try:
            await work()
        finally:
            self._acting.discard(instance)
        operation |= {"status": "DONE", "endTime": timestamp()}
        self._save(operation, {})
        return operation

    def resume(self) -> None:
        """Take up what a killed sandbox left unfinished."""
        for name, record in list(self._store.items(OPERATIONS)):
            if record["operation"]["status"] != "DONE":
                self._spawn(name)

    async def stop(self) -> None:
        """Let work that runs finish, leave the rest to be resumed."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)
        self._stopping.clear()

    def _new(self, kind: str, instance: str, user: str) -> Json:
        return {
            "kind": "sql#operation",
            "name": str(uuid.uuid4()),
            "operationType": kind,
            "status": "PENDING",
            "user": user,
            "insertTime": timestamp(),
            "targetId": instance,
            "targetProject": self._project,
        }

    def _save(self, operation: Json, payload: Json) -> None:
        self._store.put(OPERATIONS, operation["name"], {"operation": operation, "payload": payload})
        for name in self._store.keys(OPERATIONS)[:-KEPT]:
            self._store.delete(OPERATIONS, name)

    def _spawn(self, name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._run(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, name: str) -> None:
        record = self._store.get(OPERATIONS, name)
        if record is None or not await self._sleep(self._seconds * PENDING_SHARE):
            return
        operation, payload = record["operation"], record["payload"]
        operation |= {"status": "RUNNING", "startTime": timestamp()}
        self._save(operation, payload)
        self._store.commit()
        started = time.monotonic()
        error = await self._outcome(operation, payload)
        if not await self._sleep(self._seconds * (1 - PENDING_SHARE) - (time.monotonic() - started)):
            return
        operation |= {"status": "DONE", "endTime": timestamp()} | error
        # The payload may hold a password: it goes as soon as it has served.
        self._save(operation, {})
        self._store.commit()

    async def _outcome(self, operation: Json, payload: Json) -> Json:
        try:
            await self._work(operation["operationType"], operation["targetId"], payload)
        except Exception as error:
            LOG.exception("operation %s on %s failed", operation["operationType"], operation["targetId"])
            item = {"kind": "sql#operationError", "code": "INTERNAL_ERROR", "message": str(error)}
            return {"error": {"kind": "sql#operationErrors", "errors": [item]}}
        return {}

    async def _sleep(self, seconds: float) -> bool:
        """False when the sandbox stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(0.0, seconds))
        return not self._stopping.is_set()
