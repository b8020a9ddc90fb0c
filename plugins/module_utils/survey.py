# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans for many resources at once: read side by side, each object once, then planned as a whole.

Where anything is to be written, or Google refused a read, the caller's permissions are asked too, all at once.

What another resource of the same call will make counts as absent here, not as missing: a child of a planned parent is
planned too, and so is what needs a service that the same call enables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import observe
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleApiError,
    GoogleError,
    MissingPrerequisiteError,
    NetworkError,
    PermissionDeniedError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.permissions import (
    Need,
    check,
    needs_of,
    only_known,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.registry import RESOURCES
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    Observed,
    Presence,
    Resource,
    way_out,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService

_THREADS = 16


@dataclass(frozen=True)
class Entry:
    """A resource and who declared it."""

    owner: str
    resource: Resource
    permissions: tuple[str, ...] = ()
    """What later steps of the play need on the same object."""


@dataclass(frozen=True)
class Survey:
    """The plans, in the entries' order, and whether the caller is known to be allowed what they need."""

    plans: list[Plan]
    permissions_checked: bool


def parse_entries(declared: Sequence[Mapping[str, Any]], project: str) -> list[Entry]:
    """Check each entry with its own module's argument spec. Raises RefusedError naming the entry."""
    return [
        Entry(str(item["owner"]), _parse(number, item, project), tuple(item.get("permissions") or ()))
        for number, item in enumerate(declared)
    ]


def _parse(number: int, item: Mapping[str, Any], project: str) -> Resource:
    where = f"resources[{number}] (owner {item['owner']}, module {item['module']})"
    kind = RESOURCES.get(str(item["module"]))
    if kind is None:
        raise RefusedError(f"{where}: no such module: use one of {', '.join(sorted(RESOURCES))}")
    params = item.get("params") or {}
    secret = sorted(name for name, spec in kind.SPEC.items() if spec.get("no_log") and params.get(name) is not None)
    if secret:
        raise RefusedError(f"{where}: a plan takes no secrets: leave out {', '.join(secret)}")
    checked = ArgumentSpecValidator(kind.SPEC, mutually_exclusive=kind.MUTUALLY_EXCLUSIVE).validate(params)
    if checked.error_messages:
        raise RefusedError(f"{where}: {'; '.join(checked.error_messages)}")
    try:
        return kind(checked.validated_parameters, project)
    except RefusedError as error:
        raise RefusedError(f"{kind.MODULE}: {error}") from error


def survey(entries: Sequence[Entry], google: Google, *, check_permissions: bool = True) -> Survey:
    """Read everything and plan it. Raises MissingPermissionsError if the caller lacks what that needs."""
    if not entries:
        return Survey([], permissions_checked=True)
    resources = [entry.resource for entry in entries]
    for resource in resources:
        resource.announce(google)
    with ThreadPoolExecutor(max_workers=min(_THREADS, len(resources))) as pool:
        observed = list(pool.map(lambda resource: _observe(resource, google), resources))
    made = plan_together(resources, observed)
    _refuse_problems(resources, made)
    if not check_permissions:
        _raise_refusal(entries, observed)
        return Survey(made, permissions_checked=True)
    return Survey(made, permissions_checked=_check_permissions(google, entries, observed, made))


def _observe(resource: Resource, google: Google) -> Observed:
    try:
        return observe(resource, google)
    except PermissionDeniedError as error:
        # Not the end yet: the line should name all that is missing, not what was asked first.
        return Observed(Presence.UNKNOWN, error=error)
    except GoogleError as error:
        raise GoogleError(resource.explain(error)) from error


def _refuse_problems(resources: Sequence[Resource], made: Sequence[Plan]) -> None:
    """What can never be applied fails here, before any role has written anything."""
    problems = []
    for resource, plan in zip(resources, made, strict=True):
        try:
            resource.check_apply(plan)
        except MissingPrerequisiteError:
            # No plan knows a secret, and another entry may be about to make what is missing.
            continue
        except RefusedError as error:
            problems.append(resource.explain(error))
    if problems:
        raise RefusedError("; ".join(problems))


def _check_permissions(
    google: Google, entries: Sequence[Entry], observed: Sequence[Observed], made: Sequence[Plan]
) -> bool:
    """Only where it matters, so that a run with nothing to do asks nothing more."""
    refused = {n: seen.error for n, seen in enumerate(observed) if isinstance(seen.error, PermissionDeniedError)}
    if not refused and not any(plan.writes for plan in made):
        return True
    needs: set[Need] = set()
    for number, (entry, plan) in enumerate(zip(entries, made, strict=True)):
        needs |= needs_of(entry.resource, None if number in refused else plan, entry.permissions)
    checked = False
    try:
        checked = check(google, needs)
        if refused and not checked:
            raise only_known(google, [(entries[number].resource, error) for number, error in refused.items()])
    except PermissionDeniedError as error:
        # Asking needs no permission, so there is no such project, or it may not be seen: the refused read says so.
        if not refused:
            raise GoogleError(f"project {google.project}: {error}") from error
    except (GoogleApiError, NetworkError) as error:
        raise GoogleError(f"project {google.project}: {error}: {way_out(error)}") from error
    _raise_refusal(entries, observed)
    return checked


def _raise_refusal(entries: Sequence[Entry], observed: Sequence[Observed]) -> None:
    """The first refused read, as Google told it."""
    for entry, seen in zip(entries, observed, strict=True):
        if isinstance(seen.error, PermissionDeniedError):
            raise GoogleError(entry.resource.explain(seen.error)) from seen.error


def plan_together(resources: Sequence[Resource], observed: Sequence[Observed]) -> list[Plan]:
    """Plans of resources that know of each other. Pure."""
    services = {
        resource.name
        for resource, seen in zip(resources, observed, strict=True)
        if isinstance(resource, ProjectService) and not seen.exists and not resource.wants_absence
    }
    planned: dict[int, Plan] = {}
    created: set[tuple[str, str]] = set()
    # Parents first, since a child's plan depends on theirs.
    order = sorted(range(len(resources)), key=lambda number: resources[number].parent is not None)
    for number in order:
        resource = resources[number]
        plan = _plan_one(resource, observed[number], services, created)
        planned[number] = plan
        if plan.action is Action.CREATE or resource.is_being_made(observed[number]):
            created.add((resource.MODULE, resource.name))
    return [planned[number] for number in range(len(resources))]


def _plan_one(resource: Resource, seen: Observed, services: set[str], created: set[tuple[str, str]]) -> Plan:
    if seen.error is None:
        return resource.plan(seen)
    parent = resource.parent
    in_created = parent is not None and (parent.module, parent.name) in created
    made_here = {
        Presence.SERVICE_DISABLED: getattr(seen.error, "service", "") in services or resource.SERVICE in services,
        Presence.PARENT_ABSENT: in_created,
        # A parent that is still being made can't be asked.
        Presence.UNKNOWN: in_created,
    }.get(seen.presence, False)
    if made_here:
        return resource.plan(ABSENT)
    if resource.wants_absence and seen.presence in {Presence.PARENT_ABSENT, Presence.SERVICE_DISABLED}:
        return plans.nothing(resource.MODULE, resource.name)
    return plans.unknown(resource.MODULE, resource.name, resource.reason(seen.error))


def pending_owners(entries: Sequence[Entry], made: Sequence[Plan]) -> list[str]:
    """Who has anything to do."""
    return sorted({e.owner for e, plan in zip(entries, made, strict=True) if plan.action is not Action.NONE})
