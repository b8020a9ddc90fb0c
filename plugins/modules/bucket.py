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
  - Where O(public_access_prevention=enforced) is set (outside of O(on_create)), the roles of C(allUsers) and
    C(allAuthenticatedUsers) on the bucket are taken away too. They give nothing then, but Google takes no policy of the
    bucket any more that has one. To see them takes C(storage.buckets.getIamPolicy).
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
  hierarchical_namespace_enabled: &hierarchical_namespace_enabled
    description: Whether the bucket has real folders, which wants uniform access. It can't be changed later.
    type: bool
  storage_class: &storage_class
    description: Default storage class of new objects.
    type: str
    choices: [STANDARD, NEARLINE, COLDLINE, ARCHIVE]
  uniform_bucket_level_access: &uniform_bucket_level_access
    description: Whether IAM alone decides about access. It can't be undone after 90 days.
    type: bool
  public_access_prevention: &public_access_prevention
    description: V(enforced) keeps the public out, whatever the bindings say. With V(inherited) the organization's
      policy decides.
    type: str
    choices: [enforced, inherited]
  versioning_enabled: &versioning_enabled
    description: Whether overwritten and deleted objects are kept as noncurrent versions. Those that are kept stay when
      it is turned off.
    type: bool
  soft_delete_retention_seconds: &soft_delete_retention_seconds
    description: Seconds for which deleted objects can be restored, 7 to 90 days (V(604800) to V(7776000)); V(0) is not
      at all. A shorter time spares what is deleted already.
    type: int
  retention_period_seconds: &retention_period_seconds
    description: Seconds for which nobody can delete or overwrite an object, up to 100 years; C(mlflow gc) can't either.
      V(0) is not at all.
    type: int
  default_event_based_hold: &default_event_based_hold
    description: Whether each new object is held until somebody releases it.
    type: bool
  lifecycle_rules: &lifecycle_rules
    description:
      - What Google does with objects by itself. The list replaces all rules that are there; an empty one removes them.
        Their order means nothing.
      - A new rule with V(Delete) takes away the objects that fit it, which the plan reports as C(destroys data).
    type: list
    elements: dict
    suboptions:
      action:
        description: What is done.
        type: str
        required: true
        choices: [Delete, SetStorageClass, AbortIncompleteMultipartUpload]
      storage_class:
        description: The new class, with V(SetStorageClass) alone.
        type: str
      condition:
        description: All of what is set must hold; at least one is needed.
          See U(https://cloud.google.com/storage/docs/lifecycle#conditions).
        type: dict
        required: true
        suboptions:
          age:
            description: Days since the object, or the upload, was made.
            type: int
          created_before:
            description: A date, such as V(2030-01-31).
            type: str
          custom_time_before:
            description: A date before which the object's Custom-Time lies.
            type: str
          days_since_custom_time:
            description: Days since the object's Custom-Time.
            type: int
          days_since_noncurrent_time:
            description: Days since the object became noncurrent.
            type: int
          is_live:
            description: V(true) for live objects, V(false) for noncurrent versions.
            type: bool
          matches_prefix:
            description: Beginnings of names.
            type: list
            elements: str
          matches_storage_class:
            description: Storage classes.
            type: list
            elements: str
          matches_suffix:
            description: Ends of names.
            type: list
            elements: str
          noncurrent_time_before:
            description: A date before which the object became noncurrent.
            type: str
          num_newer_versions:
            description: How many newer versions there must be.
            type: int
  cors: &cors
    description: Which web pages may read the bucket. The list replaces all that is there; an empty one removes it.
    type: list
    elements: dict
    suboptions:
      origin:
        description: Origins, such as V(https://mlflow.example.com).
        type: list
        elements: str
        required: true
      method:
        description: HTTP methods.
        type: list
        elements: str
        required: true
      response_header:
        description: Headers that the page may see.
        type: list
        elements: str
      max_age_seconds:
        description: How long a browser may keep the answer.
        type: int
  retention_policy_locked:
    description:
      - V(true) locks the retention policy for good, so that the period can only become longer, and the bucket can only
        be deleted when every object in it is that old. Needs O(confirm_lock).
      - There is no way back, so V(false) is refused.
    type: bool
  confirm_lock:
    description: O(retention_policy_locked=true) needs the bucket's name here once more.
    type: str
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
      hierarchical_namespace_enabled: *hierarchical_namespace_enabled
      storage_class: *storage_class
      uniform_bucket_level_access: *uniform_bucket_level_access
      public_access_prevention: *public_access_prevention
      versioning_enabled: *versioning_enabled
      soft_delete_retention_seconds: *soft_delete_retention_seconds
      retention_period_seconds: *retention_period_seconds
      default_event_based_hold: *default_event_based_hold
      lifecycle_rules: *lifecycle_rules
      cors: *cors
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

- name: Let overwritten artifacts go after a month, and clean up what was never finished
  mlflow_ops.gcp.bucket:
    project: my-project
    name: my-artifacts
    versioning_enabled: true
    soft_delete_retention_seconds: 1209600
    lifecycle_rules:
      - {action: Delete, condition: {days_since_noncurrent_time: 30}}
      - {action: AbortIncompleteMultipartUpload, condition: {age: 7}}
    labels: {team: analytics}

- name: Delete another bucket, which must be empty
  mlflow_ops.gcp.bucket:
    project: my-project
    name: my-old-artifacts
    state: absent
    confirm_delete: my-old-artifacts
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
    - {field: versioning_enabled, before: false, after: true, reason: differs, blast_radius: safe, refusal: null}
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
