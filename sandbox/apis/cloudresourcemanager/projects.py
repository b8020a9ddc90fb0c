"""projects: get, getIamPolicy, setIamPolicy, testIamPermissions."""

from sandbox.access import policies
from sandbox.apis.cloudresourcemanager import API
from sandbox.core.dispatch import holds, require
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route

CREATED = "2026-01-01T00:00:00.000Z"
# setIamPolicy's default updateMask: audit configuration is left alone.
MODIFIED_GRANTS = "iam.googleapis.com/modifiedGrantsByRole"
PERMISSION = "resourcemanager.projects"
DEFAULT_FIELDS = frozenset({"bindings", "etag"})


async def get_v1(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/get."""
    number = call.world.settings.project_number
    common = {"projectId": call.project, "name": call.project, "createTime": CREATED}
    return {"projectNumber": number, "lifecycleState": "ACTIVE", **common}


async def get_v3(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v3/projects/get."""
    number = call.world.settings.project_number
    common = {"projectId": call.project, "displayName": call.project, "createTime": CREATED}
    return {"name": f"projects/{number}", "state": "ACTIVE", "updateTime": CREATED, **common}


async def get_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/getIamPolicy."""
    options = (await call.body()).get("options") or {}
    policy = policies.read(call.world.store, policies.project_key(call.project))
    return policies.view(policy, options.get("requestedPolicyVersion", 1))


async def set_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/setIamPolicy."""
    body = await call.body()
    mask = body.get("updateMask")
    fields = frozenset(mask.split(",")) if mask else DEFAULT_FIELDS
    key, wanted = policies.project_key(call.project), body.get("policy") or {}
    changed = policies.changed_roles(policies.read(call.world.store, key), wanted)
    require(call, f"{PERMISSION}.setIamPolicy", api={MODIFIED_GRANTS: changed})
    try:
        return policies.write(call.world.store, call.world.settings, key, wanted, fields)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions."""
    held = [name for name in (await call.body()).get("permissions", []) if holds(call, name)]
    return {"permissions": held} if held else {}


def _policy_routes(version: str) -> list[Route]:
    path = f"/{version}/projects/{{project}}"
    return [
        Route("POST", f"{path}:getIamPolicy", get_iam_policy, API, f"{PERMISSION}.getIamPolicy", mutating=False),
        Route("POST", f"{path}:setIamPolicy", set_iam_policy, API, f"{PERMISSION}.setIamPolicy", late=True),
        Route("POST", f"{path}:testIamPermissions", test_iam_permissions, API, mutating=False),
    ]


ROUTES = [
    Route("GET", "/v1/projects/{project}", get_v1, API, "resourcemanager.projects.get"),
    Route("GET", "/v3/projects/{project}", get_v3, API, "resourcemanager.projects.get"),
    *_policy_routes("v1"),
    *_policy_routes("v3"),
]
