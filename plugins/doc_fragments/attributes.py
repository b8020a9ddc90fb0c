# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module supports."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment mlflow_ops.gcp.attributes."""

    # Of modules that change one resource.
    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode, writes nothing and returns what a real run would change.
    support: full
    details:
      - A missing parent (the instance of a database) or a disabled API counts as about to be made by an earlier
        task, with a warning that says so. In a real run both are errors.
  diff_mode:
    description: Returns what has changed, or in check mode what would change. Secret values are never part of it.
    support: full
  idempotent:
    description: Run again with the same options it sends no write.
    support: full
  action_group:
    description: Its common options can be set once for a play, by C(module_defaults) of this group.
    support: full
    membership: [mlflow_ops.gcp.all]
"""

    # Of modules that only read.
    READ_ONLY = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode; it only reads anyway.
    support: full
  diff_mode:
    description: Returns what has changed, or in check mode what would change.
    support: none
  idempotent:
    description: It never changes anything.
    support: full
  action_group:
    description: Its common options can be set once for a play, by C(module_defaults) of this group.
    support: full
    membership: [mlflow_ops.gcp.all]
"""
