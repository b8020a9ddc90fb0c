"""projects: get, list, search, getAncestry, getIamPolicy, setIamPolicy, testIamPermissions; v1 and v3.

There is one project, and no folder or organization above it.
"""

import re

from sandbox.access import policies
from sandbox.apis.cloudresourcemanager import API
from sandbox.core.dispatch import holds, require
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

CREATED = "2026-01-01T00:00:00.000Z"
MODIFIED_GRANTS = "iam.googleapis.com/modifiedGrantsByRole"
PERMISSION = "resourcemanager.projects"


async def get_v1(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/get."""
    return _project_v1(call)


async def get_v3(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get."""
    return _project_v3(call)


async def list_v1(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/list: those that the caller may get."""
    return _found(call, _project_v1(call), call.query.get("filter", ""))


async def search_v3(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/search: those that the caller may get."""
    return _found(call, _project_v3(call), call.query.get("query", ""))


async def get_ancestry(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/getAncestry: the project alone."""
    return {"ancestor": [{"resourceId": {"type": "project", "id": call.project}}]}


async def get_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/getIamPolicy."""
    options = (await call.body(policies.GET_REQUEST)).get("options") or {}
    key = policies.project_key(call.project)
    return policies.answer(call.world.store, key, options.get("requestedPolicyVersion"))


async def set_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/setIamPolicy."""
    body = await call.body(policies.SET_REQUEST)
    fields = policies.fields_of(body.get("updateMask"))
    key, wanted = policies.project_key(call.project), body.get("policy") or {}
    changed = policies.changed_roles(policies.read(call.world.store, key), wanted) if "bindings" in fields else []
    require(call, f"{PERMISSION}.setIamPolicy", api={MODIFIED_GRANTS: changed})
    _refuse_public(wanted)
    try:
        return policies.write(call.world.store, call.world.settings, key, wanted, fields)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


def _refuse_public(policy: Json) -> None:
    """ "Project does not support allUsers and allAuthenticatedUsers as members": the reference of setIamPolicy."""
    members = {member for binding in policy.get("bindings", []) for member in binding.get("members", [])}
    if members & {"allUsers", "allAuthenticatedUsers"}:
        # As recorded in hashicorp/terraform-provider-google#859.
        raise modern(400, "Request contains an invalid argument.")


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions."""
    held = [name for name in (await call.body(policies.TEST_REQUEST)).get("permissions", []) if holds(call, name)]
    return {"permissions": held} if held else {}


def _project_v1(call: Call) -> Json:
    common = {"projectId": call.project, "name": call.project, "createTime": CREATED}
    return {"projectNumber": call.world.settings.project_number, "lifecycleState": "ACTIVE", **common}


def _project_v3(call: Call) -> Json:
    number = call.world.settings.project_number
    common = {"projectId": call.project, "displayName": call.project, "createTime": CREATED, "updateTime": CREATED}
    return {"name": f"projects/{number}", "state": "ACTIVE", **common, "etag": 'W/"5f2d3c1b7a9e4d60"'}


def _found(call: Call, project: Json, query: str) -> Json:
    fits = _fits(call, query) and holds(call, f"{PERMISSION}.get")
    return {"projects": [project]} if fits else {}


def _fits(call: Call, query: str) -> bool:
    """Whether all terms of a filter fit; `FIELD:VALUE`, perhaps with a trailing *, case aside."""
    own = {
        "id": (call.project,),
        "projectid": (call.project,),
        "name": (call.project,),
        "displayname": (call.project,),
        "projectnumber": (call.world.settings.project_number,),
        "lifecyclestate": ("active",),
        "state": ("active",),
    }
    terms = re.split(r"\s+(?:AND\s+)?", query.replace("(", "").replace(")", "").strip())
    for term in filter(None, terms):
        field, separator, value = term.partition(":" if ":" in term else "=")
        if not separator or field.lower() not in own:
            # Wording ours: Google's own language can do more.
            raise modern(400, f"The sandbox filters projects by FIELD:VALUE with {', '.join(own)}, not by {term!r}.")
        pattern = re.escape(value.strip("\"'").lower()).replace(r"\*", ".*")
        if not any(re.fullmatch(pattern, known) for known in own[field.lower()]):
            return False
    return True


def _policy_routes(version: str) -> list[Route]:
    path = f"/{version}/projects/{{project}}"
    return [
        Route("POST", f"{path}:getIamPolicy", get_iam_policy, API, f"{PERMISSION}.getIamPolicy", mutating=False),
        Route("POST", f"{path}:setIamPolicy", set_iam_policy, API, f"{PERMISSION}.setIamPolicy", late=True),
        Route("POST", f"{path}:testIamPermissions", test_iam_permissions, API, mutating=False),
    ]


ROUTES = [
    Route("GET", "/v1/projects/{project}", get_v1, API, f"{PERMISSION}.get"),
    Route("GET", "/v3/projects/{project}", get_v3, API, f"{PERMISSION}.get"),
    Route("GET", "/v1/projects", list_v1, API),
    Route("GET", "/v3/projects:search", search_v3, API),
    Route("POST", "/v1/projects/{project}:getAncestry", get_ancestry, API, f"{PERMISSION}.get", mutating=False),
    *_policy_routes("v1"),
    *_policy_routes("v3"),
]
