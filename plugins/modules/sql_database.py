#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_database."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_database
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a database of a Cloud SQL instance
description:
  - Creates and deletes a database. Nothing of an existing one can be changed, so differences are refused.
options:
  instance:
    description: Name of the instance.
    type: str
    required: true
  name:
    description: Name of the database, of 63 bytes at most.
    type: str
    required: true
  state:
    description: Whether the database should be there.
    type: str
    choices: [present, absent]
    default: present
  charset:
    description: Character set. Cloud SQL creates databases with V(UTF8) only, and it can't be changed later.
    type: str
  collation:
    description: Collation. Cloud SQL creates databases with V(en_US.UTF8) only, and it can't be changed later.
    type: str
  confirm_delete:
    description:
      - Deleting a database destroys its data, so O(state=absent) needs its name here once more.
      - PostgreSQL refuses while anybody is connected to it. The failure then names the way out.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.sql_instance
  - module: mlflow_ops.gcp.sql_user
"""

EXAMPLES = r"""
- name: Make the database
  mlflow_ops.gcp.sql_database:
    project: my-project
    instance: mlflow-metadata
    name: mlflow

- name: Delete a database with all that is in it
  mlflow_ops.gcp.sql_database:
    project: my-project
    instance: mlflow-metadata
    name: scratch
    state: absent
    confirm_delete: scratch
"""

RETURN = r"""
action:
  description: What was done, or in check mode would be done.
  returned: always
  type: str
  sample: create
  choices: [none, create, update, delete, refuse, unknown]
changes:
  description: Each field that differs.
  returned: always
  type: list
  elements: dict
  sample:
    - {field: name, before: null, after: mlflow, reason: is to be created, blast_radius: safe, refusal: null}
  contains:
    field:
      description: Name of the option.
      type: str
      sample: name
    before:
      description: What it is; null if it is not there.
      type: raw
    after:
      description: What it becomes.
      type: raw
    reason:
      description: Why it changes.
      type: str
      sample: differs
    blast_radius:
      description: What the change does to those who use the resource.
      type: str
      choices: [safe, restarts the database, destroys data]
    refusal:
      description: Why it is not done, and the explicit way; null if it is done.
      type: str
resource:
  description: The database as Google describes it; null if it is absent.
  returned: always
  type: dict
  sample: {"name": "mlflow", "instance": "mlflow-metadata", "charset": "UTF8", "collation": "en_US.UTF8"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_database import SqlDatabase
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(SqlDatabase)), SqlDatabase)


if __name__ == "__main__":
    main()
