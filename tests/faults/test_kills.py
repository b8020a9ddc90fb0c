"""Killed at every request of a first provisioning: the next run converges, the one after it finds nothing to do.

A client without state that dies between two requests leaves what one leaves that stops there, so all boundaries are
tried by an exception that nothing catches; every write also by a real SIGKILL while the emulator holds its request.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import PooledTransport, Reply

from tests.contract.bench import Bench
from tests.faults.mishaps import in_force
from tests.faults.provisioning import PLAN, hurried
from tests.faults.stage import FACTOR, Stage
from tests.faults.table import Table, table
from tests.faults.walk import NOOP, REQUESTS, TOKEN, Request

BEFORE, AFTER = "before", "after"
EXCEPTION, SIGKILL = "stopped", "SIGKILL"
CONVERGED, LEFT_OUT, NOT_APPLICABLE = "ok", ".", "-"
_PATIENCE = 20.0


@dataclass(frozen=True)
class Case:
    """A boundary: before a request goes out, or after it has been carried out and before its answer is read."""

    request: Request
    at: str
    by: str

    @property
    def column(self) -> str:
        """Of the table."""
        return f"{self.by} {self.at}"

    def __str__(self) -> str:
        return f"{self.request}, {self.column}".replace("/", "|")


COLUMNS = [(by, at) for by in (EXCEPTION, SIGKILL) for at in (BEFORE, AFTER)]
BOUNDARIES = [request for request in REQUESTS if request.step != NOOP and request.path != TOKEN]
# What a read has answered leaves what was there before the next request.
CASES = [
    Case(request, at, by)
    for request in BOUNDARIES
    for by, at in COLUMNS
    if request.mutates or (by, at) == (EXCEPTION, BEFORE)
]


class Killed(BaseException):
    """The end of the process, as far as the project is concerned."""


@pytest.fixture(scope="module")
def kills() -> Iterator[Table]:
    """The table, with all rows and columns."""
    made = table("Killed at every request boundary of a first provisioning, in one process")
    known = {(str(case.request), case.column) for case in CASES}
    for request in BOUNDARIES:
        for by, at in COLUMNS:
            made.put(str(request), f"{by} {at}", LEFT_OUT if (str(request), f"{by} {at}") in known else NOT_APPLICABLE)
    yield made
    made.note(
        f"{CONVERGED}: the next run converged, the third found nothing to do and sent no write, the password logs in"
    )
    made.note(f"{EXCEPTION}: nothing more is sent; {SIGKILL}: killed while its request is held, for each write")
    made.note(f"{BEFORE}: the request is never carried out; {AFTER}: it is, and nobody reads the answer")
    made.note(f"{LEFT_OUT}: runs with --all-cases")


def test_the_next_run_goes_on(stage: Stage, kills: Table, case: Case) -> None:
    kills.put(str(case.request), case.column, "FAILED")
    stage.restore(case.request.step)
    (kill if case.by == SIGKILL else stop)(stage, case)
    with hurried(FACTOR):
        if stage.steps[case.request.step].module == PLAN:
            # Nothing has changed, so a whole run is the first one again.
            assert stage.sent() == []
            assert stage.take(case.request.step).failure == ""
        else:
            assert stage.provisioning.provision().failure == ""
            stage.check_end()
    kills.put(str(case.request), case.column, CONVERGED)


def stop(stage: Stage, case: Case) -> None:
    """Run the task until it is to send the request, or has been answered."""
    with hurried(FACTOR), stopping(case), pytest.raises(Killed), redirect_stdout(StringIO()):
        stage.take(case.request.step)


@contextmanager
def stopping(case: Case) -> Iterator[None]:
    """In the block the modules end at the boundary."""
    send, seen = PooledTransport.send, 0

    def once(self: PooledTransport, method: str, url: str, *rest: Any) -> Reply:
        nonlocal seen
        path = "/" + url.split("/", 3)[3]
        meant = method == case.request.method and re.fullmatch(case.request.pattern, path)
        seen += bool(meant)
        if seen > case.request.nth or (meant and seen == case.request.nth and case.at == BEFORE):
            raise Killed
        reply = send(self, method, url, *rest)
        if meant and seen == case.request.nth:
            raise Killed
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledTransport, "send", once)
        yield


def kill(stage: Stage, case: Case) -> None:
    """Run the task in a process of its own, and kill that while the emulator holds the request."""
    rule = {"method": case.request.method, "path": case.request.pattern, "nth": case.request.nth}
    with in_force(stage.bench, {**rule, "action": {"hold": True, "at": case.at}}):
        child = os.fork()
        if child == 0:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()), hurried(FACTOR):
                stage.take(case.request.step)
            os._exit(0)
        try:
            await_hold(stage.bench)
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def await_hold(bench: Bench) -> None:
    """Wait until the emulator holds a request."""
    deadline = time.monotonic() + _PATIENCE
    while not requests.get(f"{bench.management_url}faults", timeout=10).json()[0]["held"]:
        assert time.monotonic() < deadline, "the request was not sent: is walk.py right?"
        time.sleep(0.01)
