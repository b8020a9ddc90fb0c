"""buckets: getIamPolicy, setIamPolicy, testIamPermissions.

The policy's etag is the bucket's metageneration, so any change of the bucket makes a policy read before it stale, and
a change of the policy is one of the bucket. A stale etag is 412 here, not 409. As measured:
https://github.com/kmoneil/zig-gcp (src/storage/iam.zig).
"""

import binascii

from sandbox.access import policies
from sandbox.access.enforcement import PUBLIC
from sandbox.apis.storage import API, BUCKET_PATH, find_bucket, is_uniform
from sandbox.apis.storage.buckets import touch
from sandbox.apis.storage.etags import failed
from sandbox.core.dispatch import holds
from sandbox.core.documents import Json, decode_bytes
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Route

VERSIONS = ("1", "2", "3")
# As measured, see above: https://github.com/kmoneil/zig-gcp.
NEEDS_UNIFORM = "To set IAM conditions in this bucket, enable uniform bucket-level access."
NOT_PUBLIC = (
    "The member bindings allUsers and allAuthenticatedUsers are not allowed since public access prevention is enforced."
)


async def get(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/getIamPolicy."""
    bucket, version = find_bucket(call), call.query.get("optionsRequestedPolicyVersion") or "1"
    if version not in VERSIONS:
        # Wording ours.
        raise classic(400, f"Invalid value for optionsRequestedPolicyVersion: {version}", "invalid")
    key, answer = policies.bucket_key(bucket["name"]), dict(bucket)
    policy = policies.answer(call.world.store, key, int(version))
    if policies.read(call.world.store, key)["etag"] != policy["etag"]:
        # Another writer came after this answer.
        touch(call, bucket)
    return _resource(answer, policy)


async def put(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/setIamPolicy."""
    bucket, wanted = find_bucket(call), await call.body()
    bindings, key = wanted.get("bindings") or [], policies.bucket_key(bucket["name"])
    if wanted.get("etag") and not _same(wanted["etag"], bucket["etag"]):
        raise failed()
    if any(binding.get("condition") for binding in bindings) and not is_uniform(bucket):
        raise classic(412, NEEDS_UNIFORM, "conditionNotMet")
    members = {member for binding in bindings for member in binding.get("members", [])}
    if members & set(PUBLIC) and bucket["iamConfiguration"]["publicAccessPrevention"] == "enforced":
        raise classic(412, NOT_PUBLIC, "conditionNotMet")
    own_etag = {"etag": policies.read(call.world.store, key)["etag"]} if wanted.get("etag") else {}
    new = {"version": wanted.get("version", 1), "bindings": bindings, **own_etag}
    try:
        policy = policies.write(call.world.store, call.world.settings, key, new)
    except ApiError as error:
        raise classic(400, str(error), "invalid") from error
    return _resource(touch(call, bucket), policy)


async def test(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions."""
    find_bucket(call)
    held = [name for name in call.request.query.getall("permissions", []) if holds(call, name)]
    answer: Json = {"kind": "storage#testIamPermissionsResponse"}
    return answer | ({"permissions": held} if held else {})


def _same(given: str, etag: str) -> bool:
    try:
        # A bytes field: gcloud re-encodes it, so only the decoded bytes may be compared.
        return decode_bytes(given) == decode_bytes(etag)
    except (binascii.Error, ValueError):
        return False


def _resource(bucket: Json, policy: Json) -> Json:
    answer = {"kind": "storage#policy", "resourceId": f"projects/_/buckets/{bucket['name']}"}
    return answer | policy | {"etag": bucket["etag"]}


ROUTES = [
    Route("GET", f"{BUCKET_PATH}/iam", get, API, "storage.buckets.getIamPolicy"),
    Route("PUT", f"{BUCKET_PATH}/iam", put, API, "storage.buckets.setIamPolicy"),
    Route("GET", f"{BUCKET_PATH}/iam/testPermissions", test, API),
]
