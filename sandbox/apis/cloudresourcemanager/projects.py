"""projects: get, getIamPolicy, setIamPolicy, testIamPermissions."""

from sandbox.access import policies
from sandbox.access.enforcement import is_allowed
from sandbox.apis.cloudresourcemanager import API
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route

CREATED = "2026-01-01T00:00:00.000Z"
# setIamPolicy's default updateMask: audit configuration is left alone.
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
    key = policies.project_key(call.project)
    try:
        return policies.write(call.world.store, call.world.settings, key, body.get("policy") or {}, fields)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions."""
    world = call.world
    asked = (await call.body()).get("permissions", [])
    held = [name for name in asked if is_allowed(world.store, world.settings, call.principal, name, {})]
    return {"permissions": held} if held else {}


def _policy_routes(version: str) -> list[Route]:
    path = f"/{version}/projects/{{project}}"
    permission = "resourcemanager.projects"
    return [
        Route("POST", f"{path}:getIamPolicy", get_iam_policy, API, f"{permission}.getIamPolicy", mutating=False),
        Route("POST", f"{path}:setIamPolicy", set_iam_policy, API, f"{permission}.setIamPolicy"),
        Route("POST", f"{path}:testIamPermissions", test_iam_permissions, API, mutating=False),
    ]


ROUTES = [
    Route("GET", "/v1/projects/{project}", get_v1, API, "resourcemanager.projects.get"),
    Route("GET", "/v3/projects/{project}", get_v3, API, "resourcemanager.projects.get"),
    *_policy_routes("v1"),
    *_policy_routes("v3"),
]
