#!/usr/bin/python
# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module mlflow_ops.gcp.bucket."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bucket
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Manage a Cloud Storage bucket
description:
  - Creates, changes and deletes a bucket. Only the options that are set are managed.
  - A bucket that holds objects is never deleted.
options:
  name:
    description: Name of the bucket, without C(gs://). Names are global at Google.
    type: str
    required: true
  state:
    description: Whether the bucket should be there.
    type: str
    choices: [present, absent]
    default: present
  location: &location
    description: Region or multi-region, such as V(europe-west3). It can't be changed later. Google's default is
      V(US).
    type: str
  storage_class: &storage_class
    description: Default storage class of new objects.
    type: str
    choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
  uniform_bucket_level_access: &uniform_bucket_level_access
    description: Whether IAM alone decides about access. It can't be undone after 90 days.
    type: bool
  public_access_prevention: &public_access_prevention
    description: V(enforced) keeps the public out, whatever the bindings say.
    type: str
    choices: [enforced, inherited]
  versioning_enabled: &versioning_enabled
    description: Whether overwritten and deleted objects are kept as noncurrent versions.
    type: bool
  soft_delete_retention_seconds: &soft_delete_retention_seconds
    description: Seconds for which deleted objects can be restored; V(0) is not at all.
    type: int
  labels:
    description: Labels. Those that are not listed stay as they are; a null value removes a label.
    type: dict
  on_create:
    description:
      - Settings that a new bucket gets and that are never compared afterwards; what is set outside of it wins.
      - So a bucket that somebody else has made keeps its own.
    type: dict
    suboptions:
      location: *location
      storage_class: *storage_class
      uniform_bucket_level_access: *uniform_bucket_level_access
      public_access_prevention: *public_access_prevention
      versioning_enabled: *versioning_enabled
      soft_delete_retention_seconds: *soft_delete_retention_seconds
  confirm_delete:
    description: O(state=absent) needs the bucket's name here once more; the name is then free for anybody.
    type: str
extends_documentation_fragment:
  - mlflow_ops.gcp.auth
  - mlflow_ops.gcp.endpoints
  - mlflow_ops.gcp.attributes
seealso:
  - module: mlflow_ops.gcp.bucket_iam_member
"""

EXAMPLES = r"""
- name: Make the bucket of the artifacts
  mlflow_ops.gcp.bucket:
    project: my-project
    name: my-artifacts
    location: europe-west3
    uniform_bucket_level_access: true
    public_access_prevention: enforced
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
      sample: versioning_enabled
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
  description: The bucket as Google describes it; null if it is absent.
  returned: always
  type: dict
  sample: {"name": "my-artifacts", "location": "EUROPE-WEST3", "storageClass": "STANDARD"}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.module import module_spec, run_resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import Bucket


def main() -> None:
    """Run the module."""
    run_resource(AnsibleModule(**module_spec(Bucket)), Bucket)


if __name__ == "__main__":
    main()
