# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prints what the module waits for. meta/runtime.yml names it for every other module that may have to wait."""

from __future__ import annotations

from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_action import LiveAction


class ActionModule(LiveAction):
    """Runs the module where the task runs, with live lines."""
