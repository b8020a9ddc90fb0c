# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter mlflow_ops.gcp.max_connections."""

from __future__ import annotations

DOCUMENTATION = r"""
name: max_connections
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: How many connections a Cloud SQL machine type takes
description:
  - The C(max_connections) that Cloud SQL for PostgreSQL gives a tier by its memory, where no database flag says
    otherwise.
options:
  _input:
    description: The tier, such as V(db-f1-micro) or V(db-custom-2-7680).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: See whether the pool fits
  ansible.builtin.assert:
    that: my_pool_size <= mlflow_tier | mlflow_ops.gcp.max_connections
"""

RETURN = r"""
_value:
  description: The number; V(0) for a tier of which Google has not published it.
  type: int
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import sizes


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"max_connections": sizes.max_connections}
