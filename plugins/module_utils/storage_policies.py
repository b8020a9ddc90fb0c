# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud Storage JSON API v1: buckets' IAM policies."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import iam_members, policies
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    NotFoundError,
    RefusedError,
    StaleVersionError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.propagation import Place
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError, Reference
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import (
    API,
    SERVICE,
    Bucket,
    fetch_policy,
    way_out_for_good,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting


class BucketIamMember(iam_members.IamMember):
    """A member of a role on a bucket."""

    MODULE = "bucket_iam_member"
    SERVICE = SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "bucket": {"type": "str", "required": True},
        **iam_members.SPEC,
        **iam_members.PUBLIC_SPEC,
    }

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self.params["bucket"])

    @property
    def target(self) -> str:
        return f"bucket {self.bucket}"

    @property
    def place(self) -> Place:
        return Place(API, f"b/{segment(self.bucket)}")

    @property
    def parent(self) -> Reference:
        return Reference(Bucket.MODULE, self.bucket)

    def fetch(self, google: Google) -> JsonObject:
        try:
            return fetch_policy(google, self.bucket)
        except NotFoundError as error:
            raise ParentAbsentError(
                f"the bucket {self.bucket} does not exist: create it first with mlflow_ops.gcp.bucket"
            ) from error

    def _warnings(self, policy: JsonObject) -> list[str]:
        """Nobody's binding is taken away here, but everybody's is worth a word."""
        public = [] if self.params.get("allow_public") else policies.public_grants(policy)
        let_in = [
            f"{grant.member} has {grant.role} on {self.target}: everybody is let in unless public access prevention is "
            f"enforced; if that is not meant, set {setting(Bucket.MODULE, 'public_access_prevention')} to enforced, "
            "which takes the binding away too"
            for grant in public
        ]
        return [*super()._warnings(policy), *let_in]

    def store(self, google: Google, policy: JsonObject) -> None:
        try:
            google.write("PUT", API, f"{self.place.path}/iam", policy)
        except StaleVersionError as error:
            if way_out := way_out_for_good(error):
                raise RefusedError(f"{error}: {way_out}") from error
            raise
