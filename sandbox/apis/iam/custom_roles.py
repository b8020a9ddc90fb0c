"""projects.roles: create, get, list, patch, delete, undelete. A custom role has exactly what somebody put into it."""

import base64
import re
import secrets

from sandbox.access import propagation
from sandbox.access.policies import same_etag
from sandbox.access.roles import CUSTOM_ROLES
from sandbox.apis.iam import API
from sandbox.apis.iam.predefined_roles import page
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

ROLE_ID = re.compile(r"[A-Za-z0-9_.]{3,64}")
CHANGEABLE = ("title", "description", "includedPermissions", "stage")
ROLE = {"title": str, "description": str, "includedPermissions": [str], "stage": str, "etag": str}
# The first value of the enum is not printed.
DEFAULT_STAGE = "ALPHA"


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/create."""
    body = await call.body({"roleId": str, "role": ROLE})
    role_id = str(body.get("roleId", ""))
    _check_id(role_id)
    name = f"projects/{call.project}/roles/{role_id}"
    if known := call.world.store.get(CUSTOM_ROLES, name):
        if known.get("deleted"):
            # As recorded in GoogleCloudPlatform/gke-autoneg-controller#71.
            message = f"You can't create a role_id ({role_id}) which has been marked for deletion."
            raise modern(400, message, "FAILED_PRECONDITION")
        # Wording ours: no recording was found.
        raise modern(409, f"A role named {role_id} in projects/{call.project} already exists.")
    propagation.hide(call.world.store, name)
    return _keep(call, {"name": name}, body.get("role") or {})


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/get."""
    return _find(call)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/list."""
    with_deleted = call.query.get("showDeleted", "").lower() == "true"
    roles = [role for _, role in call.world.store.items(CUSTOM_ROLES) if with_deleted or not role.get("deleted")]
    return page(call, roles)


async def patch(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/patch (updateMask: all that is sent)."""
    body = await call.body(ROLE)
    role = _find(call)
    if not same_etag(body.get("etag") or role["etag"], role["etag"]):
        # gcloud 528 expects 409 of a stale etag (surface/iam/roles/update.py); wording ours.
        raise modern(409, f"The role {role['name']} has been changed since it was read.", "ABORTED")
    mask = call.query.get("updateMask")
    fields = mask.split(",") if mask else list(body)
    return _keep(call, role, {field: body.get(field) for field in fields})


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/delete: bindings of it grant nothing."""
    return _keep(call, _find(call) | {"deleted": True}, {})


async def undelete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/undelete."""
    role = _find(call)
    if not role.pop("deleted", False):
        # Wording ours: Google's is not known.
        raise modern(400, f"The role {role['name']} is not deleted.", "FAILED_PRECONDITION")
    return _keep(call, role, {})


def _check_id(role_id: str) -> None:
    if not ROLE_ID.fullmatch(role_id):
        # As recorded in pulumi/pulumi-gcp#70.
        message = (
            'The role name must be in the form "roles/{role}", "organizations/{organization_id}/roles/{role}", or '
            '"projects/{project_id}/roles/{role}".'
        )
        raise modern(400, message)


def _find(call: Call) -> Json:
    _check_id(call.params["role"])
    name = f"projects/{call.project}/roles/{call.params['role']}"
    role = call.world.store.get(CUSTOM_ROLES, name)
    if role is None:
        # Wording ours: no recording was found.
        raise modern(404, f"The role named {name} was not found.")
    return role


def _keep(call: Call, role: Json, given: Json) -> Json:
    changed = role | {field: given[field] for field in CHANGEABLE if field in given}
    changed = {field: value for field, value in changed.items() if value and (field, value) != ("stage", DEFAULT_STAGE)}
    changed["etag"] = base64.b64encode(secrets.token_bytes(8)).decode()
    call.world.store.put(CUSTOM_ROLES, changed["name"], changed)
    return changed


COLLECTION = "/v1/projects/{project}/roles"
ONE = f"{COLLECTION}/{{role}}"
ROUTES = [
    Route("POST", COLLECTION, create, API, "iam.roles.create"),
    Route("GET", COLLECTION, list_, API, "iam.roles.list"),
    Route("GET", ONE, get, API, "iam.roles.get"),
    Route("PATCH", ONE, patch, API, "iam.roles.update"),
    Route("DELETE", ONE, delete, API, "iam.roles.delete"),
    Route("POST", f"{ONE}:undelete", undelete, API, "iam.roles.undelete"),
]
