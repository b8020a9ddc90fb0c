#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.service_account_key."""

from __future__ import annotations

DOCUMENTATION = r"""
module: service_account_key
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Disable, enable and delete a key of a service account
description:
  - Disables a key, which can be undone, enables it again, and deletes it, which can not.
  - It makes no keys, since whoever makes one holds its private half. C(gcloud iam service-accounts keys create) does,
    and a vault keeps it.
  - Tokens that were minted with a key before it was disabled stay valid until they run out, an hour at most.
options:
  service_account:
    description: E-mail of the service account, as the key file's C(client_email) has it.
    type: str
    required: true
  key_id:
    description: Id of the key, as the key file's C(private_key_id) has it.
    type: str
    required: true
  state:
    description: Whether the key should be there. Where it was deleted, V(present) refuses, as it can't come back.
    type: str
    choices: [present, absent]
    default: present
  disabled:
    description: Whether Google should refuse the key. Unmanaged if not set. A key that was deleted counts as disabled.
    type: bool
  confirm_delete:
    description: The key's id once more; without it, O(state=absent) refuses to delete.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.service_account
"""

EXAMPLES = r"""
- name: Let Google refuse a key that nothing uses any more
  mlflow_ops.gcp.service_account_key:
    project: my-project
    service_account: mlflow-server@my-project.iam.gserviceaccount.com
    key_id: 4f1d2c3b5a69788796a5b4c3d2e1f00112233445
    disabled: true

- name: Delete it some weeks later
  mlflow_ops.gcp.service_account_key:
    project: my-project
    service_account: mlflow-server@my-project.iam.gserviceaccount.com
    key_id: 4f1d2c3b5a69788796a5b4c3d2e1f00112233445
    state: absent
    confirm_delete: 4f1d2c3b5a69788796a5b4c3d2e1f00112233445
"""

RETURN = r"""
action:
  description: What was done, or in check mode would be done.
  returned: always
  type: str
  sample: update
  choices: [none, create, update, delete, refuse, unknown]
changes:
  description: Each field that differs.
  returned: always
  type: list
  elements: dict
  sample:
    - {field: disabled, before: false, after: true, reason: differs, blast_radius: safe, refusal: null}
  contains:
    field:
      description: Name of the option.
      type: str
      sample: disabled
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
  description: The key as Google describes it, without its private half; null if it is absent.
  returned: always
  type: dict
  sample: {"keyType": "USER_MANAGED", "validAfterTime": "2026-11-23T07:00:00Z", "disabled": true}
other_keys:
  description: The account's other keys that users made, the oldest first.
  returned: always
  type: list
  elements: dict
  sample:
    - key_id: 4f1d2c3b5a69788796a5b4c3d2e1f00112233445
      created: "2026-08-23T07:00:00Z"
      age_days: 92
      disabled: false
  contains:
    key_id:
      description: Id of the key.
      type: str
      sample: 4f1d2c3b5a69788796a5b4c3d2e1f00112233445
    created:
      description: When it was made, in RFC 3339.
      type: str
      sample: "2026-08-23T07:00:00Z"
    age_days:
      description: Whole days since then.
      type: int
      sample: 92
    disabled:
      description: Whether Google refuses it.
      type: bool
      sample: false
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_keys import ServiceAccountKey
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(ServiceAccountKey)), ServiceAccountKey)


if __name__ == "__main__":
    main()
