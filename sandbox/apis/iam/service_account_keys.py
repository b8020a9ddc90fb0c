"""projects.serviceAccounts.keys: create, get, list, disable, enable, delete. The private half is handed out once."""

import base64
import json

from sandbox.access.accounts import KEYS, create_key
from sandbox.apis.iam import ACCOUNT_PATH, API, find_account
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

MOST_KEYS = 10
CREDENTIALS_FILE = "TYPE_GOOGLE_CREDENTIALS_FILE"
# What is asked for -> where it is kept.
PUBLIC_HALVES = {"TYPE_X509_PEM_FILE": "certificatePem", "TYPE_RAW_PUBLIC_KEY": "publicKeyPem"}
KEPT_INSIDE = frozenset(PUBLIC_HALVES.values())


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/create."""
    body = await call.body({"privateKeyType": str, "keyAlgorithm": str})
    email = find_account(call)["email"]
    wanted = body.get("privateKeyType", CREDENTIALS_FILE), body.get("keyAlgorithm", "KEY_ALG_RSA_2048")
    if wanted != (CREDENTIALS_FILE, "KEY_ALG_RSA_2048"):
        # Wording ours: Google makes others too.
        raise modern(400, f"The sandbox makes {CREDENTIALS_FILE} keys with KEY_ALG_RSA_2048 only, not {wanted}.")
    if len(call.world.store.keys(KEYS, f"{email}/")) >= MOST_KEYS:
        # As recorded in firebase/firebase-tools#6192.
        raise modern(400, "Precondition check failed.", "FAILED_PRECONDITION")
    kept, credentials = create_key(call.world.store, call.world.settings, email)
    data = base64.b64encode(json.dumps(credentials, indent=2).encode()).decode()
    return _public(kept) | {"privateKeyType": CREDENTIALS_FILE, "privateKeyData": data}


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/list (the user's own alone)."""
    email = find_account(call)["email"]
    types = set(call.request.query.getall("keyTypes", [])) - {"KEY_TYPE_UNSPECIFIED"}
    keys = [_public(key) for _, key in call.world.store.items(KEYS, f"{email}/")]
    found = [key for key in keys if not types or key["keyType"] in types]
    return {"keys": found} if found else {}


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/get."""
    key, half = _find(call)[1], PUBLIC_HALVES.get(call.query.get("publicKeyType", ""))
    data = {"publicKeyData": base64.b64encode(key[half].encode()).decode()} if half else {}
    return _public(key) | data


async def disable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/disable."""
    name, key = _find(call)
    reason = "SERVICE_ACCOUNT_KEY_DISABLE_REASON_USER_INITIATED"
    call.world.store.put(KEYS, name, key | {"disabled": True, "disableReason": reason})
    return {}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/enable."""
    name, key = _find(call)
    enabled = {field: value for field, value in key.items() if field not in ("disabled", "disableReason")}
    call.world.store.put(KEYS, name, enabled)
    return {}


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/delete."""
    call.world.store.delete(KEYS, _find(call)[0])
    return {}


def _find(call: Call) -> tuple[str, Json]:
    name = f"{find_account(call)['email']}/{call.params['key']}"
    key = call.world.store.get(KEYS, name)
    if key is None:
        # As recorded in googleapis/google-cloud-cpp#6637.
        raise modern(404, f"Service account key {call.params['key']} does not exist.")
    return name, key


def _public(key: Json) -> Json:
    return {name: value for name, value in key.items() if name not in KEPT_INSIDE}


ONE = f"{ACCOUNT_PATH}/keys/{{key}}"
ROUTES = [
    Route("POST", f"{ACCOUNT_PATH}/keys", create, API, "iam.serviceAccountKeys.create"),
    Route("GET", f"{ACCOUNT_PATH}/keys", list_, API, "iam.serviceAccountKeys.list"),
    Route("GET", ONE, get, API, "iam.serviceAccountKeys.get"),
    Route("POST", f"{ONE}:disable", disable, API, "iam.serviceAccountKeys.disable"),
    Route("POST", f"{ONE}:enable", enable, API, "iam.serviceAccountKeys.enable"),
    Route("DELETE", ONE, delete, API, "iam.serviceAccountKeys.delete"),
]
