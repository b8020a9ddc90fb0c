"""The faults: the columns of the matrix, as rules for the emulator."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import PooledTransport, Reply

from tests.contract.bench import Bench
from tests.faults.walk import INSTANCE, P, Request

Rule = dict[str, Any]
_USUAL, _FASTEST = 50.0, 3000.0
_MANY = 10_000
# As Google says it (facts of Cloud SQL and of IAM: golang and Terraform logs of 409 operationInProgress and ABORTED).
_BUSY = "Operation failed because another operation was already in progress."
_RACE = "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff."
_OPERATIONS = {
    f"POST {P}/instances": "CREATE",
    f"POST {INSTANCE}/databases": "CREATE_DATABASE",
    f"POST {INSTANCE}/users": "CREATE_USER",
}
_DISK_FULL = {"code": "INTERNAL_ERROR", "message": "disk full"}


@dataclass(frozen=True)
class Fault:
    """One column.

    :param actions: what strikes the request, hit by hit; of an operation, what strikes that.
    :param factor: how much faster than ours the client's time runs.
    :param for_good: whether it strikes every such request from then on.
    """

    name: str
    actions: Callable[[Request], list[dict[str, Any]]]
    of_operations: bool = False
    factor: float = _USUAL
    for_good: bool = False

    def applies(self, request: Request) -> bool:
        """Whether there is anything to strike."""
        return not self.of_operations or _operation(request) != ""


def _operation(request: Request) -> str:
    if request.path.endswith(":enable"):
        return "enable"
    return _OPERATIONS.get(f"{request.method} {request.path}", "")


def _always(*actions: dict[str, Any]) -> Callable[[Request], list[dict[str, Any]]]:
    return lambda _: list(actions)


def _busy(request: Request) -> list[dict[str, Any]]:
    if request.path.startswith(INSTANCE) or request.path.startswith(f"{P}/operations"):
        return [{"status": 409, "reason": "operationInProgress", "message": _BUSY}]
    if request.path.startswith("/storage"):
        return [{"status": 409, "reason": "conflict"}]
    return [{"status": 409, "reason": "ABORTED", "message": _RACE}]


def _stale(request: Request) -> list[dict[str, Any]]:
    reason = "staleData" if request.path.startswith(INSTANCE) else "conditionNotMet"
    return [{"status": 412, "reason": reason, "message": "Condition does not match."}]


FAULTS = [
    Fault("429", _always({"status": 429, "retry_after": 3})),
    Fault("500", _always({"status": 500})),
    Fault("503x2", _always({"status": 503}, {"status": 503, "at": "after"})),
    Fault("reset<", _always({"reset": True, "at": "before"})),
    Fault("reset>", _always({"reset": True, "at": "after"})),
    Fault("409", _busy),
    Fault("412", _stale),
    Fault("slow", _always({"delay": 0.15})),
    Fault("cut", _always({"truncate": 7})),
    Fault("op err", _always({"error": _DISK_FULL}), of_operations=True),
    Fault("op err>", _always({"error": _DISK_FULL, "at": "after"}), of_operations=True),
    Fault("down", _always({"status": 503}), factor=_FASTEST, for_good=True),
    Fault("stuck", _always({"hold": True}), of_operations=True, factor=_FASTEST),
]
LEGEND = (
    "429: with Retry-After 3; 500; 503x2: before, then after the change is made; reset< and reset>: before and after",
    "409: operationInProgress of Cloud SQL, ABORTED or conflict elsewhere; slow: 0.15 s; cut: 7 bytes of the answer",
    "down: 503 as long as the run lasts; op err and op err>: the operation ends in an error, nothing or all of it done",
    "stuck: the operation does not end while the run lasts",
)


@contextmanager
def struck(bench: Bench, request: Request, fault: Fault) -> Iterator[Callable[[], bool]]:
    """Within the block the fault strikes the request; the value tells whether it has."""
    operation = _operation(request) if fault.of_operations else ""
    if operation == "enable":
        with _enabling(fault.actions(request)[0]) as happened:
            yield lambda: bool(happened)
        return
    rule: Rule = {"action": fault.actions(request)}
    rule |= {"operation": operation} if operation else {"method": request.method, "path": request.pattern}
    rule |= {"nth": 1 if operation else request.nth}
    if fault.for_good:
        rule |= {"action": fault.actions(request)[0], "times": _MANY}
    with in_force(bench, rule):
        yield lambda: _hits(bench) > 0


@contextmanager
def in_force(bench: Bench, *rules: Rule) -> Iterator[None]:
    """Rules of the emulator."""
    reply = requests.post(f"{bench.management_url}faults", json={"rules": rules}, timeout=10)
    assert reply.ok, reply.text
    try:
        yield
    finally:
        requests.delete(f"{bench.management_url}faults", timeout=10).raise_for_status()


def _hits(bench: Bench) -> int:
    found = requests.get(f"{bench.management_url}faults", timeout=10).json()
    return sum(int(rule["hits"]) for rule in found)


@contextmanager
def _enabling(action: dict[str, Any]) -> Iterator[list[str]]:
    """Operations of Service Usage, which the emulator has no faults for: their answers are changed on the way here."""
    happened: list[str] = []
    send = PooledTransport.send

    def meddle(self: PooledTransport, method: str, url: str, *rest: Any) -> Reply:
        starts = method == "POST" and url.endswith(":enable")
        if starts and "error" in action and action.get("at") != "after":
            happened.append(url)
            name = {"name": "operations/acat.never", "done": True}
            return Reply(200, json.dumps({**name, "error": {"code": 13, "message": "disk full"}}).encode())
        reply = send(self, method, url, *rest)
        if reply.status == requests.codes.ok and (starts or "/operations/" in url):
            happened.append(url)
            body = {"name": json.loads(reply.body)["name"]}
            if "error" in action:
                body |= {"done": True, "error": {"code": 13, "message": "disk full"}}
            return Reply(200, json.dumps(body).encode(), reply.headers)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PooledTransport, "send", meddle)
        yield happened
