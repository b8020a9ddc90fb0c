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
  - Creates and deletes a database user, sets its password and gives it database roles.
  - Google tells neither a user's password nor its roles, so this module can't know whether they are right; only a login
    can.
  - A new instance's own user C(postgres) has no password and can't log in until it is given one
    (U(https://cloud.google.com/sql/docs/postgres/users)), so nothing needs to be done about it.
options:
  instance:
    description: Name of the instance.
    type: str
    required: true
  name:
    description:
      - Name of the user, of 63 bytes at most.
      - With O(type=CLOUD_IAM_SERVICE_ACCOUNT) the service account's e-mail address; PostgreSQL's name for it lacks
        C(.gserviceaccount.com). An account whose name is then still longer than 63 bytes can't be a user.
      - With O(type=CLOUD_IAM_USER) and O(type=CLOUD_IAM_GROUP) the e-mail address of the person or group.
      - E-mail addresses are in lower case.
    type: str
    required: true
  state:
    description: Whether the user should be there.
    type: str
    choices: [present, absent]
    default: present
  type:
    description:
      - V(BUILT_IN) logs in with a password, V(CLOUD_IAM_SERVICE_ACCOUNT) and V(CLOUD_IAM_USER) with a token of the
        principal. V(CLOUD_IAM_GROUP) does not log in itself, but its members do.
      - IAM users need the instance's flag C(cloudsql.iam_authentication) to be V(on), without which none is created
        here, and the principal needs C(roles/cloudsql.instanceUser) (besides C(roles/cloudsql.client)) on the project.
      - It can't be changed later.
    type: str
    choices: [BUILT_IN, CLOUD_IAM_SERVICE_ACCOUNT, CLOUD_IAM_USER, CLOUD_IAM_GROUP]
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
  database_roles:
    description:
      - Roles of PostgreSQL that the user is made a member of when it is created. They must exist.
      - Without them Google makes a V(BUILT_IN) user a member of C(cloudsqlsuperuser), and an IAM user of no role with
        any privilege.
    type: list
    elements: str
  update_database_roles:
    description:
      - V(on_create) leaves the roles of an existing user alone. V(always) gives it O(database_roles) on each run, which
        is always a change, since Google does not tell which roles a user has.
      - They are added to the roles that the user has.
    type: str
    choices: [on_create, always]
    default: on_create
  revoke_existing_roles:
    description: >-
      With O(update_database_roles=always), whether all roles that are not in O(database_roles) are taken away.
    type: bool
    default: false
  confirm_delete:
    description:
      - Deleting a user locks out whoever logs in as it, so O(state=absent) needs its name here once more. For a service
        account that is PostgreSQL's name, without C(.gserviceaccount.com).
      - PostgreSQL refuses to drop a user that owns anything. The failure then names the way out.
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
    database_roles: [cloudsqlsuperuser]

- name: Let a user look at everything, and do nothing else
  mlflow_ops.gcp.sql_user:
    project: my-project
    instance: mlflow-metadata
    name: reader
    password: "{{ mlflow_password }}"
    database_roles: [pg_read_all_data]
    update_database_roles: always
    revoke_existing_roles: true
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
    - field: password
      before: "(hidden)"
      after: "(hidden)"
      reason: update_password is always
      blast_radius: safe
      refusal: null
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
