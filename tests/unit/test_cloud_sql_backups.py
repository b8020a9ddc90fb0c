"""Backups: one at each run and never two, whatever becomes of the request; and the list of all."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_backup import SqlBackup, list_backups
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import converge, predict
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    NetworkError,
    OperationFailedError,
    OperationTimeoutError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError

from tests.unit.fakes import DONE, NO_INSTANCE, PROJECT, Answer, cloud, ok
from tests.unit.options import validated

RUNS = f"v1/projects/{PROJECT}/instances/db/backupRuns"
LIST, MAKE = f"GET {RUNS}", f"POST {RUNS}"
OPERATIONS = f"GET v1/projects/{PROJECT}/operations"
BACKUPS = f"GET v1/projects/{PROJECT}/backups"
CUT_OFF = NetworkError("reset", sent=True)


def backup(**options: Any) -> SqlBackup:
    return SqlBackup(validated(SqlBackup, {"instance": "db", **options}), PROJECT)


def run(number: int, **more: Any) -> dict[str, Any]:
    return {"id": str(number), "type": "ON_DEMAND", "status": "SUCCESSFUL", **more}


def runs(*found: dict[str, Any]) -> Answer:
    return ok({"items": list(found)} if found else {})


def test_each_run_makes_one_though_there_is_one_of_that_description() -> None:
    old, new = run(1, description="nightly"), run(2, description="nightly")
    made = cloud({LIST: [runs(old), runs(new, old)], OPERATIONS: ok(), MAKE: DONE})
    outcome = converge(backup(description="nightly", location="eu"), made.google)
    assert (outcome.changed, outcome.plan.action, outcome.observed.body) == (True, Action.CREATE, new)
    assert [sent.body for sent in made.transport.writes] == [{"description": "nightly", "location": "eu"}]


def test_check_mode_writes_nothing_and_says_what_is_to_be_made() -> None:
    made = cloud({LIST: runs()})
    outcome = predict(backup(description="first"), made.google)
    assert [(change.field, change.after) for change in outcome.plan.changes] == [
        ("type", "ON_DEMAND"),
        ("description", "first"),
    ]
    assert made.transport.lines == [LIST]


def test_a_page_more_is_read() -> None:
    made = cloud({LIST: [ok({"items": [run(2)], "nextPageToken": "t"}), runs(run(1))]})
    assert backup().read(made.google).about["ids"] == {"1", "2"}
    assert [sent.params for sent in made.transport.sent] == [{}, {"pageToken": "t"}]


@pytest.mark.parametrize("seen", ["RUNNING", "SUCCESSFUL"])
def test_one_whose_answer_was_lost_is_not_made_twice(seen: str) -> None:
    """Whether its operation is seen, or only the backup that is still under way."""
    under_way, done = runs(run(2, status=seen), run(1)), runs(run(2), run(1))
    made = cloud({LIST: [runs(run(1)), under_way, done], OPERATIONS: ok(), MAKE: CUT_OFF})
    outcome = converge(backup(), made.google)
    assert (outcome.changed, outcome.observed.body) == (True, run(2))
    assert len(made.transport.writes) == 1


def test_one_that_never_began_is_asked_for_again() -> None:
    made = cloud({LIST: [runs(), runs(), runs(run(1))], OPERATIONS: ok(), MAKE: [CUT_OFF, DONE]})
    assert converge(backup(), made.google).observed.body == run(1)
    assert len(made.transport.writes) == 2


@pytest.mark.parametrize(
    "other",
    [run(2, description="somebody else's"), run(2, type="AUTOMATED"), run(2, status="FAILED"), run(1)],
    ids=["other description", "automated", "failed", "old"],
)
def test_what_is_not_the_wanted_one_does_not_count(other: dict[str, Any]) -> None:
    made = cloud({LIST: [runs(run(1)), runs(other), runs(run(3), other)], OPERATIONS: ok(), MAKE: [CUT_OFF, DONE]})
    assert converge(backup(), made.google).observed.body == run(3)


def test_somebody_elses_operation_is_waited_for_first() -> None:
    busy = ok({"items": [{"name": "op-9", "status": "RUNNING", "operationType": "BACKUP_VOLUME", "user": "eve@x"}]})
    answers: dict[str, Any] = {LIST: [runs(run(1, status="RUNNING")), runs(run(1)), runs(run(2), run(1))], MAKE: DONE}
    ended = ok({"name": "op-9", "status": "DONE"})
    made = cloud({**answers, OPERATIONS: [busy, ok()], f"{OPERATIONS}/op-9": ended})
    assert converge(backup(), made.google).observed.body == run(2)
    assert made.google.notes == ["instance db: resumed operation op-9 (BACKUP_VOLUME), started by eve@x"]


def test_a_backup_that_fails_fails() -> None:
    failed = ok({"name": "op-1", "status": "DONE", "operationType": "BACKUP_VOLUME", "error": {"errors": []}})
    made = cloud({LIST: runs(), OPERATIONS: ok(), MAKE: failed})
    with pytest.raises(OperationFailedError, match=r"BACKUP_VOLUME of Cloud SQL instance db .* failed"):
        converge(backup(), made.google)
    assert len(made.transport.writes) == 1


def test_one_that_never_ends_is_named() -> None:
    made = cloud({LIST: [runs(), runs(run(1, status="RUNNING"))], OPERATIONS: ok(), MAKE: CUT_OFF})
    with pytest.raises(OperationTimeoutError, match=r"backup 1 of Cloud SQL instance db is still running after 6\d s"):
        converge(backup(timeout=60), made.google)


def test_without_its_instance_there_is_nothing_to_back_up() -> None:
    with pytest.raises(ParentAbsentError, match="instance db does not exist"):
        converge(backup(), cloud({LIST: NO_INSTANCE}).google)
    assert predict(backup(), cloud({LIST: NO_INSTANCE}).google).plan.warnings == (
        "sql_instance db does not exist: assuming that an earlier task creates it",
    )


@pytest.mark.parametrize("confirm", ["2", "1", None])
def test_a_backup_is_deleted_when_its_id_is_given_twice(confirm: str | None) -> None:
    answers: dict[str, Any] = {LIST: [runs(run(2), run(1)), runs(run(1))], OPERATIONS: ok(), f"DELETE {RUNS}/2": DONE}
    made = cloud(answers)
    outcome = converge(backup(state="absent", id="2", confirm_delete=confirm), made.google)
    assert outcome.changed is (confirm == "2")
    assert len(made.transport.writes) == int(confirm == "2")
    if confirm != "2":
        assert "set confirm_delete: 2" in outcome.plan.refused[0].refusal


@pytest.mark.parametrize("found", [runs(run(1)), runs(run(2, status="DELETED")), NO_INSTANCE])
def test_one_that_is_gone_is_gone(found: Answer) -> None:
    assert not converge(backup(state="absent", id="2", confirm_delete="2"), cloud({LIST: found}).google).changed


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"id": "2"}, "leave it out"),
        ({"id": "x", "state": "absent"}, "is a number"),
        ({"location": "EU "}, "correct it"),
        ({"timeout": 0}, "1 or more"),
        ({"instance": "p:r:db"}, "the name alone, db"),
    ],
)
def test_what_can_never_be_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(RefusedError, match=text):
        backup(**options)


def test_every_backup_of_the_instance_alone_is_listed() -> None:
    first = ok({"backups": [{"instance": "db"}, {"instance": "db-2"}], "nextPageToken": "t"})
    made = cloud({BACKUPS: [first, ok({"backups": [{"instance": "db", "type": "FINAL"}]})]})
    assert list_backups(made.google, "db") == [{"instance": "db"}, {"instance": "db", "type": "FINAL"}]
    assert [sent.params for sent in made.transport.sent] == [
        {"filter": "instance:db"},
        {"filter": "instance:db", "pageToken": "t"},
    ]
    with pytest.raises(RefusedError, match="the name alone, db"):
        list_backups(made.google, "p:r:db")
