#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_instance_info."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_instance_info
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Read a Cloud SQL instance with its databases and users
description:
  - Returns what Google says about an instance, its databases and its users. There is no secret in it.
  - Returns it as variables of an inventory too, for a team whose instance is there already.
options:
  name:
    description: Name of the instance.
    type: str
    required: true
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes.read_only
seealso:
  - module: mlflow_ops.gcp.sql_instance
"""

EXAMPLES = r"""
- name: Read the instance
  mlflow_ops.gcp.sql_instance_info:
    project: my-project
    name: mlflow-metadata
  register: backend

- name: Show what to put into group_vars for an instance that is there already
  ansible.builtin.debug:
    var: backend.as_variables
"""

RETURN = r"""
instance:
  description: The instance as Google describes it; null if it does not exist.
  returned: success
  type: dict
  sample: {"name": "mlflow-metadata", "connectionName": "my-project:europe-west3:mlflow-metadata", "state":
    "RUNNABLE"}
databases:
  description: Its databases; null if the instance is stopped, since Google then does not tell.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "mlflow", "charset": "UTF8"}]
users:
  description: Its users; null if the instance is stopped, since Google then does not tell.
  returned: success
  type: list
  elements: dict
  sample: [{"name": "mlflow_user"}]
as_variables:
  description:
    - The instance as variables of an inventory. With them the role C(mlflow_ops.gcp.backend_store) finds nothing to
      change in the instance, and keeps it as it is. The zones are left out, since Google may move an instance.
    - The database and the user are named where there is only one that Google has not made itself.
  returned: success
  type: dict
  sample: {"gcp_region": "europe-west3", "mlflow_instance": "mlflow-metadata", "mlflow_tier": "db-f1-micro",
    "mlflow_database": "mlflow", "backend_store_settings": {"database_version": "POSTGRES_14", "data_disk_size_gb": 10}}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_info import NOTHING, read_all
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, ServiceDisabledError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import EXCLUSIVE_CREDENTIALS, common_spec, connect


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**common_spec(), "name": {"type": "str", "required": True}},
        mutually_exclusive=[EXCLUSIVE_CREDENTIALS],
        supports_check_mode=True,
    )
    name = module.params["name"]
    try:
        found = read_all(connect(module), name)
    except ServiceDisabledError as error:
        if not module.check_mode:
            module.fail_json(msg=f"sql_instance_info {name}: {error}")
        module.warn(f"{error.service} is off: assuming that an earlier task enables it")
        found = NOTHING
    except GoogleError as error:
        module.fail_json(msg=f"sql_instance_info {name}: {error}")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
