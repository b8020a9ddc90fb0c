"""Two operators run provision.yml at once in an empty project, with others who change its policy meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.bench import writes
from tests.faults.plays.operators import INSTANCE, Operator
from tests.faults.plays.project import IDENTIFIED, SECRET, Project
from tests.faults.table import table

TITLE = "two operators run provision.yml at once"


@dataclass(frozen=True)
class Pair:
    """One of the twenty: how many seconds later the second begins, and how many others write the project's policy."""

    number: int
    later: float
    others: int

    def __str__(self) -> str:
        return f"{self.number}-{self.later}s-later-{self.others}-others"


CASES = [Pair(number, (0, 0.3, 0.8, 1.5, 2.5)[number // 4], (0, 1, 3)[number % 3]) for number in range(20)]


def test_two_at_once(project: Project, operator: Operator, second_operator: Operator, case: Pair) -> None:
    project.propagation(other_writers=case.others)
    started = time.monotonic()
    first = operator.start()
    time.sleep(case.later)
    second = second_operator.start()
    played = [first.finish(), second.finish()]
    seconds = time.monotonic() - started
    assert [one.code for one in played] == [0, 0], "\n".join(one.output for one in played)
    project.propagation(other_writers=0)
    project.assert_complete(operators=2)
    project.assert_password_works()
    others = [member for one in project.policy() for member in one["members"] if "other-writer" in member]
    assert len(others) == case.others
    with project.bench.recorded() as seen:
        third = second_operator.play()
    assert (third.code, third.changed, writes(seen)) == (0, 0, []), third.output
    versions = len(project.passwords())
    table(TITLE).put(str(case), "both", "converged")
    table(TITLE).note(f"{case}: both had ended after {seconds:.0f} s, with {versions} version(s) of the password")


def test_a_second_password_is_given_to_the_user_too(begin: Callable[[str], Project], operator: Operator) -> None:
    """Both find a secret without a version. The operator's comes when somebody else has made the user with another."""
    project = begin(IDENTIFIED)
    project.fault({"path": ".*:addVersion", "nth": 1, "action": {"hold": True}})
    playing = operator.start()
    project.wait_for_hold(playing)
    theirs = project.bench.run("secret", name=SECRET, generate=True, return_value=True)["value"]
    project.bench.run("sql_user", instance=INSTANCE, name="mlflow_user", password=theirs)
    project.clear()
    played = playing.finish()
    assert played.code == 0, played.output
    newest, *older = project.passwords()
    assert (older == [theirs], newest == theirs) == (True, False)
    project.assert_complete()
    project.assert_password_works()
