#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.secret_iam_member."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret_iam_member
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Give a role on a secret to one member
description:
  - Adds one member to one role or takes it away. All other bindings, conditions and audit configurations stay as
    they are.
  - The policy is written under the etag that was read. If it changes meanwhile, it is read and changed anew, so that
    nobody's change is lost.
  - Google's limits (1500 principals, 250 groups and domains a policy, each appearance counted) are told before anything
    is written.
options:
  secret:
    description: Name of the secret.
    type: str
    required: true
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
  - mlflow_ops.gcp.iam_member
  - mlflow_ops.gcp.iam_member.public
seealso:
  - module: mlflow_ops.gcp.secret
  - module: mlflow_ops.gcp.service_account
  - module: mlflow_ops.gcp.project_iam_member
"""

EXAMPLES = r"""
- name: Let the server read the password
  mlflow_ops.gcp.secret_iam_member:
    project: my-project
    secret: mlflow-db-password
    role: roles/secretmanager.secretAccessor
    member: serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com

- name: Let somebody read it until the new year
  mlflow_ops.gcp.secret_iam_member:
    project: my-project
    secret: mlflow-db-password
    role: roles/secretmanager.secretAccessor
    member: user:somebody@example.com
    condition:
      title: until-the-new-year
      expression: request.time < timestamp("2030-01-01T00:00:00Z")
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
    - field: member
      before: null
      after: serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com
      reason: is to be created
      blast_radius: safe
      refusal: null
  contains:
    field:
      description: Name of the option.
      type: str
      sample: member
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
  description: The binding; null if it is absent.
  returned: always
  type: dict
  sample:
    role: roles/secretmanager.secretAccessor
    member: serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com
    target: secret mlflow-db-password
    condition: null
  contains:
    role:
      description: The role.
      type: str
      sample: roles/secretmanager.secretAccessor
    member:
      description: The member.
      type: str
      sample: serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com
    target:
      description: What the role is on.
      type: str
      sample: secret mlflow-db-password
    condition:
      description: The condition; null if there is none.
      type: dict
      sample: {"title": "until-the-new-year", "expression": "request.time < timestamp('2030-01-01T00:00:00Z')"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager_policies import SecretIamMember


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(SecretIamMember)), SecretIamMember)


if __name__ == "__main__":
    main()
