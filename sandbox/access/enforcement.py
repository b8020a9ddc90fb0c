"""IAM, enforced in one place: a route names its permission, its path names the resources whose policies count.

Conditional bindings are stored and returned but grant nothing here: the sandbox does not evaluate CEL.
"""

from sandbox.access import policies
from sandbox.access.roles import grants
from sandbox.core.settings import Settings
from sandbox.core.store import Store

ANONYMOUS = ""
BASIC_ROLES = {"projectOwner": "roles/owner", "projectEditor": "roles/editor", "projectViewer": "roles/viewer"}


def is_allowed(store: Store, settings: Settings, principal: str, permission: str, params: dict[str, str]) -> bool:
    """Whether the account (or ANONYMOUS) holds the permission on what the request's path names."""
    return any(
        _holds(store, settings, principal, binding) and grants(binding["role"], permission)
        for key in _policies_of(settings, params)
        for binding in policies.read(store, key).get("bindings", [])
        if "condition" not in binding
    )


def _policies_of(settings: Settings, params: dict[str, str]) -> list[str]:
    keys = [policies.project_key(settings.project)]
    if "secret" in params:
        keys.append(policies.secret_key(params["secret"]))
    if "bucket" in params:
        keys.append(policies.bucket_key(params["bucket"]))
    return keys


def _holds(store: Store, settings: Settings, principal: str, binding: dict[str, list[str]]) -> bool:
    return any(_is_member(store, settings, principal, member) for member in binding["members"])


def _is_member(store: Store, settings: Settings, principal: str, member: str) -> bool:
    if member == "allUsers":
        return True
    if principal == ANONYMOUS:
        return False
    kind, _, rest = member.partition(":")
    if role := BASIC_ROLES.get(kind):
        project = policies.read(store, policies.project_key(settings.project))
        return rest == settings.project and any(
            binding["role"] == role and f"serviceAccount:{principal}" in binding["members"]
            for binding in project.get("bindings", [])
        )
    return member in ("allAuthenticatedUsers", f"serviceAccount:{principal}")
