"""projects.secrets: create, get, list, patch, delete, getIamPolicy, setIamPolicy, testIamPermissions."""

import datetime as dt
import re
import secrets as randomness

from sandbox.access import policies
from sandbox.apis.secretmanager import API, RESOURCE_PATH, SECRETS, VERSIONS, find_secret, secret_name
from sandbox.core.dispatch import holds
from sandbox.core.documents import Json, timestamp
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
CHANGEABLE = ("labels", "annotations", "versionAliases", "versionDestroyTtl", "rotation", "topics", "ttl", "expireTime")
LIST_SIZE = 25000


async def create(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create."""
    secret_id, body = call.query.get("secretId", ""), await call.body()
    if not SECRET_ID.fullmatch(secret_id):
        raise modern(400, f"The provided Secret ID [{secret_id}] does not match the expected format [[a-zA-Z_0-9]+]")
    if len(set(body.get("replication") or {}) & {"automatic", "userManaged"}) != 1:
        raise modern(400, "Secret.replication must be provided: either automatic or userManaged.")
    if call.world.store.has(SECRETS, secret_id):
        raise modern(409, f"Secret [{secret_name(call, secret_id)}] already exists.")
    given = {name: body[name] for name in ("replication", *CHANGEABLE) if name in body}
    secret = {"name": secret_name(call, secret_id), "createTime": timestamp(), "etag": _etag(), **_expiring(given)}
    call.world.store.put(SECRETS, secret_id, secret)
    return secret


async def get(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/get."""
    return find_secret(call)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/list (filter: name:TEXT)."""
    found = [secret for _, secret in call.world.store.items(SECRETS)]
    if term := call.query.get("filter"):
        field, _, text = term.partition(":")
        if field != "name":
            raise modern(400, f"The sandbox filters secrets by name:TEXT only, not by {term!r}.")
        found = [secret for secret in found if text in secret["name"].rpartition("/")[2]]
    size, start = call.page_size("pageSize", LIST_SIZE), int(call.query.get("pageToken") or 0)
    answer: Json = {"totalSize": len(found)}
    answer |= {"secrets": found[start : start + size]} if found else {}
    answer |= {"nextPageToken": str(start + size)} if start + size < len(found) else {}
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/patch (updateMask required)."""
    secret, body = find_secret(call), await call.body()
    fields = [field for field in call.query.get("updateMask", "").split(",") if field]
    fields = [re.sub(r"_(\w)", lambda found: found[1].upper(), field) for field in fields]
    if not fields or set(fields) - set(CHANGEABLE):
        raise modern(
            400, f"Invalid update mask [{call.query.get('updateMask', '')}]: replication and name are immutable."
        )
    kept = {name: value for name, value in secret.items() if name not in fields}
    given = {name: body[name] for name in fields if body.get(name)}
    changed = kept | _expiring(given) | {"etag": _etag()}
    call.world.store.put(SECRETS, call.params["secret"], changed)
    return changed


async def delete(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/delete: with all its versions."""
    find_secret(call)
    secret, store = call.params["secret"], call.world.store
    store.delete(SECRETS, secret)
    store.delete(policies.POLICIES, policies.secret_key(secret))
    for key in store.keys(VERSIONS, f"{secret}/"):
        store.delete(VERSIONS, key)
    return {}


async def get_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/getIamPolicy."""
    find_secret(call)
    policy = policies.read(call.world.store, policies.secret_key(call.params["secret"]))
    return policies.view(policy, int(call.query.get("options.requestedPolicyVersion") or 1))


async def set_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/setIamPolicy."""
    find_secret(call)
    wanted = (await call.body()).get("policy") or {}
    key = policies.secret_key(call.params["secret"])
    try:
        return policies.write(call.world.store, call.world.settings, key, wanted)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/testIamPermissions."""
    held = [name for name in (await call.body()).get("permissions", []) if holds(call, name)]
    return {"permissions": held} if held else {}


def _expiring(fields: Json) -> Json:
    """`ttl` is taken, `expireTime` is answered."""
    if "ttl" not in fields:
        return fields
    seconds = float(str(fields["ttl"]).removesuffix("s"))
    moment = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    return {name: value for name, value in fields.items() if name != "ttl"} | {"expireTime": timestamp(moment)}


def _etag() -> str:
    return f'"{randomness.token_hex(7)}"'


COLLECTION = "/v1/projects/{project}/secrets"
ROUTES = [
    Route("POST", COLLECTION, create, API, "secretmanager.secrets.create"),
    Route("GET", COLLECTION, list_, API, "secretmanager.secrets.list"),
    Route("GET", RESOURCE_PATH, get, API, "secretmanager.secrets.get"),
    Route("PATCH", RESOURCE_PATH, patch, API, "secretmanager.secrets.update"),
    Route("DELETE", RESOURCE_PATH, delete, API, "secretmanager.secrets.delete"),
    Route("GET", f"{RESOURCE_PATH}:getIamPolicy", get_iam_policy, API, "secretmanager.secrets.getIamPolicy"),
    Route("POST", f"{RESOURCE_PATH}:setIamPolicy", set_iam_policy, API, "secretmanager.secrets.setIamPolicy"),
    Route("POST", f"{RESOURCE_PATH}:testIamPermissions", test_iam_permissions, API, mutating=False),
]
