"""Waiting for long-running operations: how often we look, when we give up, and errors inside."""

from __future__ import annotations

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    NotFoundError,
    OperationFailedError,
    OperationTimeoutError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import pause_before_poll

from tests.unit.fakes import DONE, NOT_FOUND, Answer, bad, cloud, ok

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
