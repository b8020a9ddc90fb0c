#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.plan."""

from __future__ import annotations

DOCUMENTATION = r"""
module: plan
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Say what would change in many resources at once
description:
  - Reads any number of resources side by side, in one process with one token and each object once, and returns what
    the modules of this collection would do to them. It changes nothing.
  - What another resource of the same call will make counts as absent, not as missing. So the database of an
    instance that is planned is planned too, and so is what needs a service that the same call enables.
  - What can never be applied (settings of an instance that Google does not take together, a database flag that the
    version does not have, an option that a new object needs) fails with one line that names each with its way out, so
    before anything is written.
  - Instances may be many. From two on they are read with one request, and each one's databases and users with one each.
  - Where anything is to be written, Google is asked once whether the caller's account holds every permission that the
    plan needs (C(projects.testIamPermissions), and for what is missing on the project the policy of the bucket, secret
    or service account itself). The same happens where Google refuses to show an object. If any is missing, the module
    fails with one line that names all of them, the role that holds each and the command that grants it.
options:
  resources:
    description: The resources, in the order in which they would be applied.
    type: list
    elements: dict
    required: true
    suboptions:
      owner:
        description: Who declares it, such as the name of a role.
        type: str
        required: true
      module:
        description: Short name of the module that manages it, such as V(sql_instance).
        type: str
        required: true
      params:
        description: >-
          That module's options, without those for project, credentials and endpoints, and without secrets.
        type: dict
        default: {}
      permissions:
        description: >-
          Permissions that later steps need on the same object, such as V(secretmanager.versions.access). They are
          asked together with those that the plan needs.
        type: list
        elements: str
        default: []
  check_permissions:
    description: >-
      Whether to ask for the permissions. V(false) is for roles that are bound under a condition on the resource's name
      or type: Google then answers that they are missing on the project, though they will do.
    type: bool
    default: true
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes.read_only
attributes:
  diff_mode:
    description: Prints what would change, though nothing does.
    support: full
seealso:
  - module: mlflow_ops.gcp.sql_instance
"""

EXAMPLES = r"""
- name: Ask what is to be done
  mlflow_ops.gcp.plan:
    project: my-project
    resources:
      - owner: artifact_store
        module: bucket
        params:
          name: my-artifacts
          location: europe-west3
      - owner: artifact_store
        module: bucket_iam_member
        params:
          bucket: my-artifacts
          role: roles/storage.objectUser
          member: serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com
  register: cloud

- name: Do it where there is something to do
  ansible.builtin.include_role:
    name: mlflow_ops.gcp.artifact_store
  when: "'artifact_store' in cloud.pending_owners"
"""

RETURN = r"""
plans:
  description: One plan for each resource, in order.
  returned: success
  type: list
  elements: dict
  sample:
    - {owner: artifact_store, module: bucket, name: my-artifacts, action: none, changes: []}
    - owner: backend_store
      module: sql_instance
      name: mlflow-metadata
      action: update
      changes:
        - {field: data_disk_size_gb, before: 10, after: 20, reason: differs, blast_radius: safe, refusal: null}
  contains:
    owner:
      description: Who declared it.
      type: str
      sample: artifact_store
    module:
      description: Short name of the module.
      type: str
      sample: bucket
    name:
      description: Name of the object.
      type: str
      sample: my-artifacts
    action:
      description: >-
        What the module would do; V(refuse) if it would only refuse, V(unknown) if it can't be known now (a stopped
        instance, a parent that is missing and not in this plan).
      type: str
      sample: create
      choices: [none, create, update, delete, refuse, unknown]
    changes:
      description: Each field that differs.
      type: list
      elements: dict
      contains:
        field:
          description: Name of the option.
          type: str
          sample: location
        before:
          description: What it is; null if it is not there.
          type: raw
        after:
          description: What it would become.
          type: raw
        reason:
          description: Why it would change.
          type: str
          sample: is to be created
        blast_radius:
          description: What the change would do to those who use the resource.
          type: str
          choices: [safe, restarts the database, destroys data]
        refusal:
          description: Why it would not be done, and the explicit way; null if it would be done.
          type: str
    summary:
      description: Each difference in one line, for people; empty where there is none.
      type: list
      elements: str
      sample: ["bucket my-artifacts: versioning_enabled: False -> True (differs)"]
pending_owners:
  description: The owners of resources with any other action than V(none).
  returned: success
  type: list
  elements: str
  sample: [artifact_store]
permissions_checked:
  description: >-
    Whether nothing is left to ask about the caller's permissions. It is V(false) only where they are needed and can't
    be asked, since C(cloudresourcemanager.googleapis.com) is off.
  returned: success
  type: bool
  sample: true
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.declared import SPEC, plan_declared
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import EXCLUSIVE_CREDENTIALS, common_spec, connect


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={**common_spec(), **SPEC}, mutually_exclusive=[EXCLUSIVE_CREDENTIALS], supports_check_mode=True
    )
    try:
        found = plan_declared(connect(module), module.params, module.warn, check_mode=module.check_mode)
    except GoogleError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**found)


if __name__ == "__main__":
    main()
