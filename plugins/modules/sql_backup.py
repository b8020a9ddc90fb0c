#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.sql_backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: sql_backup
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Back up a Cloud SQL instance now
description:
  - Makes an on-demand backup of a Cloud SQL instance and waits until it is done, or deletes a backup.
  - Every run makes a new one, whatever O(description) says, since a backup that is there already holds nothing of what
    was written since.
  - If the end of the request is unclear, Google is asked what became of it before anything is sent again. An operation
    that is already running on the instance is waited for first.
  - Google keeps on-demand backups until somebody deletes them, or the instance.
options:
  instance:
    description: Name of the instance.
    type: str
    required: true
  id:
    description:
      - Id of the backup that is to be deleted, as M(mlflow_ops.gcp.sql_backup_info) or C(gcloud sql backups list) shows
        it.
    type: str
  state:
    description: Whether a new backup is to be made, or the one with O(id) to be deleted.
    type: str
    choices: [present, absent]
    default: present
  description:
    description: A text for people, such as what comes next.
    type: str
  location:
    description:
      - Region, or V(us), V(eu) or V(asia), where Google keeps the backup. Without it where the instance keeps its
        others.
    type: str
  confirm_delete:
    description: A deleted backup is gone for good, so O(state=absent) needs its id here once more.
    type: str
  timeout:
    description:
      - Seconds to wait for Google. Without it 45 minutes for a backup and 20 for a deletion.
      - A backup that takes longer goes on at Google's side.
    type: int
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(state=absent) it is. With O(state=present) each run makes a backup, by intention.
seealso:
  - module: mlflow_ops.gcp.sql_backup_info
  - module: mlflow_ops.gcp.sql_instance
    description: Automated backups (O(mlflow_ops.gcp.sql_instance#module:backup_configuration)), and the final one.
  - name: Cloud SQL Admin API, backupRuns
    description: Google's reference.
    link: https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/backupRuns
"""

EXAMPLES = r"""
- name: Back up the metadata before an upgrade
  mlflow_ops.gcp.sql_backup:
    project: my-project
    instance: mlflow-metadata
    description: before the upgrade to MLflow 3
  register: backup

- name: Delete that backup again
  mlflow_ops.gcp.sql_backup:
    project: my-project
    instance: mlflow-metadata
    id: "{{ backup.resource.id }}"
    state: absent
    confirm_delete: "{{ backup.resource.id }}"
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
    - {field: type, before: null, after: ON_DEMAND, reason: is to be created, blast_radius: safe, refusal: null}
  contains:
    field:
      description: Name of the option, or V(type), which is always V(ON_DEMAND).
      type: str
      sample: type
    before:
      description: What it is; null if it is not there.
      type: raw
    after:
      description: What it becomes.
      type: raw
    reason:
      description: Why it changes.
      type: str
      sample: is to be created
    blast_radius:
      description: What the change does to those who use the resource.
      type: str
      choices: [safe, restarts the database, destroys data]
    refusal:
      description: Why it is not done, and the explicit way; null if it is done.
      type: str
resource:
  description: The backup as Google describes it (a backup run); null if there is none.
  returned: always
  type: dict
  sample: {"id": "1795820400000", "instance": "mlflow-metadata", "type": "ON_DEMAND", "status": "SUCCESSFUL",
    "description": "before the upgrade to MLflow 3", "location": "eu"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_backup import SqlBackup
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(SqlBackup)), SqlBackup)


if __name__ == "__main__":
    main()
