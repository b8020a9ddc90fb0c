"""projects.serviceAccounts.keys: create, get, list, disable, enable, delete. The private half is handed out once."""

import base64
import json

from sandbox.access.accounts import KEYS, create_key
from sandbox.apis.iam import ACCOUNT_PATH, API, find_account
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

MOST_KEYS = 10


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/create."""
    email = find_account(call)["email"]
    if len(call.world.store.keys(KEYS, f"{email}/")) >= MOST_KEYS:
        raise modern(400, "Maximum number of keys on account reached.", "FAILED_PRECONDITION")
    kept, credentials = create_key(call.world.store, call.world.settings, email)
    data = base64.b64encode(json.dumps(credentials, indent=2).encode()).decode()
    return _public(kept) | {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE", "privateKeyData": data}


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/list."""
    email = find_account(call)["email"]
    return {"keys": [_public(key) for _, key in call.world.store.items(KEYS, f"{email}/")]}


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/get."""
    return _public(_find(call)[1])


async def disable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/disable."""
    name, key = _find(call)
    call.world.store.put(KEYS, name, key | {"disabled": True})
    return {}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/enable."""
    name, key = _find(call)
    call.world.store.put(KEYS, name, {field: value for field, value in key.items() if field != "disabled"})
    return {}


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/delete."""
    call.world.store.delete(KEYS, _find(call)[0])
    return {}


def _find(call: Call) -> tuple[str, Json]:
    name = f"{find_account(call)['email']}/{call.params['key']}"
    key = call.world.store.get(KEYS, name)
    if key is None:
        raise modern(404, f"Service account key {call.params['key']} does not exist.")
    return name, key


def _public(key: Json) -> Json:
    return {name: value for name, value in key.items() if name != "publicKeyPem"}


ONE = f"{ACCOUNT_PATH}/keys/{{key}}"
ROUTES = [
    Route("POST", f"{ACCOUNT_PATH}/keys", create, API, "iam.serviceAccountKeys.create"),
    Route("GET", f"{ACCOUNT_PATH}/keys", list_, API, "iam.serviceAccountKeys.list"),
    Route("GET", ONE, get, API, "iam.serviceAccountKeys.get"),
    Route("POST", f"{ONE}:disable", disable, API, "iam.serviceAccountKeys.disable"),
    Route("POST", f"{ONE}:enable", enable, API, "iam.serviceAccountKeys.enable"),
    Route("DELETE", ONE, delete, API, "iam.serviceAccountKeys.delete"),
]
