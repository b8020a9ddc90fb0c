"""Waiting for long-running operations: how often we look, when we give up, and errors inside."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    NotFoundError,
    OperationFailedError,
    OperationTimeoutError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import pause_before_poll
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Reply

from tests.unit.fakes import DONE, NOT_FOUND, Answer, FakeTransport, bad, cloud, ok

PATH = "v1/projects/demo-project/instances/db"
OPERATIONS = "GET v1/projects/demo-project/operations"
RUNNING = ok({"name": "op-1", "status": "RUNNING", "operationType": "UPDATE", "targetId": "db", "user": "me@x"})
NO_OPERATIONS = ok({"items": [{"name": "old", "status": "DONE"}]})


def test_the_first_look_is_soon_and_later_ones_cost_a_twentieth() -> None:
    assert [pause_before_poll(poll, 0, 0) for poll in range(4)] == [0.2, 0.5, 1.0, 1.0]
    assert pause_before_poll(9, 100, 0) == 5
    assert pause_before_poll(9, 100, 1) == 4.5
    assert pause_before_poll(9, 10_000, 0) == 15


@pytest.mark.parametrize("seconds", [1, 30, 300, 1500])
def test_waiting_costs_at_most_a_second_and_five_percent(seconds: float) -> None:
    now, poll = 0.0, 0
    while now < seconds:
        now += pause_before_poll(poll, now, 0)
        poll += 1
    assert now - seconds <= 1 + 0.05 * seconds


def test_an_operation_that_is_done_at_once_is_not_polled() -> None:
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": DONE})
    cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert made.transport.lines == [OPERATIONS, f"PATCH {PATH}"]


def test_a_running_operation_is_polled_until_done_even_if_not_visible_at_first() -> None:
    made = cloud(
        {OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": RUNNING, f"{OPERATIONS}/op-1": [NOT_FOUND, RUNNING, DONE]}
    )
    cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert made.transport.lines.count(f"{OPERATIONS}/op-1") == 3


def test_an_operation_that_stays_invisible_is_an_error() -> None:
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": RUNNING, f"{OPERATIONS}/op-1": NOT_FOUND})
    with pytest.raises(NotFoundError):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert 30 < made.time.seconds < 40


@pytest.mark.parametrize(
    ("errors", "text"),
    [
        ([{"code": "INTERNAL_ERROR", "message": "disk full"}], "INTERNAL_ERROR: disk full"),
        ([{"code": "UNKNOWN"}], "UNKNOWN"),
        ([], "no reason given"),
    ],
)
def test_an_error_inside_a_done_operation_fails(errors: list[dict[str, str]], text: str) -> None:
    failed = ok({"name": "op-1", "status": "DONE", "operationType": "UPDATE", "error": {"errors": errors}})
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": failed})
    with pytest.raises(OperationFailedError, match=text) as caught:
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert "UPDATE of Cloud SQL instance db (operation op-1)" in str(caught.value)


def test_an_operation_that_never_ends_runs_into_its_own_timeout() -> None:
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": RUNNING, f"{OPERATIONS}/op-1": RUNNING})
    with pytest.raises(OperationTimeoutError, match=r"op-1 started by me@x.*still running after 6\d\d s.*run again"):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={}, timeout=600)


def test_an_operation_in_flight_is_waited_for_before_a_write() -> None:
    made = cloud({OPERATIONS: ok({"items": [{"name": "op-1", "status": "RUNNING"}]}), f"{OPERATIONS}/op-1": DONE})
    with pytest.raises(StateChangedError):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert made.transport.writes == []


def test_409_waits_for_the_operation_that_got_there_first() -> None:
    found: list[Answer] = [NO_OPERATIONS, ok({"items": [{"name": "op-1", "status": "PENDING"}]})]
    busy = bad(409, "operationInProgress")
    made = cloud({OPERATIONS: found, f"PATCH {PATH}": busy, f"{OPERATIONS}/op-1": DONE})
    with pytest.raises(StateChangedError):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert f"{OPERATIONS}/op-1" in made.transport.lines
    assert made.google.notes == ["instance db: resumed operation op-1 (of unknown kind), started"]


def in_flight(**fields: Any) -> Answer:
    """A listing with a creation of somebody else under way."""
    return ok({"items": [{"name": "op-7", "status": "RUNNING", "operationType": "CREATE", "targetId": "db", **fields}]})


def test_what_is_resumed_is_told_with_kind_user_and_time_and_how_it_ended() -> None:
    listed = in_flight(user="eve@x", insertTime="2026-11-23T10:00:00Z", startTime="2026-11-23T10:00:01Z")
    failed = ok({"name": "op-7", "status": "DONE", "error": {"errors": [{"code": "INTERNAL_ERROR"}]}})
    told: list[Any] = []
    made = cloud({OPERATIONS: listed, f"{OPERATIONS}/op-7": failed})
    made.google.progress._send = told.append
    assert cloud_sql.wait_for_others(made.google, "db")
    resumed = "resumed operation op-7 (CREATE), started by eve@x at 2026-11-23T10:00:01Z"
    assert made.google.notes == [f"instance db: {resumed}, which failed: INTERNAL_ERROR"]
    assert told == [{"begin": 1, "subject": "", "text": resumed, "at_once": True}, {"end": 1}]


@pytest.mark.parametrize(
    ("kind", "given", "seconds"),
    [("CREATE", None, 2700), ("UPDATE", None, 1200), ("CREATE_USER", None, 1200), ("CREATE", 60, 60)],
)
def test_each_kind_of_operation_has_its_own_timeout(kind: str, given: float | None, seconds: float) -> None:
    running = ok({"name": "op-1", "status": "RUNNING", "operationType": kind})
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": running, f"{OPERATIONS}/op-1": running})
    with pytest.raises(OperationTimeoutError):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={}, timeout=given)
    assert seconds < made.time.seconds <= seconds + 15


def test_one_that_is_resumed_may_take_as_long_as_its_own_kind() -> None:
    made = cloud({OPERATIONS: in_flight(), f"{OPERATIONS}/op-7": RUNNING})
    with pytest.raises(OperationTimeoutError, match=r"operation op-7\) is still running after 27\d\d s"):
        cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert made.transport.writes == []


def test_what_google_warns_about_is_noted() -> None:
    warning = {"code": "COMPROMISED_CREDENTIALS", "message": "change the\npassword"}
    done = ok({"name": "op-1", "status": "DONE", "operationType": "CREATE_USER", "apiWarning": warning})
    made = cloud({OPERATIONS: NO_OPERATIONS, f"PATCH {PATH}": done})
    cloud_sql.write(made.google, "PATCH", PATH, "db", body={})
    assert made.google.notes == [
        "CREATE_USER of Cloud SQL instance db (operation op-1): Google warns: "
        "COMPROMISED_CREDENTIALS: change the password"
    ]


@pytest.mark.parametrize("error", [None, {}, {"errors": None}, {"errors": ["x"]}, {"errors": [{}]}])
def test_an_error_without_any_word_is_an_error_still(error: object) -> None:
    assert cloud_sql.failure_of({"error": error}) == "no reason given"
    assert not cloud_sql.failure_of({"status": "DONE"})


def test_writes_to_one_instance_take_turns_and_those_to_others_do_not_wait() -> None:
    made = cloud({})
    first = made.google.turn(("instance", "a"))
    with first, made.google.turn(("instance", "b")):
        assert not made.google._turns[("instance", "a")].acquire(blocking=False)
    assert made.google._turns[("instance", "a")].acquire(blocking=False)


@dataclass
class Slow(FakeTransport):
    """Takes a while, and notes when it begins and ends."""

    noted: list[str] = field(default_factory=list)

    def send(self, method: str, *rest: Any) -> Reply:
        """See transport.Transport."""
        self.noted.append(f"{method} begins")
        time.sleep(0.02)
        self.noted.append(f"{method} ends")
        return super().send(method, *rest)


def test_threads_write_to_an_instance_one_after_the_other() -> None:
    made = cloud({})
    slow = Slow({OPERATIONS: [NO_OPERATIONS], f"PATCH {PATH}": [DONE]})
    made.google._session._transport = slow
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: cloud_sql.write(made.google, "PATCH", PATH, "db", body={}), range(4)))
    assert slow.noted == ["GET begins", "GET ends", "PATCH begins", "PATCH ends"] * 4
