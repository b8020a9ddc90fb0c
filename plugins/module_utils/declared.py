# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module plan does, for whoever runs it: the module, or Ansible's own process (plugins/action/plan.py)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plan_lines import summary
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.survey import parse_entries, pending_owners, survey

SPEC: dict[str, Any] = {
    "resources": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "owner": {"type": "str", "required": True},
            "module": {"type": "str", "required": True},
            "params": {"type": "dict", "default": {}},
            "permissions": {"type": "list", "elements": "str", "default": []},
        },
    },
    "check_permissions": {"type": "bool", "default": True},
}


def plan_declared(
    google: Google, params: Mapping[str, Any], warn: Callable[[str], None], *, check_mode: bool
) -> dict[str, Any]:
    """The result of the task. Raises a GoogleError with the way out."""
    google.progress.subject = "plan"
    entries = parse_entries(params["resources"], google.project)
    found = survey(entries, google, check_permissions=params["check_permissions"])
    for warning in dict.fromkeys(warning for plan in found.plans for warning in plan.warnings):
        warn(warning)
    if check_mode and not found.permissions_checked:
        warn(
            "whether the account of these credentials is allowed all this can't be asked while "
            "cloudresourcemanager.googleapis.com is off"
        )
    made = [{"owner": entry.owner, **plan.as_result()} for entry, plan in zip(entries, found.plans, strict=True)]
    return {
        "changed": False,
        "plans": [{**plan, "summary": summary(plan)} for plan in made],
        "pending_owners": pending_owners(entries, found.plans),
        "permissions_checked": found.permissions_checked,
    }
