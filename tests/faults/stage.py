"""A project as it is before each task of a first provisioning, to be had again and again, and the checks at the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from tests.contract.bench import Bench, writes
from tests.faults.declared import declared
from tests.faults.ledger import Ledger, ledger, log_in, password
from tests.faults.provisioning import PLAN, READ_SECRET, SECRET, USER, Provisioning, Run, Step, hurried
from tests.faults.walk import NOOP, STEPS, TOKEN, sent

FACTOR = 50.0
_QUIET_SECONDS = 10.0
# What tasks know of earlier ones.
_REMEMBERED = (SECRET, READ_SECRET, USER)


class Stage:
    """Provisions once without a fault, and keeps what was there before each task, and after it."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.provisioning = Provisioning(bench, declared())
        self.steps: dict[str, Step] = {step.name: step for step in self.provisioning.first()}
        self.after: dict[str, Ledger] = {}
        self.results = Run().results
        self._kept: dict[str, str] = {}
        self._at = ""
        bench.reset()
        # Snapshots keep tokens: this one is in all of them.
        bench.token()
        with hurried(FACTOR):
            self._walk()

    def _walk(self) -> None:
        run, kept, seen = Run(), "", None
        for number, step in enumerate(self.steps.values()):
            found = ledger(self.bench)
            if found != seen:
                kept, seen = f"before-{number}", found
                self._manage("POST", "snapshots", {"name": kept})
            self._kept[step.name] = kept
            self.forget_requests()
            assert self.provisioning.take(step, run), run.failure
            self._check_walk(step.name)
            self.after[step.name] = ledger(self.bench)
        self._kept[NOOP] = "end"
        self._manage("POST", "snapshots", {"name": "end"})
        self._at = "end"
        self.steps[NOOP] = self.provisioning.planning()
        self.results = run.results
        self.final = self.after[NOOP] = ledger(self.bench)
        self.results[NOOP] = self.provisioning.provision().results[PLAN]

    def _check_walk(self, step: str) -> None:
        """A task sends what walk.py says, tokens aside: they are another matter in one process."""
        seen, known = (
            Counter(line for line in lines if not line.endswith(TOKEN))
            for lines in (sent(self.bench.requests()), STEPS[step])
        )
        assert seen == known, f"{step}: walk.py lacks {list(seen - known)} and has too many {list(known - seen)}"

    def _manage(self, method: str, path: str, body: object = None) -> None:
        """A request to the emulator's own port; snapshots have to wait until no operation runs."""
        deadline = time.monotonic() + _QUIET_SECONDS
        while not (reply := requests.request(method, self.bench.management_url + path, json=body, timeout=30)).ok:
            assert time.monotonic() < deadline, reply.text
            time.sleep(0.02)

    def restore(self, step: str) -> None:
        """Let the project be what it was before this task."""
        self.forget_requests()
        if self._at != self._kept[step]:
            self._manage("POST", f"snapshots/{self._kept[step]}:restore")
        self._at = self._kept[step]

    def forget_requests(self) -> None:
        """Empty the recorder."""
        if self.sent():
            self._at = ""
        self._manage("DELETE", "requests")

    def sent(self) -> list[str]:
        """The mutating requests since then, accepted or not."""
        return writes(self.bench.requests())

    def take(self, step: str) -> Run:
        """One task, after what came before it without a fault."""
        run = Run({name: self.results[name] for name in _REMEMBERED if name != step})
        self.provisioning.take(self.steps[step], run)
        return run

    def tail(self, step: str) -> list[Step]:
        """The tasks after this one."""
        names = [name for name in self.steps if name != NOOP]
        return [self.steps[name] for name in names[names.index(step) + 1 :]]

    @contextmanager
    def without_writes(self) -> Iterator[None]:
        """A block that sends nothing that changes anything, by the emulator's recorder."""
        self.forget_requests()
        yield
        assert self.sent() == []

    def check_end(self) -> None:
        """All is there once, the next run finds nothing to do and sends nothing, and the password logs in."""
        with self.without_writes():
            third = self.provisioning.provision()
        assert (third.failure, third.changed) == ("", False)
        found = ledger(self.bench)
        assert found == self.final
        log_in(self.bench, password(self.bench))
