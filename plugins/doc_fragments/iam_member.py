# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that give one role to one member."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment mlflow_ops.gcp.iam_member."""

    DOCUMENTATION = r"""
options:
  role:
    description:
      - Role, such as V(roles/cloudsql.client), or a custom one such as V(projects/my-project/roles/mlflowOperator).
    type: str
    required: true
  member:
    description:
      - Who has the role, with the kind in front, such as
        V(serviceAccount:mlflow-server@my-project.iam.gserviceaccount.com), C(user:), C(group:), C(domain:) or
        C(principal://). E-mail addresses are compared without regard to case.
      - Bindings of a deleted account (C(deleted:serviceAccount:...?uid=...)) count for nobody, nor for a new account of
        the same name, which is bound anew. They stay until Google removes them, since undeleting the account brings
        them back to life; O(state=absent) with the whole C(deleted:) member takes one away.
    type: str
    required: true
  condition:
    description:
      - When the binding counts (IAM Conditions). Without it the binding without a condition is meant.
      - The same role and member under another condition is another binding. As with gcloud, title, expression and
        description together tell one condition from another.
      - Google takes none on the basic roles owner, editor and viewer, none for everybody, and on a bucket only with
        uniform bucket-level access.
    type: dict
    suboptions:
      title:
        description: A name for people.
        type: str
        required: true
      expression:
        description: Common Expression Language, such as V(request.time < timestamp("2030-01-01T00:00:00Z")).
        type: str
        required: true
      description:
        description: What it is for.
        type: str
  state:
    description: Whether the binding should be there.
    type: str
    choices: [present, absent]
    default: present
  wait_for_permissions:
    description:
      - Permissions of the role, such as V(storage.objects.create). The task ends when Google tells the member itself
        that it holds them, which takes 2 to 7 minutes, and longer at times.
      - The member must be a service account. If it is not the caller itself, the caller needs
        C(roles/iam.serviceAccountTokenCreator) on it, and C(iamcredentials.googleapis.com) must be enabled.
      - It is asked whenever the binding is there, since an earlier run may have been stopped while it waited. That
        writes nothing, and check mode asks nothing.
    type: list
    elements: str
  wait_timeout:
    description: Seconds to wait for O(wait_for_permissions). The binding stays if the time is up.
    type: int
    default: 600
"""

    # Of modules for objects that Google lets the public in to.
    PUBLIC = r"""
options:
  allow_public:
    description:
      - Whether O(member) may be V(allUsers) (everybody on the internet) or V(allAuthenticatedUsers) (everybody with a
        Google account).
    type: bool
    default: false
"""
