# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud Resource Manager API v1: the project's IAM policy."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import iam_members, policies
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.propagation import Place
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_API = "cloudresourcemanager"


class ProjectIamMember(iam_members.IamMember):
    """A member of a role on the project."""

    MODULE = "project_iam_member"
    SERVICE = "cloudresourcemanager.googleapis.com"
    SPEC: ClassVar[dict[str, Any]] = iam_members.SPEC

    @property
    def target(self) -> str:
        return f"project {self.project}"

    @property
    def place(self) -> Place:
        return Place(_API, f"v1/projects/{segment(self.project)}")

    def fetch(self, google: Google) -> JsonObject:
        options = {"options": {"requestedPolicyVersion": policies.POLICY_VERSION}}
        return google.query(_API, f"{self.place.path}:getIamPolicy", options)

    def store(self, google: Google, policy: JsonObject) -> None:
        google.write("POST", _API, f"{self.place.path}:setIamPolicy", {"policy": policy})
