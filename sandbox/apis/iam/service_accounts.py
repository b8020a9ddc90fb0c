"""projects.serviceAccounts: create, get, list, patch, update, disable, enable, delete, undelete."""

import re

from sandbox.access import deletions, propagation
from sandbox.access.accounts import ACCOUNTS, create_account
from sandbox.apis.iam import ACCOUNT_PATH, API, find_account
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern
from sandbox.core.routing import Call, Route

SHORTEST, LONGEST = 6, 30
ACCOUNT_ID = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])")
LIST_SIZE, LONGEST_LIST = 20, 100
CHANGEABLE = ("displayName", "description")
ACCOUNT = dict.fromkeys(CHANGEABLE, str)


async def create(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create."""
    body = await call.body({"accountId": str, "serviceAccount": ACCOUNT})
    account_id = str(body.get("accountId", ""))
    _check_id(account_id)
    email = f"{account_id}@{call.project}.iam.gserviceaccount.com"
    if call.world.store.has(ACCOUNTS, email):
        raise _exists(call, account_id, email)
    given = body.get("serviceAccount") or {}
    names = (str(given.get("displayName", "")), str(given.get("description", "")))
    return create_account(call.world.store, call.world.settings, email, *names)


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/get."""
    return find_account(call)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/list."""
    store = call.world.store
    found = [account for email, account in store.items(ACCOUNTS) if propagation.is_seen(store, email)]
    return call.page("accounts", found, default=LIST_SIZE, most=LONGEST_LIST)


async def patch(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/patch: answers name and changes."""
    body = await call.body({"serviceAccount": ACCOUNT, "updateMask": str})
    account = find_account(call)
    given = body.get("serviceAccount") or {}
    fields = [_camel_case(field) for field in str(body.get("updateMask", "")).split(",") if field]
    if not fields:
        # As recorded in terraform-google-modules/terraform-google-project-factory#914.
        raise modern(400, "Invalid field mask for ServiceAccount. Field mask paths cannot be empty.")
    if set(fields) - set(CHANGEABLE):
        # Wording ours; that only these can be changed says the reference.
        raise modern(400, f"updateMask must name {' or '.join(CHANGEABLE)}, not {body['updateMask']!r}.")
    changes = {field: str(given.get(field, "")) for field in fields}
    _keep(call, account | changes)
    return {"name": account["name"], **{field: value for field, value in changes.items() if value}}


async def update(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/update: only the display name."""
    body = await call.body(ACCOUNT)
    return _keep(call, find_account(call) | {"displayName": str(body.get("displayName", ""))})


async def disable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/disable: its tokens die too."""
    _keep(call, find_account(call) | {"disabled": True})
    return {}


async def enable(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/enable."""
    _keep(call, find_account(call) | {"disabled": False})
    return {}


async def delete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/delete: its bindings die with it."""
    deletions.delete(call.world.store, find_account(call))
    return {}


async def undelete(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/undelete: by its unique id."""
    store, unique_id = call.world.store, call.params["email"]
    kept = deletions.find(store, unique_id)
    if kept is None:
        # Wording ours: Google's is not known.
        raise modern(404, f"Account {unique_id} was not deleted within the last 30 days.")
    account = kept["account"]
    if store.has(ACCOUNTS, account["email"]):
        # Refused: https://cloud.google.com/iam/docs/service-accounts-delete-undelete. In the words of create.
        raise _exists(call, account["email"].partition("@")[0], account["email"])
    return {"restoredAccount": deletions.undelete(store, kept)}


def _check_id(account_id: str) -> None:
    if not SHORTEST <= len(account_id) <= LONGEST:
        # As recorded in google/litmus#107.
        raise modern(400, f'The account ID "{account_id}" does not have a length between {SHORTEST} and {LONGEST}.')
    if not ACCOUNT_ID.fullmatch(account_id):
        # As recorded in hashicorp/terraform-provider-google#793.
        raise modern(400, "Request contains an invalid argument.")


def _exists(call: Call, account_id: str, email: str) -> ApiError:
    """As recorded in GoogleCloudPlatform/marketing-analytics-jumpstart#200."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ResourceInfo",
        "resourceName": f"projects/{call.project}/serviceAccounts/{email}",
    }
    message = f"Service account {account_id} already exists within project projects/{call.project}."
    return modern(409, message, details=[info])


def _keep(call: Call, account: Json) -> Json:
    """Fields that are empty or false are not there, as everywhere in Google's JSON."""
    kept = {name: value for name, value in account.items() if value}
    call.world.store.put(ACCOUNTS, account["email"], kept)
    return kept


def _camel_case(field: str) -> str:
    head, *tail = field.strip().split("_")
    return head + "".join(word.capitalize() for word in tail)


COLLECTION = "/v1/projects/{project}/serviceAccounts"
ROUTES = [
    Route("POST", COLLECTION, create, API, "iam.serviceAccounts.create"),
    Route("GET", COLLECTION, list_, API, "iam.serviceAccounts.list"),
    Route("GET", ACCOUNT_PATH, get, API, "iam.serviceAccounts.get"),
    Route("PATCH", ACCOUNT_PATH, patch, API, "iam.serviceAccounts.update"),
    Route("PUT", ACCOUNT_PATH, update, API, "iam.serviceAccounts.update"),
    Route("POST", f"{ACCOUNT_PATH}:disable", disable, API, "iam.serviceAccounts.disable"),
    Route("POST", f"{ACCOUNT_PATH}:enable", enable, API, "iam.serviceAccounts.enable"),
    Route("DELETE", ACCOUNT_PATH, delete, API, "iam.serviceAccounts.delete"),
    Route("POST", f"{ACCOUNT_PATH}:undelete", undelete, API, "iam.serviceAccounts.undelete"),
]
