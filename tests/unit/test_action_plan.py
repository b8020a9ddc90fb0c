"""The module plan in Ansible's own process: what it waits for is shown."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.action import plan as action


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
