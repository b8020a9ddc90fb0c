# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One member of one role on some object: read the policy, change one thing in it, write it back under its etag.

setIamPolicy replaces the whole policy. So it is always written under the etag that was read; a conflict means read and
plan again, and a policy without an etag is not written at all.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans, policies, propagation
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InvalidRequestError,
    PrincipalNotFoundError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.policies import Grant
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    NotVisibleYetError,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_ROLE = re.compile(r"(roles|projects/[^/\s]+/roles|organizations/[^/\s]+/roles)/[A-Za-z0-9_.]+")
_MEMBER = re.compile(
    r"(user|group):[^@\s]+@[^@\s]+|serviceAccount:\S+|(domain|project(Owner|Editor|Viewer)):[^@\s]+|"
    r"(principal|principalSet)://\S+|allUsers|allAuthenticatedUsers"
)
# https://cloud.google.com/iam/docs/conditions-attribute-reference#api-attributes-storage
_LIST_PREFIX = "storage.googleapis.com/objectListPrefix"
_ADDRESS = re.compile(r"[\w.+-]+@[\w.-]+\w")

SPEC: dict[str, Any] = {
    "role": {"type": "str", "required": True},
    "member": {"type": "str", "required": True},
    "condition": {
        "type": "dict",
        "options": {
            "title": {"type": "str", "required": True},
            "expression": {"type": "str", "required": True},
            "description": {"type": "str"},
        },
    },
    "state": STATE,
    **propagation.SPEC,
}
# For objects that Google lets the public in to.
PUBLIC_SPEC: dict[str, Any] = {"allow_public": {"type": "bool", "default": False}}

# What Google says (the start of it, or a word of it), and what the user can do about it.
_REFUSALS = (
    # hashicorp/terraform-provider-google#25093
    (
        "larger than the maximum allowed size",
        "remove bindings that are no longer needed, above all those of deleted members, or bind a group instead",
    ),
    # terraform-google-modules/terraform-example-foundation#1454
    (
        "permitted customer",
        "choose a member of the organization, or have its policy iam.allowedPolicyMemberDomains allow this one",
    ),
    # googleapis/google-cloud-python#10499, hashicorp/terraform-provider-google#6923
    ("not supported for this resource", "choose a role for this kind of object (mind the spelling of option role)"),
    ("does not exist in the resource's hierarchy", "create the custom role first, or mind the spelling of option role"),
)


def refuse_without_etag(policy: JsonObject, target: str) -> None:
    """Raise RefusedError for a policy that can't be written back safely."""
    if not policy.get("etag"):
        raise RefusedError(
            f"Google's answer holds no etag for the policy of {target}, so that somebody else's change could "
            "be lost: nothing was written; run again"
        )


class IamMember(Resource):
    """One member of one role on some object; subclasses know where the policy is."""

    # Everybody who deploys into a project changes the same policy.
    STALE_ATTEMPTS: ClassVar[int] = 10

    @property
    def grant(self) -> Grant:
        """What is wanted, or wanted gone."""
        condition = policies.condition_of(self.params.get("condition"))
        return Grant(str(self.params["role"]), str(self.params["member"]), condition)

    @property
    @abstractmethod
    def target(self) -> str:
        """The object that the policy is of, for people."""

    @property
    @abstractmethod
    def place(self) -> propagation.Place:
        """The object that the policy is of, for Google."""

    @property
    def name(self) -> str:
        grant = self.grant
        under = f" under the condition {grant.condition.title!r}" if grant.condition else ""
        return f"{grant.role} for {grant.member} on {self.target}{under}"

    def check(self) -> None:
        grant = self.grant
        if not _ROLE.fullmatch(grant.role):
            raise RefusedError(f"role {grant.role!r} is no role name: write it as roles/cloudsql.client")
        # A dead binding can be taken away, and never be made.
        member = grant.member.removeprefix("deleted:") if self.wants_absence else grant.member
        if not _MEMBER.fullmatch(member):
            raise RefusedError(
                f"member {grant.member!r} has no kind in front, or no address: write it as serviceAccount:ADDRESS, "
                "user:ADDRESS or group:ADDRESS"
            )
        if not self.wants_absence:
            self._check_public(grant)
            self._check_condition(grant)
        propagation.check(self.params, grant)

    def _check_public(self, grant: Grant) -> None:
        if grant.member not in policies.PUBLIC or self.params.get("allow_public"):
            return
        if "allow_public" in self.SPEC:
            raise RefusedError(
                f"member {grant.member} lets everybody in to {self.target}: if that is meant, set allow_public: true"
            )
        # "Project does not support allUsers and allAuthenticatedUsers as members": the reference of setIamPolicy.
        raise RefusedError(
            f"member {grant.member}: Google takes no such member on a project: name an account or a group"
        )

    def _check_condition(self, grant: Grant) -> None:
        """The rules are on https://cloud.google.com/iam/docs/conditions-overview."""
        if grant.condition is None:
            return
        what = f"condition {grant.condition.title!r} of {grant.role} for {grant.member}"
        if not grant.condition.title or not grant.condition.expression:
            raise RefusedError(f"{what}: its title or its expression is empty: give both")
        if _LIST_PREFIX in grant.condition.expression:
            raise RefusedError(
                f"{what}: Google supports {_LIST_PREFIX} in Credential Access Boundaries only, and Cloud Storage fails "
                "with it in a binding: a listing is about the bucket, so compare resource.name with the bucket's"
            )
        if grant.role in policies.BASIC_ROLES:
            raise RefusedError(f"{what}: Google takes no condition on a basic role: choose a predefined or custom role")
        if grant.member in policies.PUBLIC:
            raise RefusedError(
                f"{what}: Google takes no condition for everybody: leave condition out, or name an account"
            )

    @abstractmethod
    def fetch(self, google: Google) -> JsonObject:
        """The policy, version 3; raises ParentAbsentError if there is no such object."""

    @abstractmethod
    def store(self, google: Google, policy: JsonObject) -> None:
        """Write the whole policy under its etag."""

    def read(self, google: Google) -> Observed:
        policy = google.once(("policy", self.target), lambda: self.fetch(google))
        bound = policies.is_granted(policy, self.grant)
        return Observed(Presence.PRESENT if bound else Presence.ABSENT, about={"policy": policy})

    def plan(self, observed: Observed) -> Plan:
        policy = observed.about.get("policy") or {}
        warnings = [] if self.wants_absence else self._warnings(policy)
        if observed.exists == (not self.wants_absence):
            return plans.nothing(self.MODULE, self.name, *warnings)
        if self.wants_absence:
            return plans.delete(self.MODULE, self.name, BlastRadius.SAFE)
        grant = self.grant
        if limit := policies.over_limit(policy, grant):
            way_out = "remove bindings that are no longer needed, or bind a group instead"
            return plans.update(self.MODULE, self.name, [Change("member", None, grant.member, limit, refusal=way_out)])
        if grant.role in policies.BASIC_ROLES:
            warnings += [f"{grant.role} is a basic role, of thousands of permissions: a predefined role holds fewer"]
        fields: dict[str, Any] = {"role": grant.role, "member": grant.member}
        if grant.condition:
            fields["condition"] = grant.condition.as_json()
        return _with_reason(plans.create(self.MODULE, self.name, fields, warnings), policies.buried(policy, grant))

    def _warnings(self, policy: JsonObject) -> list[str]:
        grant = self.grant
        if policies.is_granted_always(policy, grant):
            return [
                f"{grant.member} has {grant.role} on {self.target} without a condition too, so that this condition "
                "limits nothing: take the other binding away (state: absent, without condition)"
            ]
        return []

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        policy = observed.about["policy"]
        refuse_without_etag(policy, self.target)
        change = policies.with_grant if plan.action is Action.CREATE else policies.without_grant
        try:
            self.store(google, change(policy, self.grant))
        except PrincipalNotFoundError as error:
            raise self._unknown_principal(error) from error
        if plan.action is Action.CREATE:
            self._await_propagation(google)

    def _unknown_principal(self, error: PrincipalNotFoundError) -> GoogleError:
        """New service accounts take time to be seen; other members don't, nor does what another binding names."""
        kind, _colon, address = self.grant.member.partition(":")
        named = _ADDRESS.findall(error.message)
        if named and address.casefold() not in [found.casefold() for found in named]:
            return RefusedError(
                f"the policy of {self.target} names {', '.join(named)} too, which Google does not know ({error}): "
                "remove that binding first"
            )
        if kind != "serviceAccount":
            return RefusedError(f"Google does not know {self.grant.member} ({error}): correct option member")
        return NotVisibleYetError(
            f"Google does not know {self.grant.member} ({error}): create it with mlflow_ops.gcp.service_account, or "
            "mind its spelling; a new account takes up to two minutes to be seen"
        )

    def settle(self, google: Google, observed: Observed) -> bool:
        # An earlier run may have been stopped while it waited.
        if observed.exists and not self.wants_absence:
            self._await_propagation(google)
        return False

    def _await_propagation(self, google: Google) -> None:
        propagation.wait_for(google, self.params, self.grant, self.place, self.name)

    def way_out(self, error: GoogleError) -> str:
        if isinstance(error, InvalidRequestError):
            for said, way_out in _REFUSALS:
                if said in error.message:
                    return way_out
            if self.grant.condition:
                return (
                    f"correct option condition ({self.grant.condition.expression}); `gcloud alpha iam policies "
                    "lint-condition` names the mistakes of an expression"
                )
        return super().way_out(error)

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        del google
        grant = self.grant
        condition = grant.condition.as_json() if grant.condition else None
        bound = {"role": grant.role, "member": grant.member, "target": self.target, "condition": condition}
        return {"resource": bound if observed.exists else None}


def _with_reason(plan: Plan, uids: list[str]) -> Plan:
    """The plan that says so if a dead binding of the member's name stands in the policy.

    It stays: it counts for nobody, it is what comes back to life if the old account is undeleted, and Google removes it
    after some weeks. Whoever wants it gone names it with state: absent.
    """
    if not uids:
        return plan
    dead = ", ".join(uids)
    reason = (
        f"is bound to a deleted principal of the same name alone (uid {dead}), which does not count for the new one"
    )
    changes = tuple(replace(change, reason=reason) if change.field == "member" else change for change in plan.changes)
    return replace(plan, changes=changes)
