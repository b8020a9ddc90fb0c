# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM policies: one member in one role, added or taken away, and everything else back byte for byte. Pure.

A role and a member are one binding without a condition, and another one under each condition: as gcloud does, a
condition is the same if its expression, title and description are.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

# What Google wants in every request that may meet a condition: https://cloud.google.com/iam/docs/policies#versions.
POLICY_VERSION = 3
PUBLIC = ("allUsers", "allAuthenticatedUsers")
BASIC_ROLES = ("roles/owner", "roles/editor", "roles/viewer")
# https://cloud.google.com/iam/quotas: how each is counted is in that page's footnotes.
MOST_PRINCIPALS = 1500
MOST_GROUPS = 250
MOST_CONDITIONS = 20
# https://cloud.google.com/iam/docs/allow-policies#handle-deleted-members
_DELETED = re.compile(r"deleted:(?P<member>[^?]+)\?uid=(?P<uid>\d+)")


@dataclass(frozen=True)
class Condition:
    """When a binding counts: a CEL expression, and what names it to people."""

    title: str
    expression: str
    description: str = ""

    def as_json(self) -> JsonObject:
        """As Google takes it."""
        given = {"title": self.title, "description": self.description, "expression": self.expression}
        return {name: value for name, value in given.items() if value}


@dataclass(frozen=True)
class Grant:
    """One member's one role, always or under a condition."""

    role: str
    member: str
    condition: Condition | None = None


def condition_of(given: Mapping[str, str | None] | None) -> Condition | None:
    """A condition as it was given or as Google tells it; blanks around its parts are YAML's, not its author's."""
    if not given:
        return None
    parts = {name: (given.get(name) or "").strip() for name in ("title", "expression", "description")}
    return Condition(**parts)


def same_member(one: str, other: str) -> bool:
    """Whether two members are the same principal: e-mail addresses are compared case-insensitively."""
    return one == other if "://" in one else one.casefold() == other.casefold()


def _is_of(binding: JsonObject, grant: Grant) -> bool:
    return binding.get("role") == grant.role and condition_of(binding.get("condition")) == grant.condition


def _members(policy: JsonObject) -> Iterator[tuple[JsonObject, str]]:
    for binding in policy.get("bindings") or []:
        yield from ((binding, member) for member in binding.get("members") or [])


def is_granted(policy: JsonObject, grant: Grant) -> bool:
    """Whether the member has the role under just this condition (or none)."""
    return any(_is_of(binding, grant) and same_member(grant.member, found) for binding, found in _members(policy))


def with_grant(policy: JsonObject, grant: Grant) -> JsonObject:
    """The policy to write so that the member has the role."""
    changed = {**copy.deepcopy(policy), "version": POLICY_VERSION}
    bindings = changed["bindings"] = changed.get("bindings") or []
    binding = next((found for found in bindings if _is_of(found, grant)), None)
    if binding is None:
        condition = {"condition": grant.condition.as_json()} if grant.condition else {}
        bindings.append({"role": grant.role, "members": [grant.member], **condition})
    else:
        binding["members"] = [*(binding.get("members") or []), grant.member]
    return changed


def without_grant(policy: JsonObject, grant: Grant) -> JsonObject:
    """The policy to write so that the member has the role no longer; a binding that this empties goes."""
    changed = {**copy.deepcopy(policy), "version": POLICY_VERSION}
    kept = []
    for binding in changed.get("bindings") or []:
        left = [found for found in binding.get("members") or [] if not same_member(grant.member, found)]
        if _is_of(binding, grant) and left != (binding.get("members") or []):
            if not left:
                continue
            binding["members"] = left
        kept.append(binding)
    changed["bindings"] = kept
    return changed


def public_grants(policy: JsonObject) -> list[Grant]:
    """What everybody is let in by."""
    return [
        Grant(binding.get("role", ""), member, condition_of(binding.get("condition")))
        for binding, member in _members(policy)
        if member in PUBLIC
    ]


def without_public_grants(policy: JsonObject) -> JsonObject:
    """The policy to write so that nobody is let in who is not named."""
    for grant in public_grants(policy):
        policy = without_grant(policy, grant)
    return policy


def buried(policy: JsonObject, grant: Grant) -> list[str]:
    """The unique ids of deleted principals of the member's name that are still listed under the grant.

    Those bindings are dead: they count neither for the old one nor for a new one of that name.
    """
    dead = [_DELETED.fullmatch(found) for binding, found in _members(policy) if _is_of(binding, grant)]
    return [found["uid"] for found in dead if found and same_member(found["member"], grant.member)]


def is_granted_always(policy: JsonObject, grant: Grant) -> bool:
    """Whether the member has the role without any condition as well, so that a condition limits nothing."""
    return grant.condition is not None and is_granted(policy, Grant(grant.role, grant.member))


def over_limit(policy: JsonObject, grant: Grant) -> str:
    """Which of Google's limits adding the grant would break; empty if none."""
    after = with_grant(policy, grant)
    members = [member for _binding, member in _members(after)]
    exempted = [
        member
        for audited in after.get("auditConfigs") or []
        for log in audited.get("auditLogConfigs") or []
        for member in log.get("exemptedMembers") or []
    ]
    if (count := len(members) + len(exempted)) > MOST_PRINCIPALS:
        return f"the policy would hold {count} principals, and Google allows {MOST_PRINCIPALS}"
    domains = [member for member in members if member.startswith("domain:")]
    if (count := len({member for member in members if member.startswith("group:")}) + len(domains)) > MOST_GROUPS:
        return f"the policy would hold {count} groups and domains, and Google allows {MOST_GROUPS}"
    same = [
        found
        for found, member in _members(after)
        if found.get("role") == grant.role and found.get("condition") and same_member(member, grant.member)
    ]
    if len(same) > MOST_CONDITIONS:
        return f"the member would have the role under {len(same)} conditions, and Google allows {MOST_CONDITIONS}"
    return ""
