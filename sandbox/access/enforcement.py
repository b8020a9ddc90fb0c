"""IAM, enforced in one place: a route names its permission, its path names the resources whose policies count."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.access import policies
from sandbox.access.accounts import find_account
from sandbox.access.conditions import ConditionError, compile_condition
from sandbox.access.resources import attributes_of
from sandbox.access.roles import gives
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store

ANONYMOUS = ""
PUBLIC = ("allUsers", "allAuthenticatedUsers")
BASIC_ROLES = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}


@dataclass(frozen=True)
class Question:
    """Whether an account (or ANONYMOUS) holds a permission: on what the names of a request's path say.

    `api` holds the API attributes that the method provides to conditions.
    """

    principal: str
    permission: str
    service: str
    names: Mapping[str, str] = field(default_factory=dict)
    api: Mapping[str, Any] = field(default_factory=dict)


def is_allowed(store: Store, settings: Settings, question: Question) -> bool:
    """The answer, from the policies in force of the resource and of the project above it."""
    is_private = _prevents_public_access(store, question.names)
    return any(
        _holds(store, settings, question.principal, _without_public(binding) if is_private else binding)
        and gives(store, binding["role"], question.permission)
        and _applies(settings, binding, question)
        for key in _policies_of(store, settings, question.names)
        for binding in policies.in_force(store, key).get("bindings", [])
    )


def _applies(settings: Settings, binding: Json, question: Question) -> bool:
    """Whether the binding's condition is met; one that is not understood (an older state's) grants nothing."""
    condition = binding.get("condition")
    if condition is None:
        return True
    try:
        ask = compile_condition(condition.get("expression", ""))
    except ConditionError:
        return False
    return ask(attributes_of(settings, question.service, question.names, question.api))


def _policies_of(store: Store, settings: Settings, names: Mapping[str, str]) -> list[str]:
    keys = [policies.project_key(settings.project)]
    if "secret" in names:
        keys.append(policies.secret_key(names["secret"]))
    if "bucket" in names:
        keys.append(policies.bucket_key(names["bucket"]))
    if "email" in names and (account := find_account(store, names["email"])):
        keys.append(policies.account_key(account["email"]))
    return keys


def _prevents_public_access(store: Store, names: Mapping[str, str]) -> bool:
    """Grants to everybody on a bucket count for nothing then, those made before too.

    https://cloud.google.com/storage/docs/public-access-prevention.
    """
    bucket = store.get("buckets", names["bucket"]) if "bucket" in names else None
    return bucket is not None and bool(bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced")


def _without_public(binding: Json) -> Json:
    return binding | {"members": [member for member in binding["members"] if member not in PUBLIC]}


def _holds(store: Store, settings: Settings, principal: str, binding: Json) -> bool:
    return any(_is_member(store, settings, principal, member) for member in binding["members"])


def _is_member(store: Store, settings: Settings, principal: str, member: str) -> bool:
    if member == "allUsers":
        return True
    if principal == ANONYMOUS:
        return False
    kind, _, rest = member.partition(":")
    if role := BASIC_ROLES.get(kind):
        project = policies.in_force(store, policies.project_key(settings.project))
        return rest == settings.project and any(
            binding["role"] == role and f"serviceAccount:{principal}" in binding["members"]
            for binding in project.get("bindings", [])
        )
    return member in ("allAuthenticatedUsers", f"serviceAccount:{principal}")
