# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret Manager API v1: secrets' IAM policies."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import iam_members, policies
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.propagation import Place
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError, Reference
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import API, SERVICE, Secret
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject


class SecretIamMember(iam_members.IamMember):
    """A member of a role on a secret."""

    MODULE = "secret_iam_member"
    SERVICE = SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "secret": {"type": "str", "required": True, "no_log": False},
        **iam_members.SPEC,
        **iam_members.PUBLIC_SPEC,
    }

    @property
    def secret(self) -> str:
        """The secret's name."""
        return str(self.params["secret"])

    @property
    def target(self) -> str:
        return f"secret {self.secret}"

    @property
    def place(self) -> Place:
        return Place(API, f"v1/projects/{segment(self.project)}/secrets/{segment(self.secret)}")

    @property
    def parent(self) -> Reference:
        return Reference(Secret.MODULE, self.secret)

    def fetch(self, google: Google) -> JsonObject:
        version = {"options.requestedPolicyVersion": policies.POLICY_VERSION}
        try:
            return google.get(API, f"{self.place.path}:getIamPolicy", **version)
        except NotFoundError as error:
            raise ParentAbsentError(
                f"the secret {self.secret} does not exist in project {google.project}: create it first with "
                "mlflow_ops.gcp.secret"
            ) from error

    def store(self, google: Google, policy: JsonObject) -> None:
        google.write("POST", API, f"{self.place.path}:setIamPolicy", {"policy": policy})
