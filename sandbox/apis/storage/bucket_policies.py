"""buckets: getIamPolicy, setIamPolicy, testIamPermissions. A stale etag is 412 here, not 409."""

from sandbox.access import policies
from sandbox.apis.storage import API, BUCKET_PATH, find_bucket
from sandbox.core.dispatch import holds
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Route

PUBLIC = {"allUsers", "allAuthenticatedUsers"}


async def get(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy."""
    bucket = find_bucket(call)["name"]
    policy = policies.read(call.world.store, policies.bucket_key(bucket))
    return _resource(bucket, policies.view(policy, int(call.query.get("optionsRequestedPolicyVersion") or 1)))


async def put(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy."""
    bucket, wanted = find_bucket(call), await call.body()
    members = {member for binding in wanted.get("bindings", []) for member in binding.get("members", [])}
    if members & PUBLIC and bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced":
        message = (
            "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is "
            "enforced."
        )
        raise classic(412, message, "conditionNotMet")
    try:
        policy = policies.write(call.world.store, call.world.settings, policies.bucket_key(bucket["name"]), wanted)
    except policies.StalePolicyError as error:
        message = "At least one of the pre-conditions you specified did not hold."
        raise classic(412, message, "conditionNotMet", location="If-Match") from error
    except ApiError as error:
        raise classic(400, str(error), "invalid") from error
    return _resource(bucket["name"], policy)


async def test(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions."""
    find_bucket(call)
    held = [name for name in call.request.query.getall("permissions", []) if holds(call, name)]
    return {"kind": "storage#testIamPermissionsResponse", "permissions": held}


def _resource(bucket: str, policy: Json) -> Json:
    return {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket}", **policy}


ROUTES = [
    Route("GET", f"{BUCKET_PATH}/iam", get, API, "storage.buckets.getIamPolicy"),
    Route("PUT", f"{BUCKET_PATH}/iam", put, API, "storage.buckets.setIamPolicy"),
    Route("GET", f"{BUCKET_PATH}/iam/testPermissions", test, API),
]
