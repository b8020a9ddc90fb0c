# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan needs the caller's account to be allowed, asked of Google before the first write.

Each method's permission is on its API's page: cloud.google.com/sql/docs/postgres/iam-permissions,
/secret-manager/docs/access-control, /storage/docs/access-control/iam-json, /iam/docs/permissions-reference,
/resource-manager/docs/access-control-proj, /service-usage/docs/access-control. The role of a permission is the smallest
of Google's own that also holds the others of its row: cloud.google.com/iam/docs/roles-permissions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import secret_settings
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.converge import is_enabled
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleApiError,
    GoogleError,
    InvalidRequestError,
    PermissionDeniedError,
    ServiceDisabledError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.patience import SERVICE_PATIENCE
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ABSENT, Observed, Presence, Resource

_RESOURCE_MANAGER = "cloudresourcemanager.googleapis.com"
_POLL = "cloudsql.instances.get"
_SWITCH_ACCOUNT = ("iam.serviceAccounts.disable", "iam.serviceAccounts.enable")
_PUBLIC_ACCESS = ("storage.buckets.getIamPolicy", "storage.buckets.setIamPolicy")
_NEW_VERSION = ("secretmanager.versions.add", "secretmanager.versions.access")

ROLES: Mapping[str, tuple[str, ...]] = {
    "roles/serviceusage.serviceUsageAdmin": (
        "serviceusage.operations.get",
        "serviceusage.services.disable",
        "serviceusage.services.enable",
        "serviceusage.services.get",
    ),
    "roles/resourcemanager.projectIamAdmin": (
        "resourcemanager.projects.getIamPolicy",
        "resourcemanager.projects.setIamPolicy",
    ),
    "roles/iam.serviceAccountCreator": ("iam.serviceAccounts.create", "iam.serviceAccounts.get"),
    "roles/iam.serviceAccountAdmin": (
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.disable",
        "iam.serviceAccounts.enable",
        "iam.serviceAccounts.update",
    ),
    "roles/iam.serviceAccountKeyAdmin": (
        "iam.serviceAccountKeys.delete",
        "iam.serviceAccountKeys.disable",
        "iam.serviceAccountKeys.enable",
        "iam.serviceAccountKeys.list",
    ),
    "roles/cloudsql.admin": (
        "cloudsql.backupRuns.create",
        "cloudsql.backupRuns.delete",
        "cloudsql.backupRuns.list",
        "cloudsql.databases.create",
        "cloudsql.databases.delete",
        "cloudsql.databases.get",
        "cloudsql.instances.create",
        "cloudsql.instances.delete",
        "cloudsql.instances.get",
        "cloudsql.instances.update",
        "cloudsql.users.create",
        "cloudsql.users.delete",
        "cloudsql.users.list",
        "cloudsql.users.update",
    ),
    "roles/secretmanager.admin": (
        "secretmanager.secrets.create",
        "secretmanager.secrets.delete",
        "secretmanager.secrets.get",
        "secretmanager.secrets.getIamPolicy",
        "secretmanager.secrets.setIamPolicy",
        "secretmanager.secrets.update",
        "secretmanager.versions.access",
        "secretmanager.versions.add",
        "secretmanager.versions.disable",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
    ),
    "roles/storage.admin": (
        "storage.buckets.create",
        "storage.buckets.delete",
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.update",
        "storage.objects.list",
    ),
}


@dataclass(frozen=True)
class Holder:
    """An object that has a policy of its own, so that a permission may be granted on it instead of on the project."""

    kind: str
    name: str


@dataclass(frozen=True)
class Steps:
    """What reading a resource and carrying its plan out ask for.

    ``changes`` is what single fields of a plan ask for besides; ``holder`` the kind of object that the resource is or
    belongs to, and the option that names it (an empty one: the resource's own name).
    """

    read: tuple[str, ...]
    create: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    delete: tuple[str, ...] = ()
    changes: Mapping[tuple[Action, str], tuple[str, ...]] = field(default_factory=dict)
    holder: tuple[str, str] | None = None


def _policy(of: str, holder: tuple[str, str] | None = None) -> Steps:
    write = (f"{of}.setIamPolicy",)
    return Steps((f"{of}.getIamPolicy",), write, (), write, holder=holder)


def _each(action: Action, fields: Iterable[str], *permissions: str) -> dict[tuple[Action, str], tuple[str, ...]]:
    return {(action, field): permissions for field in fields}


STEPS: Mapping[str, Steps] = {
    "project_service": Steps(
        ("serviceusage.services.get",),
        ("serviceusage.services.enable", "serviceusage.operations.get"),
        (),
        ("serviceusage.services.disable", "serviceusage.operations.get"),
    ),
    "project_iam_member": _policy("resourcemanager.projects"),
    "service_account": Steps(
        ("iam.serviceAccounts.get",),
        ("iam.serviceAccounts.create",),
        (),
        ("iam.serviceAccounts.delete",),
        {
            **_each(Action.UPDATE, ("display_name", "description"), "iam.serviceAccounts.update"),
            **_each(Action.UPDATE, ("disabled",), *_SWITCH_ACCOUNT),
            **_each(Action.CREATE, ("disabled",), *_SWITCH_ACCOUNT),
        },
        ("serviceAccount", ""),
    ),
    "service_account_key": Steps(
        ("iam.serviceAccountKeys.list",),
        (),
        ("iam.serviceAccountKeys.disable", "iam.serviceAccountKeys.enable"),
        ("iam.serviceAccountKeys.delete",),
        holder=("serviceAccount", "service_account"),
    ),
    "sql_instance": Steps(
        ("cloudsql.instances.get",),
        ("cloudsql.instances.create",),
        ("cloudsql.instances.update",),
        ("cloudsql.instances.delete",),
    ),
    "sql_backup": Steps(
        ("cloudsql.backupRuns.list",),
        ("cloudsql.backupRuns.create", _POLL),
        (),
        ("cloudsql.backupRuns.delete", _POLL),
    ),
    "sql_database": Steps(
        ("cloudsql.databases.get",),
        ("cloudsql.databases.create", _POLL),
        (),
        ("cloudsql.databases.delete", _POLL),
    ),
    "sql_user": Steps(
        ("cloudsql.users.list",),
        ("cloudsql.users.create", _POLL),
        ("cloudsql.users.update", _POLL),
        ("cloudsql.users.delete", _POLL),
    ),
    "secret": Steps(
        ("secretmanager.secrets.get", "secretmanager.versions.get"),
        ("secretmanager.secrets.create",),
        (),
        ("secretmanager.secrets.delete",),
        {
            (Action.CREATE, "version"): _NEW_VERSION,
            (Action.UPDATE, "version"): _NEW_VERSION,
            (Action.UPDATE, "versions"): ("secretmanager.versions.list", "secretmanager.versions.disable"),
            **_each(Action.UPDATE, secret_settings.FIELDS, "secretmanager.secrets.update"),
        },
        ("secret", ""),
    ),
    "secret_iam_member": _policy("secretmanager.secrets", ("secret", "secret")),
    "bucket": Steps(
        ("storage.buckets.get",),
        ("storage.buckets.create",),
        ("storage.buckets.update",),
        ("storage.buckets.delete", "storage.objects.list"),
        # https://cloud.google.com/storage/docs/json_api/v1/buckets/patch (required permissions).
        {
            **_each(Action.UPDATE, ("public_access_prevention", "public_bindings"), *_PUBLIC_ACCESS),
            # .../v1/buckets/lockRetentionPolicy
            **_each(Action.CREATE, ("retention_policy_locked",), "storage.buckets.update"),
        },
        ("bucket", ""),
    ),
    "bucket_iam_member": _policy("storage.buckets", ("bucket", "bucket")),
}


@dataclass(frozen=True)
class Need:
    """A permission, and the object besides the project on which it may be held (None: on the project alone)."""

    permission: str
    holder: Holder | None = None


class MissingPermissionsError(GoogleError):
    """The caller's account is not allowed what the plan needs; nothing was sent."""


def needs_of(resource: Resource, plan: Plan | None, more: Sequence[str] = ()) -> set[Need]:
    """What a resource's plan needs; without one (it could not be read) what it needs if it is there and if not. Pure.

    :param more: permissions that later steps of the play need on the same object.
    """
    steps = STEPS[resource.MODULE]
    if plan is None:
        plans = [resource.plan(observed) for observed in (ABSENT, Observed(Presence.PRESENT))]
        return {need for possible in plans for need in needs_of(resource, possible, more)}
    wanted = {*steps.read, *more}
    if plan.writes:
        wanted |= {*getattr(steps, str(plan.action))}
        for name in plan.fields():
            wanted |= {*steps.changes.get((plan.action, name.partition(".")[0]), ())}
    # What is still to be made has no policy of its own.
    is_made = steps.holder is not None and not steps.holder[1] and plan.action is Action.CREATE
    holder = None if is_made else _holder(resource, steps)
    return {Need(permission, holder) for permission in wanted}


def _holder(resource: Resource, steps: Steps) -> Holder | None:
    if steps.holder is None:
        return None
    kind, option = steps.holder
    return Holder(kind, str(resource.params[option]) if option else resource.name)


def check(google: Google, needs: Iterable[Need]) -> bool:
    """Ask Google for every permission at once: on the project, and what is missing there on the objects themselves.

    :returns: false where it can't be asked, since the Resource Manager API is off.
    :raises MissingPermissionsError: naming all that the caller lacks.
    :raises PermissionDeniedError: the project does not exist, or may not be seen.
    """
    wanted = set(needs)
    held = _held_on_project(google, sorted({need.permission for need in wanted}))
    if held is None:
        return False
    lacking = {need for need in wanted if need.permission not in held}
    for holder in sorted({need.holder for need in lacking if need.holder}, key=str):
        asked = sorted({need.permission for need in lacking if need.holder == holder})
        found = _held_on(google, holder, asked)
        lacking -= {need for need in lacking if need.holder == holder and need.permission in found}
    if lacking:
        raise MissingPermissionsError(describe({need.permission for need in lacking}, google.account, google.project))
    return True


def _held_on_project(google: Google, asked: list[str]) -> set[str] | None:
    started = google.clock.now()
    attempt = 0
    while True:
        try:
            return _ask(google, "cloudresourcemanager", f"v1/projects/{segment(google.project)}", asked)
        except ServiceDisabledError:
            waited = google.clock.now() - started
            if waited > SERVICE_PATIENCE or not is_enabled(google, _RESOURCE_MANAGER):
                return None
        # Enabled but not yet everywhere, as in converge.observe.
        google.clock.sleep(0.5 + google.clock.full_jitter(attempt, longest=15.0))
        google.forget()
        attempt += 1


def _ask(google: Google, api: str, path: str, asked: list[str]) -> set[str]:
    """What the caller holds of these. What Google does not test on such an object counts as held: its use will tell."""
    untestable: set[str] = set()
    while testable := [permission for permission in asked if permission not in untestable]:
        try:
            reply = google.query(api, f"{path}:testIamPermissions", {"permissions": testable})
        except InvalidRequestError as error:
            named = {*testable} & {*re.findall(r"[\w.]+\w", error.message)}
            if not named:
                raise
            untestable |= named
            continue
        return {*reply.get("permissions", []), *untestable}
    return untestable


def _held_on(google: Google, holder: Holder, asked: list[str]) -> set[str]:
    name, project = segment(holder.name), f"v1/projects/{segment(google.project)}"
    try:
        if holder.kind == "bucket":
            reply = google.get("storage", f"b/{name}/iam/testPermissions", permissions=asked)
            return {*reply.get("permissions", [])}
        if holder.kind == "secret":
            return _ask(google, "secretmanager", f"{project}/secrets/{name}", asked)
        return _ask(google, "iam", f"{project}/serviceAccounts/{name}", asked)
    except GoogleApiError:
        # It is not there, or not ours.
        return set()


def only_known(google: Google, refused: Sequence[tuple[Resource, PermissionDeniedError]]) -> MissingPermissionsError:
    """What Google itself has refused, where the rest can't be asked yet."""
    named = {name for resource, error in refused for name in _named(resource, error)}
    caveat = f" (and perhaps more: that can be asked once {_RESOURCE_MANAGER} is enabled)"
    return MissingPermissionsError(describe(named, google.account, google.project, caveat))


def _named(resource: Resource, error: PermissionDeniedError) -> tuple[str, ...]:
    return (error.permission,) if error.permission else STEPS[resource.MODULE].read


def describe(missing: Iterable[str], account: str, project: str, caveat: str = "") -> str:
    """One line: who lacks what, which role holds it, and the commands that grant it. Pure."""
    lacking = set(missing)
    by_role = {role: sorted(lacking.intersection(held)) for role, held in ROLES.items() if lacking.intersection(held)}
    others = sorted(lacking.difference(*ROLES.values()))
    parts = [f"{', '.join(names)} (held by {role})" for role, names in by_role.items()]
    parts += [", ".join(others)] if others else []
    return (
        f"project {project}: {account or 'the account of these credentials'} lacks {'; '.join(parts)}{caveat}: nothing "
        f"was changed; have the {'role' if len(by_role) == 1 else 'roles'} granted, then run again: "
        f"{_commands(list(by_role), account, project)}"
    )


def _commands(roles: list[str], account: str, project: str) -> str:
    member = f"serviceAccount:{account}" if account else "user:ADDRESS"
    grant = f"gcloud projects add-iam-policy-binding {project} --member={member} --condition=None --role="
    if len(roles) == 1:
        return f"`{grant}{roles[0]}`"
    return f"`for role in {' '.join(roles)}; do {grant}$role; done`"
