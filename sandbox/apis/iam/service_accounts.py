"""projects.serviceAccounts: create, get, list, patch, disable, enable, delete."""

import re

from sandbox.access.accounts import ACCOUNTS, KEYS, create_account
from sandbox.access.policies import POLICIES, account_key, bury_member
from sandbox.apis.iam import ACCOUNT_PATH, API, find_account
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

ACCOUNT_ID = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
LIST_SIZE = 20
CHANGEABLE = ("displayName", "description")


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create."""
    body = await call.body()
    account_id = str(body.get("accountId", ""))
    if not ACCOUNT_ID.fullmatch(account_id):
        raise modern(
            400,
            f"The account ID {account_id!r} does not have a length between 6 and 30 or does not match "
            "[a-z]([-a-z0-9]*[a-z0-9]).",
        )
    email = f"{account_id}@{call.project}.iam.gserviceaccount.com"
    if call.world.store.has(ACCOUNTS, email):
        raise modern(409, f"Service account {account_id} already exists within project projects/{call.project}.")
    given = body.get("serviceAccount") or {}
    names = (str(given.get("displayName", "")), str(given.get("description", "")))
    return create_account(call.world.store, call.world.settings, email, *names)


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/get."""
    return find_account(call)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/list."""
    accounts = [account for _, account in call.world.store.items(ACCOUNTS)]
    size, start = call.page_size("pageSize", LIST_SIZE), int(call.query.get("pageToken") or 0)
    answer: Json = {"accounts": accounts[start : start + size]}
    if start + size < len(accounts):
        answer["nextPageToken"] = str(start + size)
    return answer


async def patch(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/patch: answers what changed."""
    account, body = find_account(call), await call.body()
    given = body.get("serviceAccount") or {}
    fields = [_camel_case(field) for field in str(body.get("updateMask", "")).split(",") if field]
    if not fields or set(fields) - set(CHANGEABLE):
        raise modern(400, f"updateMask must name {' or '.join(CHANGEABLE)}, not {body.get('updateMask', '')!r}.")
    changes = {field: str(given.get(field, "")) for field in fields}
    call.world.store.put(ACCOUNTS, account["email"], account | changes)
    return {"name": account["name"], "email": account["email"], **changes}


async def disable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/disable: its tokens die too."""
    account = find_account(call)
    call.world.store.put(ACCOUNTS, account["email"], account | {"disabled": True})
    return {}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/enable."""
    account = {field: value for field, value in find_account(call).items() if field != "disabled"}
    call.world.store.put(ACCOUNTS, account["email"], account)
    return {}


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/delete: its bindings die with it."""
    account, store = find_account(call), call.world.store
    email = account["email"]
    store.delete(ACCOUNTS, email)
    for key in store.keys(KEYS, f"{email}/"):
        store.delete(KEYS, key)
    store.delete(POLICIES, account_key(email))
    bury_member(store, email, account["uniqueId"])
    return {}


def _camel_case(field: str) -> str:
    head, *tail = field.strip().split("_")
    return head + "".join(word.capitalize() for word in tail)


COLLECTION = "/v1/projects/{project}/serviceAccounts"
ROUTES = [
    Route("POST", COLLECTION, create, API, "iam.serviceAccounts.create"),
    Route("GET", COLLECTION, list_, API, "iam.serviceAccounts.list"),
    Route("GET", ACCOUNT_PATH, get, API, "iam.serviceAccounts.get"),
    Route("PATCH", ACCOUNT_PATH, patch, API, "iam.serviceAccounts.update"),
    Route("POST", f"{ACCOUNT_PATH}:disable", disable, API, "iam.serviceAccounts.disable"),
    Route("POST", f"{ACCOUNT_PATH}:enable", enable, API, "iam.serviceAccounts.enable"),
    Route("DELETE", ACCOUNT_PATH, delete, API, "iam.serviceAccounts.delete"),
]
