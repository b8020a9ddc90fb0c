# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints the changes that the module plan found, with --diff: Ansible itself prints a diff of changed tasks only."""

from __future__ import annotations

from typing import Any

from ansible.utils.display import Display
from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_action import LiveAction


class ActionModule(LiveAction):
    """Runs the module where the task runs, with live lines, and shows its plans."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's own result."""
        result = super().run(tmp, task_vars)
        if self._task.diff and not self._task.no_log:
            for plan in result.get("plans", []):
                for line in lines(plan):
                    Display().display(line)
        return result


def lines(plan: dict[str, Any]) -> list[str]:
    """A plan for people: the object, and below it each field that changes."""
    if plan["action"] == "none":
        return []
    return [f"{plan['action']} {plan['module']} {plan['name']} ({plan['owner']})", *map(_line, plan["changes"])]


def _line(change: dict[str, Any]) -> str:
    if change["before"] is None and change["blast_radius"] == "safe" and not change["refusal"]:
        return f"  {change['field']}: {_value(change['after'])} ({change['reason']})"
    values = f"{_value(change['before'])} -> {_value(change['after'])}"
    risk = "" if change["blast_radius"] == "safe" else f" [{change['blast_radius']}]"
    refusal = f"; refused: {change['refusal']}" if change["refusal"] else ""
    return f"  {change['field']}: {values} ({change['reason']}){risk}{refusal}"


def _value(value: Any) -> str:
    return "(none)" if value is None else str(value)
