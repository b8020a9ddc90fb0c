# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter mlflow_ops.gcp.resizing."""

from __future__ import annotations

DOCUMENTATION = r"""
name: resizing
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: What a plan does to the size and the price of a Cloud SQL instance
description:
  - Tells what restarts, how many connections there are, and what it costs where somebody has published that.
positional: changes, region
options:
  _input:
    description: The settings of the instance as Google describes them, before the change.
    type: dict
    required: true
  changes:
    description: The changes that M(mlflow_ops.gcp.plan) has planned for it.
    type: list
    elements: dict
    required: true
  region:
    description: The instance's region.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Show it
  ansible.builtin.debug:
    msg: "{{ (backend.instance.settings | mlflow_ops.gcp.resizing(planned.plans[0].changes, gcp_region)).lines }}"
"""

RETURN = r"""
_value:
  description: What was found.
  type: dict
  contains:
    lines:
      description: Lines for people.
      type: list
      elements: str
    fewer_connections:
      description: Whether the instance takes fewer connections afterwards.
      type: bool
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import sizes


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"resizing": sizes.resizing}
