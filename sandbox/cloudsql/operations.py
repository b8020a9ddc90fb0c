"""Long-running operations of Cloud SQL: PENDING, RUNNING, DONE (errors inside), one at a time an instance."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sandbox.core.documents import Json, timestamp
from sandbox.core.store import Store

LOG = logging.getLogger(__name__)
OPERATIONS = "operations"
KEPT = 200
# How much of an operation's time it waits in the queue.
PENDING_SHARE = 0.2

Work = Callable[[str, str, Json], Awaitable[None]]
Act = Callable[[], Awaitable[None]]
Hold = Callable[[Json, Callable[[], bool]], Awaitable[None]]
Failed = Callable[[str, str, Json, Json], None]


class BusyError(Exception):
    """Another operation runs on the instance."""


@dataclass(frozen=True)
class Fate:
    """What becomes of one operation besides its work; nothing by default.

    `hold(what, gone)` is awaited until somebody releases the operation or `gone()` says that nobody waits any more.
    `error` (code, perhaps message) is what it ends with. `after`: both come when the work is done, else instead of it.
    """

    seconds: float | None = None
    hold: Hold | None = None
    error: Json | None = None
    after: bool = False

    @property
    def takes_time(self) -> bool:
        """Whether an operation that would come back DONE comes back PENDING."""
        return self.seconds is not None or self.hold is not None


class Operations:
    """Starts, paces, records and resumes operations. What they do is `work(type, instance, payload)`, idempotent.

    `failed(type, instance, payload, error)` hears of those that end in an error.
    """

    def __init__(self, store: Store, project: str, seconds: float, work: Work, failed: Failed) -> None:
        self.fate: Callable[[str, str], Fate] = lambda _kind, _instance: Fate()
        """Asked once when an operation of a type on an instance begins; a restart forgets the answer."""
        self._store = store
        self._project = project
        self._seconds = seconds
        self._work = work
        self._failed = failed
        self._fates: dict[str, Fate] = {}
        self._acts: dict[str, Act] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._acting: set[str] = set()
        self._stopping = asyncio.Event()

    def refuse_if_busy(self, *instances: str) -> None:
        """Raise BusyError while an operation on one of the instances is not DONE."""
        for _, record in self._store.items(OPERATIONS):
            if record["operation"]["status"] != "DONE" and set(record["on"]) & set(instances):
                raise BusyError(record["operation"]["targetId"])
        for instance in instances:
            if instance in self._acting:
                raise BusyError(instance)

    def begin(
        self, kind: str, instance: str, user: str, payload: Json, *, also: Iterable[str] = (), **fields: Any
    ) -> Json:
        """Start a long operation; the answer is PENDING.

        `also`: further instances that are busy until it is DONE. `fields`: what this kind of operation shows besides;
        a targetLink is relative to the project.
        """
        busy = [instance, *also]
        self.refuse_if_busy(*busy)
        operation = self._new(kind, instance, user) | fields
        self._save(operation, payload, busy)
        self._spawn(operation["name"])
        return operation

    async def act(self, kind: str, instance: str, user: str, work: Act, **fields: Any) -> Json:
        """A short operation, DONE when this returns. What `work` raises is the caller's to word: nothing is kept."""
        self.refuse_if_busy(instance)
        operation = self._new(kind, instance, user) | fields
        fate = self._fates[operation["name"]]
        if fate.takes_time:
            self._acts[operation["name"]] = work
            self._save(operation, {}, [instance])
            self._spawn(operation["name"])
            return operation
        operation |= {"startTime": timestamp()}
        self._acting.add(instance)
        try:
            if fate.error is None or fate.after:
                await work()
        except BaseException:
            self._fates.pop(operation["name"], None)
            raise
        finally:
            self._acting.discard(instance)
        return self._done(operation, _errors(fate.error))

    def resume(self) -> None:
        """Take up what a kill, or `stop`, left unfinished."""
        self._stopping.clear()
        for name, record in list(self._store.items(OPERATIONS)):
            if record["operation"]["status"] != "DONE":
                self._spawn(name)

    async def stop(self) -> None:
        """Let work that runs finish and begin no other, until `resume`."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def forget(self) -> None:
        """End all of them, as if there had never been any."""
        await self.stop()
        for name in self._store.keys(OPERATIONS):
            self._store.delete(OPERATIONS, name)
        self._fates.clear()
        self._acts.clear()
        self._stopping.clear()

    def _new(self, kind: str, instance: str, user: str) -> Json:
        name = str(uuid.uuid4())
        self._fates[name] = self.fate(kind, instance)
        return {
            "kind": "sql#operation",
            "name": name,
            "operationType": kind,
            "status": "PENDING",
            "user": user,
            "insertTime": timestamp(),
            "targetId": instance,
            "targetLink": f"instances/{instance}",
            "targetProject": self._project,
        }

    def _save(self, operation: Json, payload: Json, busy: list[str]) -> None:
        self._store.put(OPERATIONS, operation["name"], {"operation": operation, "payload": payload, "on": busy})

    def _done(self, operation: Json, error: Json) -> Json:
        operation |= {"status": "DONE", "endTime": timestamp()} | error
        # The payload may hold a password: it goes as soon as it has served.
        self._save(operation, {}, [])
        self._fates.pop(operation["name"], None)
        self._acts.pop(operation["name"], None)
        self._forget_old()
        return operation

    def _forget_old(self) -> None:
        for name in self._store.keys(OPERATIONS)[:-KEPT]:
            record = self._store.get(OPERATIONS, name)
            if record and record["operation"]["status"] == "DONE":
                self._store.delete(OPERATIONS, name)

    def _spawn(self, name: str) -> None:
        task = asyncio.get_running_loop().create_task(self._run(name))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, name: str) -> None:
        record, fate = self._store.get(OPERATIONS, name), self._fates.get(name, Fate())
        seconds = self._seconds if fate.seconds is None else fate.seconds
        if record is None or not await self._sleep(seconds * PENDING_SHARE):
            return
        operation, payload, busy = record["operation"], record["payload"], record["on"]
        operation = {"startTime": timestamp()} | operation | {"status": "RUNNING"}
        self._save(operation, payload, busy)
        self._store.commit()
        started = time.monotonic()
        if not fate.after and not await self._hold(operation, fate):
            return
        error = _errors(fate.error) if fate.error and not fate.after else await self._outcome(operation, payload)
        if fate.after and not await self._hold(operation, fate):
            return
        if not await self._sleep(seconds * (1 - PENDING_SHARE) - (time.monotonic() - started)):
            return
        error = error or _errors(fate.error)
        if error:
            self._failed(operation["operationType"], operation["targetId"], payload, error["error"]["errors"][0])
        self._done(operation, error)
        self._store.commit()

    async def _outcome(self, operation: Json, payload: Json) -> Json:
        name, kind, instance = operation["name"], operation["operationType"], operation["targetId"]
        try:
            if act := self._acts.get(name):
                await act()
            else:
                await self._work(kind, instance, payload)
        except Exception as error:
            LOG.exception("operation %s on %s failed", kind, instance)
            return _errors({"code": "INTERNAL_ERROR", "message": str(error)})
        return {}

    async def _hold(self, operation: Json, fate: Fate) -> bool:
        """Wait while the operation is held; False when the sandbox stops meanwhile."""
        if fate.hold:
            what = {"operation": operation["name"], "type": operation["operationType"], "on": operation["targetId"]}
            await fate.hold(what, self._stopping.is_set)
        return not self._stopping.is_set()

    async def _sleep(self, seconds: float) -> bool:
        """False when the sandbox stops meanwhile."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), max(0.0, seconds))
        return not self._stopping.is_set()


def _errors(error: Json | None) -> Json:
    """The `error` of a DONE operation: sql#operationErrors."""
    if error is None:
        return {}
    return {"error": {"kind": "sql#operationErrors", "errors": [{"kind": "sql#operationError", **error}]}}
