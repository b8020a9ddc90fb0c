#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_user."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_user
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a user of a Cloud SQL instance
description:
  - Creates and deletes a database user, and sets its password.
  - Google never tells a password, so this module can't know whether the present one is right; only a login can.
options:
  instance:
    description: Name of the instance.
    type: str
    required: true
  name:
    description:
      - Name of the user.
      - With O(type=CLOUD_IAM_SERVICE_ACCOUNT) the service account's e-mail address; PostgreSQL's name for it lacks
        C(.gserviceaccount.com).
    type: str
    required: true
  state:
    description: Whether the user should be there.
    type: str
    choices: [present, absent]
    default: present
  type:
    description: V(BUILT_IN) logs in with a password, V(CLOUD_IAM_SERVICE_ACCOUNT) with a token. It can't be changed
      later.
    type: str
    choices: [BUILT_IN, CLOUD_IAM_SERVICE_ACCOUNT]
    default: BUILT_IN
  password:
    description:
      - Password of a V(BUILT_IN) user, needed to create it. It may hold no line break and no single quote.
    type: str
  update_password:
    description:
      - V(on_create) leaves the password of an existing user alone. V(always) sets it on each run, which is always a
        change.
    type: str
    choices: [on_create, always]
    default: on_create
  confirm_delete:
    description: Deleting a user locks out whoever logs in as it, so O(state=absent) needs its name here once more.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.sql_instance
  - module: mlflow_ops.gcp.sql_database
  - module: mlflow_ops.gcp.secret
"""

EXAMPLES = r"""
- name: Make the user
  mlflow_ops.gcp.sql_user:
    project: my-project
    instance: mlflow-metadata
    name: mlflow_user
    password: "{{ mlflow_password }}"

- name: Set the password anew
  mlflow_ops.gcp.sql_user:
    project: my-project
    instance: mlflow-metadata
    name: mlflow_user
    password: "{{ mlflow_password }}"
    update_password: always

- name: Let a service account log in without a password
  mlflow_ops.gcp.sql_user:
    project: my-project
    instance: mlflow-metadata
    name: mlflow-server@my-project.iam.gserviceaccount.com
    type: CLOUD_IAM_SERVICE_ACCOUNT
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
  contains:
    field:
      description: Name of the option.
      type: str
      sample: password
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
  description: The user as Google describes it, which is without the password; null if it is absent.
  returned: always
  type: dict
  sample: {"name": "mlflow_user", "instance": "mlflow-metadata"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import SqlUser
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(SqlUser)), SqlUser)


if __name__ == "__main__":
    main()
