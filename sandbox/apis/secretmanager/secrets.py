"""projects.secrets: create, get, list, patch, delete, getIamPolicy, setIamPolicy, testIamPermissions."""

import datetime as dt
import re

from sandbox.access import policies
from sandbox.apis.secretmanager import (
    API,
    RESOURCE_PATH,
    SECRETS,
    VERSIONS,
    check_etag,
    duration,
    find_secret,
    forget_secret,
    living_secret,
    new_etag,
    parse_time,
    secret_name,
    time_of,
)
from sandbox.apis.secretmanager.lists import fits, page
from sandbox.core.dispatch import holds
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern
from sandbox.core.routing import Call, Route

SECRET_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
ALIAS = re.compile(r"(?!latest$|NEW$)[A-Za-z][A-Za-z0-9_-]{0,62}")
LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}=[a-z0-9_-]{0,63}")
REPLICA = {"location": str}
SECRET = {
    "replication": {"automatic": {}, "userManaged": {"replicas": [REPLICA]}},
    "labels": {"*": str},
    "annotations": {"*": str},
    "versionAliases": {"*": int},
    "versionDestroyTtl": str,
    "ttl": str,
    "expireTime": str,
    "etag": str,
}
CHANGEABLE = ("labels", "annotations", "versionAliases", "versionDestroyTtl", "ttl", "expireTime")
NOT_EMULATED = ("rotation", "topics", "customerManagedEncryption", "tags", "secretType")


async def create(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create."""
    secret_id, body = call.query.get("secretId", ""), await call.body(SECRET)
    if not SECRET_ID.fullmatch(secret_id):
        # As the tests of https://github.com/googleapis/google-cloud-rust keep it from production.
        raise modern(400, f"The provided Secret ID [{secret_id}] does not match the expected format [[a-zA-Z_0-9]+]")
    _check_replication(body.get("replication") or {})
    if living_secret(call.world.store, secret_id):
        # Wording ours, after Google's 404: no recording was found.
        raise modern(409, f"Secret [{secret_name(call, secret_id)}] already exists.")
    given = {name: body[name] for name in ("replication", *_named(call, secret_id, body))}
    secret = {"name": secret_name(call, secret_id), "createTime": time_of(), "etag": new_etag(), **_stored(given)}
    call.world.store.put(SECRETS, secret_id, secret)
    return secret


async def get(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/get."""
    return find_secret(call)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/list (newest first)."""
    store, query = call.world.store, call.query.get("filter", "")
    living = [secret for name in store.keys(SECRETS)[::-1] if (secret := living_secret(store, name))]
    return page(call, "secrets", [secret for secret in living if fits(secret, query)])


async def patch(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/patch (updateMask required)."""
    body = await call.body(SECRET)
    secret = find_secret(call)
    fields = [field for field in call.query.get("updateMask", "").split(",") if field]
    fields = [re.sub(r"_(\w)", lambda found: found[1].upper(), field) for field in fields]
    if not fields or set(fields) - set(CHANGEABLE):
        # Wording ours; what can be changed says the reference.
        message = (
            f"Invalid update mask [{call.query.get('updateMask', '')}]: the sandbox changes {', '.join(CHANGEABLE)}."
        )
        raise modern(400, message)
    check_etag(body.get("etag"), secret["etag"])
    given = {name: body[name] for name in _named(call, call.params["secret"], body) if name in fields}
    cleared = {*fields, "expireTime"} if {"ttl", "expireTime"} & set(fields) else set(fields)
    kept = {name: value for name, value in secret.items() if name not in cleared}
    changed = kept | _stored(given) | {"etag": new_etag()}
    call.world.store.put(SECRETS, call.params["secret"], changed)
    return changed


async def delete(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/delete: with all its versions."""
    check_etag(call.query.get("etag"), find_secret(call)["etag"])
    forget_secret(call.world.store, call.params["secret"])
    return {}


async def get_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/getIamPolicy."""
    find_secret(call)
    key = policies.secret_key(call.params["secret"])
    return policies.answer(call.world.store, key, call.query.get("options.requestedPolicyVersion"))


async def set_iam_policy(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/setIamPolicy."""
    find_secret(call)
    key, body = policies.secret_key(call.params["secret"]), await call.body(policies.SET_REQUEST)
    wanted, fields = body.get("policy") or {}, policies.fields_of(body.get("updateMask"))
    try:
        return policies.write(call.world.store, call.world.settings, key, wanted, fields)
    except policies.StalePolicyError as error:
        raise policies.concurrent_change() from error


async def test_iam_permissions(call: Call) -> Json:
    """https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/testIamPermissions."""
    held = [name for name in (await call.body(policies.TEST_REQUEST)).get("permissions", []) if holds(call, name)]
    return {"permissions": held} if held else {}


def _check_replication(replication: Json) -> None:
    """The rules are the reference's."""
    if len(set(replication) & {"automatic", "userManaged"}) != 1:
        raise _refused("Secret.replication must be provided: either automatic or userManaged.")
    replicas = replication.get("userManaged", {}).get("replicas", [])
    if "userManaged" in replication and not all(replica.get("location") for replica in replicas or [{}]):
        raise _refused("Secret.replication.userManaged needs replicas, each with a location.")
    if any("customerManagedEncryption" in part for part in (replication.get("automatic", {}), *replicas)):
        raise _refused("The sandbox has no KMS: customerManagedEncryption cannot be set.")


def _named(call: Call, secret_id: str, body: Json) -> list[str]:
    """The changeable fields that the body sets, checked."""
    if strange := [name for name in NOT_EMULATED if body.get(name)]:
        raise _refused(f"The sandbox does not emulate {', '.join(strange)} of secrets.")
    if body.get("ttl") and body.get("expireTime"):
        raise _refused("Only one of ttl and expireTime can be set.")
    if body.get("expireTime"):
        _check_future(body["expireTime"])
    if body.get("versionDestroyTtl"):
        duration("secret.version_destroy_ttl", body["versionDestroyTtl"])
    if strange := [key for key, value in (body.get("labels") or {}).items() if not LABEL.fullmatch(f"{key}={value}")]:
        raise _refused(f"These labels are not ones that Google takes: {', '.join(strange)}.")
    for alias, number in (body.get("versionAliases") or {}).items():
        if not ALIAS.fullmatch(alias):
            raise _refused(f"The alias {alias!r} must begin with a letter and be none of latest and NEW.")
        if not call.world.store.has(VERSIONS, f"{secret_id}/{number}"):
            raise _refused(f"The alias {alias} points to version {number}, which does not exist.")
    return [name for name in CHANGEABLE if body.get(name)]


def _check_future(text: str) -> None:
    try:
        is_future = parse_time(text) > dt.datetime.now(dt.UTC)
    except ValueError as error:
        raise _refused(f"Invalid value at 'secret.expire_time' (a time as of RFC 3339), {text!r}") from error
    if not is_future:
        raise _refused(f"The expire time {text} is not in the future.")


def _refused(message: str) -> ApiError:
    """A 400 in words of ours: no recordings were found."""
    return modern(400, message)


def _stored(fields: Json) -> Json:
    """`ttl` is taken, `expireTime` is answered; int64 are strings."""
    stored = {name: value for name, value in fields.items() if name != "ttl"}
    if "ttl" in fields:
        stored["expireTime"] = time_of(dt.datetime.now(dt.UTC) + duration("secret.ttl", fields["ttl"]))
    if "versionAliases" in fields:
        stored["versionAliases"] = {alias: str(number) for alias, number in fields["versionAliases"].items()}
    return stored


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
