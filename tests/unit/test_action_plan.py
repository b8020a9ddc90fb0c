"""What a person sees of a plan with --diff."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.action import plan as action
from ansible_collections.mlflow_ops.gcp.plugins.action.plan import lines
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change


def test_a_plan_is_one_line_for_the_object_and_one_for_each_change() -> None:
    changes = [
        Change("data_disk_size_gb", 10, 20, "the disk is to grow"),
        Change("tier", None, "db-g1-small", "differs", BlastRadius.RESTARTS, "set allow_restart: true"),
    ]
    plan = {"owner": "backend_store", **plans.update("sql_instance", "db", changes).as_result()}
    assert lines(plan) == [
        "update sql_instance db (backend_store)",
        "  data_disk_size_gb: 10 -> 20 (the disk is to grow)",
        "  tier: (none) -> db-g1-small (differs) [restarts the database]; refused: set allow_restart: true",
    ]


def test_what_is_new_has_no_before() -> None:
    plan = {"owner": "o", **plans.create("bucket", "b", {"location": "EU"}).as_result()}
    assert lines(plan) == ["create bucket b (o)", "  location: EU (is to be created)"]


def test_nothing_to_do_is_nothing_to_see() -> None:
    assert lines({"owner": "o", **plans.nothing("bucket", "b").as_result()}) == []


@pytest.mark.parametrize(("no_log", "shown"), [(False, ["waits for x"]), (True, [])])
def test_what_it_waits_for_is_shown_unless_the_task_is_hidden(
    monkeypatch: pytest.MonkeyPatch, no_log: bool, shown: list[str]
) -> None:
    printed: list[str] = []
    monkeypatch.setattr(action, "show", printed.append)
    running = object.__new__(action.ActionModule)
    running._task = SimpleNamespace(no_log=no_log)
    running._show("waits for x")
    assert printed == shown
