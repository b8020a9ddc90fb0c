"""projects.serviceAccounts.keys: create, list, delete. The private half is handed out once."""

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


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/delete."""
    name = f"{find_account(call)['email']}/{call.params['key']}"
    if not call.world.store.has(KEYS, name):
        raise modern(404, f"Service account key {call.params['key']} does not exist.")
    call.world.store.delete(KEYS, name)
    return {}


def _public(key: Json) -> Json:
    return {name: value for name, value in key.items() if name != "publicKeyPem"}


ROUTES = [
    Route("POST", f"{ACCOUNT_PATH}/keys", create, API, "iam.serviceAccountKeys.create"),
    Route("GET", f"{ACCOUNT_PATH}/keys", list_, API, "iam.serviceAccountKeys.list"),
    Route("DELETE", f"{ACCOUNT_PATH}/keys/{{key}}", delete, API, "iam.serviceAccountKeys.delete"),
]
