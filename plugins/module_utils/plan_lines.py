# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for people, from what the module plan returns: with --diff in full, else one line for each difference. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lines(plan: Mapping[str, Any]) -> list[str]:
    """The object, and below it each field that changes."""
    if plan["action"] == "none":
        return []
    changes = [f"  {_line(change)}" for change in plan["changes"]]
    return [f"{plan['action']} {plan['module']} {plan['name']} ({plan['owner']})", *changes]


def summary(plan: Mapping[str, Any]) -> list[str]:
    """Each difference by itself; what is not there yet is one difference."""
    what = f"{plan['module']} {plan['name']}"
    if plan["action"] == "none":
        return []
    if plan["action"] == "create":
        reasons = dict.fromkeys(change["reason"] for change in plan["changes"])
        return [f"{what} is not there ({'; '.join(reasons)})"]
    return [f"{what}: {_line(change)}" for change in plan["changes"]]


def _line(change: Mapping[str, Any]) -> str:
    if change["before"] is None and change["blast_radius"] == "safe" and not change["refusal"]:
        return f"{change['field']}: {_value(change['after'])} ({change['reason']})"
    values = f"{_value(change['before'])} -> {_value(change['after'])}"
    risk = "" if change["blast_radius"] == "safe" else f" [{change['blast_radius']}]"
    refusal = f"; refused: {change['refusal']}" if change["refusal"] else ""
    return f"{change['field']}: {values} ({change['reason']}){risk}{refusal}"


def _value(value: Any) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) or "(none)"
    return "(none)" if value is None else str(value)
