#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_backup_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_backup_info
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: List the backups of a Cloud SQL instance
description:
  - Returns what Google says about every backup of an instance, automated, on demand and final.
  - Those that outlive the instance are listed when it is gone, too.
options:
  instance:
    description: Name of the instance, be it gone.
    type: str
    required: true
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes.read_only
seealso:
  - module: mlflow_ops.gcp.sql_backup
  - name: Cloud SQL Admin API, backups
    description: Google's reference.
    link: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups
"""

EXAMPLES = r"""
- name: List the backups
  mlflow_ops.gcp.sql_backup_info:
    project: my-project
    instance: mlflow-metadata
  register: known

- name: Show when the last one was made
  ansible.builtin.debug:
    msg: "{{ (known.backups | selectattr('state', 'eq', 'SUCCESSFUL') | first).backupInterval.endTime }}"
"""

RETURN = r"""
backups:
  description: The backups as Google describes them, newest first.
  returned: success
  type: list
  elements: dict
  sample:
    - {"name": "projects/my-project/backups/6e1c0e0f", "backupRun":
       "projects/my-project/instances/mlflow-metadata/backupRuns/1795820400000", "instance": "mlflow-metadata",
       "type": "ON_DEMAND", "state": "SUCCESSFUL", "description": "before the upgrade to MLflow 3", "location": "eu"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_backup import list_backups
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, ServiceDisabledError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import EXCLUSIVE_CREDENTIALS, common_spec, connect


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**common_spec(), "instance": {"type": "str", "required": True}},
        mutually_exclusive=[EXCLUSIVE_CREDENTIALS],
        supports_check_mode=True,
    )
    instance = module.params["instance"]
    try:
        backups = list_backups(connect(module), instance)
    except ServiceDisabledError as error:
        if not module.check_mode:
            module.fail_json(msg=f"sql_backup_info {instance}: {error}")
        module.warn(f"{error.service} is off: assuming that an earlier task enables it")
        backups = []
    except GoogleError as error:
        module.fail_json(msg=f"sql_backup_info {instance}: {error}")
    module.exit_json(changed=False, backups=backups)


if __name__ == "__main__":
    main()
