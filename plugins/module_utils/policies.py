# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM policies: one member in one role, added or taken away, and everything else back byte for byte.

setIamPolicy replaces the whole policy. So conditional bindings and audit configs are read (requestedPolicyVersion 3)
and written back untouched, under the etag that was read; a conflict means read and plan again.
"""

from __future__ import annotations

import copy
import re
from abc import abstractmethod
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleApiError,
    PrincipalNotFoundError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    NotVisibleYetError,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

POLICY_VERSION = 3
_ROLE = re.compile(r"(roles|projects/[^/]+/roles|organizations/[^/]+/roles)/[A-Za-z0-9_.]+")
_MEMBER = re.compile(r"(user|serviceAccount|group|domain|principal|principalSet):.+|allUsers|allAuthenticatedUsers")

SPEC: dict[str, Any] = {
    "role": {"type": "str", "required": True},
    "member": {"type": "str", "required": True},
    "state": STATE,
}


def same_member(one: str, other: str) -> bool:
    """Whether two members are the same principal: e-mail addresses are compared case-insensitively."""
    if "://" in one or "://" in other:
        return one == other
    return one.casefold() == other.casefold()


def _is_ours(binding: JsonObject, role: str) -> bool:
    return binding.get("role") == role and not binding.get("condition")


def has_member(policy: JsonObject, role: str, member: str) -> bool:
    """Whether the member has the role without a condition."""
    bindings = [binding for binding in policy.get("bindings") or [] if _is_ours(binding, role)]
    return any(same_member(member, found) for binding in bindings for found in binding.get("members", []))


def with_member(policy: JsonObject, role: str, member: str) -> JsonObject:
    """The policy to write so that the member has the role."""
    changed = {**copy.deepcopy(policy), "version": POLICY_VERSION}
    bindings = changed.setdefault("bindings", [])
    binding = next((found for found in bindings if _is_ours(found, role)), None)
    if binding is None:
        bindings.append({"role": role, "members": [member]})
    else:
        binding.setdefault("members", []).append(member)
    return changed


def without_member(policy: JsonObject, role: str, member: str) -> JsonObject:
    """The policy to write so that the member has the role no longer; an emptied binding goes."""
    changed = {**copy.deepcopy(policy), "version": POLICY_VERSION}
    kept = []
    for binding in changed.get("bindings") or []:
        if _is_ours(binding, role):
            binding["members"] = [m for m in binding.get("members", []) if not same_member(member, m)]
            if not binding["members"]:
                continue
        kept.append(binding)
    changed["bindings"] = kept
    return changed


class IamMember(Resource):
    """One member of one role on some object; subclasses know where the policy is."""

    # Everybody who deploys into a project changes the same policy.
    STALE_ATTEMPTS: ClassVar[int] = 10

    @property
    def role(self) -> str:
        """The role, such as roles/cloudsql.client."""
        return str(self.params["role"])

    @property
    def member(self) -> str:
        """The member, such as serviceAccount:x@project.iam.gserviceaccount.com."""
        return str(self.params["member"])

    @property
    @abstractmethod
    def target(self) -> str:
        """The object that the policy is of, for people."""

    @property
    def name(self) -> str:
        return f"{self.role} for {self.member} on {self.target}"

    def check(self) -> None:
        if not _ROLE.fullmatch(self.role):
            raise RefusedError(f"role {self.role!r} is no role name: write it as roles/cloudsql.client")
        if not _MEMBER.fullmatch(self.member):
            raise RefusedError(
                f"member {self.member!r} has no kind in front: write it as serviceAccount:ADDRESS, user:ADDRESS or "
                "group:ADDRESS"
            )

    @abstractmethod
    def fetch(self, google: Google) -> JsonObject:
        """The policy, version 3; raises ParentAbsentError if there is no such object."""

    @abstractmethod
    def store(self, google: Google, policy: JsonObject) -> None:
        """Write the whole policy under its etag."""

    def read(self, google: Google) -> Observed:
        policy = google.once(("policy", self.target), lambda: self.fetch(google))
        bound = has_member(policy, self.role, self.member)
        return Observed(Presence.PRESENT if bound else Presence.ABSENT, about={"policy": policy})

    def plan(self, observed: Observed) -> Plan:
        if observed.exists == (not self.wants_absence):
            return plans.nothing(self.MODULE, self.name)
        if self.wants_absence:
            return plans.delete(self.MODULE, self.name, BlastRadius.SAFE)
        return plans.create(self.MODULE, self.name, {"role": self.role, "member": self.member})

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        policy = observed.about["policy"]
        change = with_member if plan.action is plans.Action.CREATE else without_member
        try:
            self.store(google, change(policy, self.role, self.member))
        except PrincipalNotFoundError as error:
            raise NotVisibleYetError(_explain(error, self.member)) from error

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        del google
        bound = {"role": self.role, "member": self.member, "target": self.target}
        return {"resource": bound if observed.exists else None}


def _explain(error: GoogleApiError, member: str) -> str:
    return (
        f"Google does not know {member} ({error}): create it with mlflow_ops.gcp.service_account, or mind its "
        "spelling; a new account takes up to two minutes to be seen"
    )
