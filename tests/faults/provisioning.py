"""The cloud part of site.yml in this process: the tasks of provision.yml and its roles in their order, one by one.

test_walk.py holds what this sends against what the real playbook sends.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import connection
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import GoogleAuthToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Clock, Session
from google.auth import _exponential_backoff

from tests.contract.bench import Bench
from tests.faults.declared import Entry

OWNERS = ("identities", "backend_store", "artifact_store")
SERVICES, PLAN, SECRET, USER = "project_service", "plan", "secret", "sql_user"
READ_SECRET, NEWEST = "read secret", "newest secret"


@dataclass
class HurriedClock:
    """Time that runs so much faster than ours: pauses are short, and a server's answer seems to take long."""

    factor: float
    skipped: float = 0.0

    def sleep(self, seconds: float) -> None:
        """A short pause that counts as a long one."""
        time.sleep(seconds / self.factor)
        self.skipped += seconds * (1 - 1 / self.factor)

    def clock(self) -> Clock:
        """As the session takes it."""
        return Clock(
            now=lambda: time.monotonic() + self.skipped, wall=lambda: time.time() + self.skipped, sleep=self.sleep
        )


@contextmanager
def hurried(factor: float) -> Iterator[None]:
    """Modules of this process wait in hurried time."""
    clock = HurriedClock(factor)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "Session", partial(Session, clock=clock.clock()))
        patch.setattr(GoogleAuthToken.__init__, "__defaults__", (clock.sleep,))
        # google-auth's own pauses between its attempts to get a token.
        patch.setattr(_exponential_backoff, "time", SimpleNamespace(sleep=clock.sleep))
        yield


@dataclass(frozen=True)
class Step:
    """One task: a module and its options. ``name`` says it in a table."""

    name: str
    module: str
    params: dict[str, Any] = field(default_factory=dict)
    check: bool = False


@dataclass
class Run:
    """What came of a run. ``failure`` is the message of the task that ended it, ``failed_step`` its name."""

    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure: str = ""
    failed_step: str = ""

    @property
    def changed(self) -> bool:
        """Whether any task says so."""
        return any(result.get("changed") for result in self.results.values())


class Provisioning:
    """Runs the tasks. ``token`` false lets each module mint its own token, as those of a playbook do."""

    def __init__(self, bench: Bench, entries: Sequence[Entry], *, mint: bool = False) -> None:
        self.bench = bench
        self.entries = list(entries)
        self.mint = mint

    def _of(self, *modules: str) -> list[Entry]:
        return [entry for entry in self.entries if entry["module"] in modules]

    def planning(self, name: str = PLAN) -> Step:
        """The task that plans."""
        return Step(name, PLAN, {"resources": self.entries})

    def services(self) -> list[Step]:
        """identities' services.yml."""
        return [
            Step(f"service {entry['params']['name'].partition('.')[0]}", SERVICES, entry["params"])
            for entry in self._of(SERVICES)
        ]

    def applying(self, owner: str) -> list[Step]:
        """A role's apply.yml."""
        if owner == "identities":
            again = [Step(f"{step.name} again", step.module, step.params) for step in self.services()]
            rest = self._of("service_account", "project_iam_member")
            return [*again, *(Step(entry["module"], entry["module"], entry["params"]) for entry in rest)]
        if owner == "backend_store":
            first = [Step(kind, kind, self._of(kind)[0]["params"]) for kind in ("sql_instance", "sql_database", SECRET)]
            read = Step(READ_SECRET, SECRET, {**first[-1].params, "return_value": True}, check=True)
            newest = Step(NEWEST, SECRET, {"name": first[-1].params["name"]}, check=True)
            return [*first, read, Step(USER, USER, self._of(USER)[0]["params"]), newest]
        rest = self._of("bucket", "bucket_iam_member")
        return [Step(entry["module"], entry["module"], entry["params"]) for entry in rest]

    def first(self) -> list[Step]:
        """Every task of a first provisioning, in order."""
        planned = [self.planning(), *self.services(), self.planning("plan again")]
        return planned + [step for owner in OWNERS for step in self.applying(owner)]

    def take(self, step: Step, run: Run) -> bool:
        """One task; false if it failed."""
        params = dict(step.params)
        if step.module == USER and READ_SECRET in run.results:
            params["password"] = run.results[READ_SECRET]["value"]
        if self.mint:
            params["credentials_contents"] = json.dumps(self.bench.key)
        printed = self.bench.output(step.module, check=step.check, **params)
        result = json.loads(printed)
        run.results[step.name] = result if step.name != READ_SECRET else {**result, "changed": False}
        if result.get("failed"):
            run.failure, run.failed_step = result["msg"], step.name
        return not run.failure and (step.name != NEWEST or self._settle(run))

    def _settle(self, run: Run) -> bool:
        """settle_password.yml of backend_store: who was not the last to write a version gives the user the newest."""
        made, user = run.results.get(SECRET, {}), run.results.get(USER, {})
        overtaken = made.get("changed") and not user.get("changed")
        if run.results[NEWEST]["version"] == run.results[READ_SECRET]["version"] and not overtaken:
            return True
        run.results.pop(SECRET, None)
        steps = {step.name: step for step in self.applying("backend_store")}
        give = Step(USER, USER, {**steps[USER].params, "update_password": "always"})
        return not self.go_on([steps[READ_SECRET], give, steps[NEWEST]], run).failure

    def go_on(self, steps: Sequence[Step], run: Run | None = None) -> Run:
        """These tasks, until one fails."""
        run = run or Run()
        for step in steps:
            if not self.take(step, run):
                break
        return run

    def provision(self) -> Run:
        """A whole run of provision.yml, which applies only what its plan says."""
        run = self.go_on([self.planning()])
        plan = run.results[PLAN]
        if run.failure or self._is_stuck(plan, run):
            return run
        if not plan["permissions_checked"]:
            run = self.go_on([*self.services(), self.planning("plan again")], run)
            plan = run.results.get("plan again", plan)
        if run.failure or self._locks_out(plan, run):
            return run
        user = next(one["action"] for one in plan["plans"] if one["module"] == USER)
        for owner in OWNERS:
            steps = [step for step in self.applying(owner) if step.name != NEWEST or user == "create"]
            if owner in plan["pending_owners"] and not run.failure:
                self.go_on(steps, run)
        return run

    def _is_stuck(self, plan: dict[str, Any], run: Run) -> bool:
        """provision.yml refuses to begin what cannot be finished."""
        unknown = [one for one in plan["plans"] if one["action"] == "unknown"]
        if unknown:
            run.failure, run.failed_step = unknown[0]["changes"][0]["reason"], "stuck"
        return bool(unknown)

    def _locks_out(self, plan: dict[str, Any], run: Run) -> bool:
        """backend_store's check_user.yml."""
        plans = {one["module"]: one for one in plan["plans"]}
        versions = [change for change in plans[SECRET]["changes"] if change["field"] == "version"]
        refused = plans[USER]["action"] == "none" and any(change["before"] is None for change in versions)
        if refused:
            run.failure, run.failed_step = "the user exists, but no secret holds its password", "check user"
        return refused
