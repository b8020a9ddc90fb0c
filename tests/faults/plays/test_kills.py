"""provision.yml killed at a request: the next run goes on from there, and all that holds the password agrees."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.contract.bench import writes
from tests.faults.plays.operators import WRITE_ENV, Operator, Played
from tests.faults.plays.project import EMPTY, IDENTIFIED, STORED, Project
from tests.faults.table import table

Begin = Callable[[str], Project]
TITLE = "provision.yml killed with SIGKILL at a request's boundary, all its processes at once"
BEFORE, AFTER = "before", "after"


@dataclass(frozen=True)
class Kill:
    """Where a first provisioning is killed: the request, and whether Google has carried it out by then.

    ``operation``: a rule for the operation that the request starts or looks at, so that it still runs. ``begin``: the
    snapshot that the first provisioning goes on from.
    """

    name: str
    method: str
    path: str
    at: str
    operation: dict[str, Any] | None = None
    begin: str = IDENTIFIED

    def __str__(self) -> str:
        return f"{self.name}, {self.at}"


_CREATION = {"operation": "CREATE", "action": {"seconds": 6}}
_USER = {"operation": "CREATE_USER", "action": {"seconds": 6}}
CASES = [
    Kill("secrets.addVersion", "POST", ".*:addVersion", AFTER),
    Kill("services.enable", "POST", ".*:enable", AFTER, begin=EMPTY),
    Kill("serviceAccounts.create", "POST", ".*/serviceAccounts", AFTER, begin=EMPTY),
    Kill("projects.setIamPolicy", "POST", "/v1/projects/[^/]*:setIamPolicy", AFTER, begin=EMPTY),
    Kill("instances.insert", "POST", ".*/instances", AFTER, _CREATION),
    Kill("operations.get", "GET", ".*/operations/.*", BEFORE, _CREATION),
    Kill("databases.insert", "POST", ".*/databases", BEFORE),
    Kill("secrets.create", "POST", ".*/secrets", AFTER),
    Kill("secrets.addVersion", "POST", ".*:addVersion", BEFORE),
    Kill("versions.access", "GET", ".*:access", AFTER),
    Kill("users.insert", "POST", ".*/users", BEFORE),
    Kill("users.insert", "POST", ".*/users", AFTER, _USER),
    Kill("buckets.insert", "POST", "/storage/v1/b", AFTER, begin=STORED),
    Kill("buckets.setIamPolicy", "PUT", ".*/iam", BEFORE, begin=STORED),
]


def test_killed_and_run_again(begun: Project, operator: Operator, case: Kill) -> None:
    rules = [{"method": case.method, "path": case.path, "nth": 1, "action": {"hold": True, "at": case.at}}]
    begun.fault(*rules, *([case.operation] if case.operation else []))
    playing = operator.start()
    begun.wait_for_hold(playing)
    killed = playing.kill()
    assert killed.code < 0
    assert "RECAP" not in killed.output
    begun.clear()
    assert_nothing_left(begun, operator, [killed])
    again = operator.play(WRITE_ENV)
    assert again.code == 0, again.output
    begun.assert_complete()
    begun.assert_password_works()
    begun.assert_env_agrees(operator)
    assert len(begun.passwords()) == 1
    with begun.bench.recorded() as seen:
        third = operator.play(WRITE_ENV)
    assert (third.code, third.changed, writes(seen)) == (0, 0, []), third.output
    assert_nothing_left(begun, operator, [killed, again, third])
    table(TITLE).put(case.name, case.at, "converged")


def test_what_a_killed_group_leaves_running_does_no_harm(begin: Begin, operator: Operator) -> None:
    """Ansible gives its workers sessions of their own: a module outlives the group and sends what it was about to."""
    project = begin(IDENTIFIED)
    project.fault({"method": "POST", "path": ".*/instances", "nth": 1, "action": {"hold": True}})
    playing = operator.start()
    project.wait_for_hold(playing)
    playing.kill_group()
    again = operator.start()
    project.wait_for_request(again, "/operations")
    project.clear()
    finished = again.finish()
    assert finished.code == 0, finished.output
    project.assert_complete()
    project.assert_password_works()
    with project.bench.recorded() as seen:
        third = operator.play()
    assert (third.code, third.changed, writes(seen)) == (0, 0, []), third.output


def test_a_creation_that_still_runs_is_adopted(begin: Begin, operator: Operator) -> None:
    """Google takes ten minutes for an instance: the next run finds it in the making, and waits for it."""
    project = begin(IDENTIFIED)
    project.fault({"operation": "CREATE", "nth": 1, "action": {"hold": True}})
    playing = operator.start()
    project.wait_for_hold(playing)
    playing.kill()
    again = operator.start()
    project.wait_for_request(again, "/operations/.*")
    project.clear()
    finished = again.finish()
    assert finished.code == 0, finished.output
    project.assert_complete()
    project.assert_password_works()


def test_a_kill_while_the_secrets_are_written_leaves_no_password(begin: Begin, operator: Operator) -> None:
    """At no moment is the password in a file of the control node, so no kill can leave it there."""
    project = begin(STORED)
    (password,) = project.passwords()
    playing = operator.start(WRITE_ENV)
    found: set[str] = set()
    while not playing.is_over:
        found |= set(operator.left_behind([password]))
        time.sleep(0.01)
    assert playing.finish().code == 0
    project.assert_env_agrees(operator)
    assert found == set()


def assert_nothing_left(project: Project, operator: Operator, played: list[Played]) -> None:
    """No secret is in what was printed, nor in a file that a dead run has left on the control node."""
    secrets = [*project.passwords(), operator.key["private_key"][100:140]]
    assert not [text for text in secrets for one in played if text in one.output]
    assert operator.left_behind(secrets) == []
