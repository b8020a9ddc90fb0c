"""projects.serviceAccounts: getIamPolicy, setIamPolicy, testIamPermissions: who may manage or act as an account."""

from sandbox.access import policies
from sandbox.apis.iam import ACCOUNT_PATH, API, find_account
from sandbox.core.dispatch import holds
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route


async def get_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/getIamPolicy: a POST."""
    key = policies.account_key(find_account(call)["email"])
    return policies.answer(call.world.store, key, call.query.get("options.requestedPolicyVersion"))


async def set_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/setIamPolicy."""
    key, body = policies.account_key(find_account(call)["email"]), await call.body(policies.SET_REQUEST)
    wanted, fields = body.get("policy") or {}, policies.fields_of(body.get("updateMask"))
    try:
        return policies.write(call.world.store, call.world.settings, key, wanted, fields)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/testIamPermissions."""
    find_account(call)
    held = [name for name in (await call.body(policies.TEST_REQUEST)).get("permissions", []) if holds(call, name)]
    return {"permissions": held} if held else {}


PERMISSION = "iam.serviceAccounts"
ROUTES = [
    Route("POST", f"{ACCOUNT_PATH}:getIamPolicy", get_iam_policy, API, f"{PERMISSION}.getIamPolicy", mutating=False),
    Route("POST", f"{ACCOUNT_PATH}:setIamPolicy", set_iam_policy, API, f"{PERMISSION}.setIamPolicy"),
    Route("POST", f"{ACCOUNT_PATH}:testIamPermissions", test_iam_permissions, API, mutating=False),
]
