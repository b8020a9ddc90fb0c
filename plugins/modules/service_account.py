#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.service_account."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a service account
description:
  - Creates, changes, disables and deletes a service account.
  - A new account is not seen everywhere at once; the modules that give it roles wait for it.
options:
  account_id:
    description: What stands before the @ of the account's address.
    type: str
    required: true
  state:
    description: Whether the account should be there.
    type: str
    choices: [present, absent]
    default: present
  display_name: &display_name
    description: A name for people.
    type: str
  description: &description
    description: What the account is for.
    type: str
  disabled:
    description:
      - V(true) disables the account (Google takes its keys and tokens no longer), V(false) enables it again.
      - Without it the account stays as it is, with a warning if it is disabled.
    type: bool
  on_create:
    description:
      - Settings that a new account gets and that are never compared afterwards; what is set outside of it wins.
      - So an account that somebody else has made keeps its own.
    type: dict
    suboptions:
      display_name: *display_name
      description: *description
  confirm_delete:
    description:
      - O(state=absent) needs the account's address here once more. Its keys stop to work, its bindings
        count no longer, and a new account of the same name gets none of them.
      - Google keeps a deleted account for 30 days. The result names the command that brings it back, which works unless
        the name is taken again (U(https://cloud.google.com/iam/docs/service-accounts-delete-undelete)).
      - O(disabled=true) for a day shows who would miss it.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.project_iam_member
  - module: mlflow_ops.gcp.bucket_iam_member
  - module: mlflow_ops.gcp.secret_iam_member
"""

EXAMPLES = r"""
- name: Make the account of the tracking server
  mlflow_ops.gcp.service_account:
    project: my-project
    account_id: mlflow-server
    display_name: MLflow tracking server
  register: server

- name: Take an old account out of use, which can be undone
  mlflow_ops.gcp.service_account:
    project: my-project
    account_id: mlflow-old
    disabled: true

- name: Delete it
  mlflow_ops.gcp.service_account:
    project: my-project
    account_id: mlflow-old
    state: absent
    confirm_delete: mlflow-old@my-project.iam.gserviceaccount.com
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
    - field: display_name
      before: ""
      after: MLflow tracking server
      reason: differs
      blast_radius: safe
      refusal: null
  contains:
    field:
      description: Name of the option.
      type: str
      sample: display_name
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
  description: The account as Google describes it; null if it is absent.
  returned: always
  type: dict
  sample: {"email": "mlflow-server@my-project.iam.gserviceaccount.com", "uniqueId": "113371337133713371337"}
email:
  description: The account's address, also while it is absent.
  returned: always
  type: str
  sample: mlflow-server@my-project.iam.gserviceaccount.com
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam import ServiceAccount
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(ServiceAccount)), ServiceAccount)


if __name__ == "__main__":
    main()
