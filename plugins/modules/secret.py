#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.secret."""

from __future__ import annotations

DOCUMENTATION = r"""
module: secret
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a secret and its newest version in Secret Manager
description:
  - Creates, changes and deletes a secret, and adds a version where one is missing.
  - The newest version alone counts. If it is disabled or destroyed a new one is made; an older value is never used
    again.
  - What was written is read back and compared before the task ends.
  - With neither O(value) nor O(generate) its versions are unmanaged.
options:
  name:
    description: Name of the secret (without the project).
    type: str
    required: true
  state:
    description: Whether the secret should be there.
    type: str
    choices: [present, absent]
    default: present
  labels:
    description: Labels. Those that are not listed stay as they are; a null value removes a label.
    type: dict
  annotations:
    description: Annotations, which can't be searched for. As with O(labels), those that are not listed stay, and a null
      value removes one.
    type: dict
  version_aliases:
    description:
      - Names for versions, such as C(current) for V(3), that readers can use in place of the number. The version must
        exist. Aliases that are not listed stay, and a null value removes one.
    type: dict
  version_destroy_ttl_seconds:
    description:
      - Seconds for which a version that somebody destroys is only disabled and can be enabled again
        (U(https://cloud.google.com/secret-manager/docs/delay-destruction-of-secret-versions)). V(0) destroys at once.
    type: int
  expire_time:
    description:
      - When Google destroys the secret with all its versions, such as V(2030-01-31T00:00:00Z). An empty string removes
        the end.
      - Excludes O(ttl_seconds).
    type: str
  ttl_seconds:
    description:
      - Seconds until Google destroys the secret with all its versions, from when this is first written. A secret that
        has an end already keeps it.
    type: int
  replication_locations:
    description: Regions that keep the secret; Google chooses if it is empty or not set. It can't be changed later.
    type: list
    elements: str
  value:
    description: The value that the newest version should have. It is compared with what is there, which needs
      access to it.
    type: str
  generate:
    description: >-
      Whether to make up a value (44 characters out of C([A-Za-z0-9_-])) if there is no version or the newest is not
      enabled.
    type: bool
    default: false
  rotate:
    description:
      - Whether to make up a new version in any case, once for each run. Needs O(generate).
      - Older versions stay enabled until a task with O(older_versions=disabled) runs, after the new one is in use.
    type: bool
    default: false
  older_versions:
    description: V(disabled) disables every version but the newest, if that is enabled. They can be enabled again.
    type: str
    choices: [disabled]
  return_value:
    description: Whether to return the newest version's value. Use it with C(no_log) on the task alone.
    type: bool
    default: false
  confirm_delete:
    description: Deleting a secret destroys all versions, so O(state=absent) needs its name here once more.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.secret_iam_member
  - module: mlflow_ops.gcp.sql_user
"""

EXAMPLES = r"""
- name: Make sure of a generated password
  mlflow_ops.gcp.secret:
    project: my-project
    name: mlflow-db-password
    generate: true
    return_value: true
  register: password
  no_log: true

- name: Leave only the newest version usable
  mlflow_ops.gcp.secret:
    project: my-project
    name: mlflow-db-password
    older_versions: disabled

- name: Say which version is in use, and let nobody destroy one in an instant
  mlflow_ops.gcp.secret:
    project: my-project
    name: mlflow-db-password
    labels: {app: mlflow}
    annotations: {owner: "https://wiki.example.com/mlflow"}
    version_aliases: {current: 1}
    version_destroy_ttl_seconds: 604800

- name: Keep a password of our own
  mlflow_ops.gcp.secret:
    project: my-project
    name: mlflow-vault-password
    value: "{{ vault_mlflow_password }}"
    replication_locations: [europe-west3]
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
    - {field: version, before: 1, after: 2, reason: is to be rotated, blast_radius: safe, refusal: null}
  contains:
    field:
      description: Name of the option.
      type: str
      sample: version
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
  description: The secret as Google describes it, which is without a value; null if it is absent.
  returned: always
  type: dict
  sample: {"name": "projects/415104041262/secrets/mlflow-db-password", "replication": {"automatic": {}}}
version:
  description: Number of the newest version; null if there is none.
  returned: always
  type: int
  sample: 3
version_state:
  description: State of the newest version; null if there is none.
  returned: always
  type: str
  sample: ENABLED
value:
  description: The newest version's value; null if it is not enabled, or in check mode if there is none yet.
  returned: if O(return_value=true)
  type: str
  sample: Zk3v0eXb9w4qTn1rYc7LhUa5dGs2jPi8mKo6_Fx-QWERT
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import Secret


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(Secret)), Secret)


if __name__ == "__main__":
    main()
