# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the module plan in Ansible's own process where that is the same, and prints the changes that it found.

A plan with nothing to do is the run of every day. Packing the module, starting Python and compiling it there takes
twice as long as asking Google. With --diff it prints the plans, since Ansible prints a diff of changed tasks only.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from ansible import constants
from ansible.module_utils.common.parameters import remove_values
from ansible.utils.display import Display
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.connection import connect_to, public_parts
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.declared import SPEC, plan_declared
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import EXCLUSIVE_CREDENTIALS, common_spec
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plan_lines import lines
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import ENVIRONMENT_VARIABLE, listen_up
from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_action import LiveAction, listening, show


class ActionModule(LiveAction):
    """The module's own result, with live lines, and its plans."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run it, here or as any module."""
        result = self._run_here() if self._is_here(task_vars or {}) else None
        if result is None:
            result = super().run(tmp, task_vars)
        if self._task.diff and not self._task.no_log:
            for plan in result.get("plans", []):
                for line in lines(plan):
                    Display().display(line)
        return result

    def _is_here(self, task_vars: dict[str, Any]) -> bool:
        """Whether the module would run on this machine, as this user, with this Python and this environment."""
        configured = constants.config.get_config_value("INTERPRETER_PYTHON", variables=task_vars)
        return (
            # On macOS a forked process may not ask for the system's proxies (ansible/ansible#32499).
            sys.platform == "linux"
            and self._connection.transport == "local"
            and not self._connection.become
            and not self._task.async_val
            and not any(self._task.environment or [])
            and self._templar.template(configured) == sys.executable
            and transport.IMPORT_ERROR is None
        )

    def _run_here(self) -> dict[str, Any] | None:
        """The result; None if only the module can say what is missing here."""
        checked, params = self.validate_argument_spec(
            argument_spec={**common_spec(), **SPEC}, mutually_exclusive=[EXCLUSIVE_CREDENTIALS]
        )
        warnings: list[str] = []
        with listening(str(constants.DEFAULT_LOCAL_TMP), self._show) as pipe:
            progress = listen_up({ENVIRONMENT_VARIABLE: pipe})
            try:
                google = connect_to(params, os.environ, warnings.append, progress)
                result = plan_declared(google, params, warnings.append, check_mode=bool(self._task.check_mode))
            except GoogleError as error:
                result = {"failed": True, "changed": False, "msg": str(error)}
            except ImportError:
                return None
            finally:
                progress.close()
        hidden = checked._no_log_values - public_parts(params)
        return dict(remove_values(result | ({"warnings": warnings} if warnings else {}), hidden))

    def _show(self, line: str) -> None:
        if not self._task.no_log:
            show(line)
