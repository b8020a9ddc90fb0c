"""Every request of a first provisioning and of a no-op meets every fault: the run converges, or fails clearly and the
next one does.

Never two of anything, never a password that does not log in, never a write where there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.clarity import unclear
from tests.faults.ledger import ledger
from tests.faults.mishaps import FAULTS, LEGEND, Fault, struck
from tests.faults.provisioning import PLAN, Run, hurried
from tests.faults.stage import FACTOR, Stage
from tests.faults.table import Table, table
from tests.faults.walk import NOOP, REQUESTS, TOKEN, Request

CONVERGED, NEXT, BY_HAND, NOT_APPLICABLE, LEFT_OUT = "ok", "2nd", "3rd", "-", "."


@dataclass(frozen=True)
class Case:
    """A cell of the matrix."""

    request: Request
    fault: Fault

    def __str__(self) -> str:
        return f"{self.request}, {self.fault.name}".replace("/", "|")


CASES = [Case(request, fault) for request in REQUESTS for fault in FAULTS if fault.applies(request)]


@pytest.fixture(scope="module")
def matrix() -> Iterator[Table]:
    """The table, with all rows and columns."""
    made = table("Matrix of faults: what came of each request of a first provisioning and of a no-op, in one process")
    for request in REQUESTS:
        for fault in FAULTS:
            made.put(str(request), fault.name, LEFT_OUT if fault.applies(request) else NOT_APPLICABLE)
    yield made
    made.note(f"{CONVERGED}: converged; {NEXT}: failed with a clear line, and the next run converged")
    made.note(f"{BY_HAND}: so did the next one, saying how to delete the FAILED instance; after that it converged")
    made.note(f"{NOT_APPLICABLE}: the request starts no operation; {LEFT_OUT}: runs with --all-cases")
    for line in LEGEND:
        made.note(line)


def test_a_fault_is_survived(stage: Stage, matrix: Table, case: Case) -> None:
    matrix.put(str(case.request), case.fault.name, "FAILED")
    stage.restore(case.request.step)
    stage.provisioning.mint = case.request.path == TOKEN
    with hurried(case.fault.factor), struck(stage.bench, case.request, case.fault) as has_struck:
        run = stage.take(case.request.step)
        assert has_struck(), "the request was not sent: is walk.py right?"
    with hurried(FACTOR):
        if run.failure:
            problems = unclear(run.failure, stage.steps[case.request.step].params)
            assert not problems, f"the line {', '.join(problems)}: {run.failure}"
        if stage.steps[case.request.step].module == PLAN:
            check_plan(stage, case.request.step, run)
            cell = NEXT if run.failure else CONVERGED
        elif run.failure:
            cell = check_next(stage)
        else:
            cell = check_task(stage, case.request, run)
    matrix.put(str(case.request), case.fault.name, cell)


def check_plan(stage: Stage, step: str, run: Run) -> None:
    """Nothing was sent, and what was planned, at the latest the next time, is what is planned without a fault."""
    assert stage.sent() == []
    if run.failure:
        run = stage.take(step)
    planned, expected = run.results[stage.steps[step].name], stage.results[step]
    told = ("plans", "pending_owners", "permissions_checked")
    assert [planned[key] for key in told] == [expected[key] for key in told]
    if step == NOOP:
        assert planned["pending_owners"] == []


def check_next(stage: Stage) -> str:
    """The next run converges; where it says that the instance must be deleted first, the one after that."""
    second, cell = stage.provisioning.provision(), NEXT
    if "is FAILED" in second.failure:
        assert not unclear(second.failure, stage.steps[PLAN].params), second.failure
        name = stage.steps["sql_instance"].params["name"]
        stage.bench.run("sql_instance", name=name, state="absent", confirm_delete=name, final_backup=False)
        second, cell = stage.provisioning.provision(), BY_HAND
    assert not second.failure
    stage.check_end()
    return cell


def check_task(stage: Stage, request: Request, run: Run) -> str:
    """It has left what it leaves without a fault. After a write the rest of the run follows, else the task again."""
    assert run.results[request.step]["changed"] == stage.results[request.step]["changed"]
    assert ledger(stage.bench) == stage.after[request.step]
    if request.mutates:
        rest = stage.provisioning.go_on(stage.tail(request.step), run)
        assert not rest.failure
        stage.check_end()
        return CONVERGED
    with stage.without_writes():
        again = stage.take(request.step)
    assert (again.failure, again.results[request.step]["changed"]) == ("", False)
    return CONVERGED
