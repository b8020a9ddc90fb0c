#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.project_service."""

from __future__ import annotations

DOCUMENTATION = r"""
module: project_service
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Enable a Google API in the project
description:
  - Enables or disables a Google API, and waits until Google says it is so.
  - Google refuses to disable one that was used in the last 30 days or that others depend on, and the failure names
    them. Two options say explicitly that it is meant.
options:
  name:
    description: Name of the service, such as V(sqladmin.googleapis.com).
    type: str
    required: true
  state:
    description: V(present) enables the service, V(absent) disables it.
    type: str
    choices: [present, absent]
    default: present
  disable_dependent_services:
    description: With O(state=absent), whether every enabled service that depends on this one is disabled with it.
    type: bool
    default: false
  ignore_usage:
    description: With O(state=absent), whether to disable the service though it, or one that depends on it, was used in
      the last 30 days.
    type: bool
    default: false
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.plan
"""

EXAMPLES = r"""
- name: Enable the Cloud SQL Admin API
  mlflow_ops.gcp.project_service:
    project: my-project
    name: sqladmin.googleapis.com

- name: Disable an API that nobody has used for a month
  mlflow_ops.gcp.project_service:
    project: my-project
    name: bigquery.googleapis.com
    state: absent
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
    - field: name
      before: null
      after: sqladmin.googleapis.com
      reason: is to be created
      blast_radius: safe
      refusal: null
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
  description: The service as Google describes it.
  returned: always
  type: dict
  sample: {"name": "projects/415104041262/services/sqladmin.googleapis.com", "state": "ENABLED"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(ProjectService)), ProjectService)


if __name__ == "__main__":
    main()
