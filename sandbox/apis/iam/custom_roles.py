"""projects.roles: create, get, patch. A custom role has exactly the permissions that somebody put into it."""

import base64
import re
import secrets

from sandbox.access.roles import CUSTOM_ROLES
from sandbox.apis.iam import API
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

ROLE_ID = re.compile(r"[A-Za-z0-9_.]{3,64}")
CHANGEABLE = ("title", "description", "includedPermissions", "stage")


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/create."""
    body = await call.body()
    role_id = str(body.get("roleId", ""))
    if not ROLE_ID.fullmatch(role_id):
        raise modern(400, f"The role ID {role_id!r} must be 3 to 64 letters, digits, periods and underscores.")
    name = f"projects/{call.project}/roles/{role_id}"
    if call.world.store.has(CUSTOM_ROLES, name):
        raise modern(409, f"A role named {role_id} in projects/{call.project} already exists.")
    return _keep(call, {"name": name, "stage": "GA"}, body.get("role") or {})


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/get."""
    return _find(call)


async def patch(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.roles/patch (updateMask: all that is sent)."""
    role, body = _find(call), await call.body()
    mask = call.query.get("updateMask")
    return _keep(call, role, {field: body[field] for field in (mask.split(",") if mask else body) if field in body})


def _find(call: Call) -> Json:
    name = f"projects/{call.project}/roles/{call.params['role']}"
    role = call.world.store.get(CUSTOM_ROLES, name)
    if role is None:
        raise modern(404, f"The role named {name} was not found.")
    return role


def _keep(call: Call, role: Json, given: Json) -> Json:
    changed = role | {field: given[field] for field in CHANGEABLE if field in given}
    changed["etag"] = base64.b64encode(secrets.token_bytes(8)).decode()
    call.world.store.put(CUSTOM_ROLES, changed["name"], changed)
    return changed


COLLECTION = "/v1/projects/{project}/roles"
ROUTES = [
    Route("POST", COLLECTION, create, API, "iam.roles.create"),
    Route("GET", f"{COLLECTION}/{{role}}", get, API, "iam.roles.get"),
    Route("PATCH", f"{COLLECTION}/{{role}}", patch, API, "iam.roles.update"),
]
