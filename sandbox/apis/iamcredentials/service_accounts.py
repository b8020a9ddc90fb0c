"""projects.serviceAccounts: generateAccessToken (impersonation), and the look-up that google-auth does unasked."""

import datetime as dt
import re
from itertools import pairwise

from sandbox.access.accounts import find_account
from sandbox.access.enforcement import Question, is_allowed
from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.apis.iamcredentials import API
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Denial, Route

PERMISSION, DELEGATE = "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.implicitDelegation"
PATH = "/v1/projects/{project}/serviceAccounts/{email}"


async def generate_access_token(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken."""
    body = await call.body({"scope": [str], "delegates": [str], "lifetime": str})
    account = find_account(call.world.store, call.params["email"])
    _check_chain(call, [str(delegate).rpartition("/")[2] for delegate in body.get("delegates") or []])
    if account is None:
        # As recorded in hashicorp/terraform-provider-google#9249.
        raise modern(404, f"Not found; Gaia id not found for email {call.params['email']}")
    if account.get("disabled"):
        # Wording ours, here and twice below; the rules are the reference's.
        raise modern(400, f"The service account {account['email']} is disabled.", "FAILED_PRECONDITION")
    if not body.get("scope"):
        raise modern(400, "Request contains an invalid argument: scope is required.")
    given = re.fullmatch(r"(\d+)(?:\.\d+)?s", body.get("lifetime") or f"{LIFETIME_SECONDS}s")
    if not given or not 0 < int(given[1]) <= LIFETIME_SECONDS + 1:
        # Wording ours.
        raise modern(400, "Request contains an invalid argument: lifetime must be between 1s and 3600s.")
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(given[1]))
    token = call.world.tokens.mint(account["email"], int(given[1]))
    return {"accessToken": token, "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


def _check_chain(call: Call, delegates: list[str]) -> None:
    """The caller acts as the first delegate, each as the next one, and the last (or the caller) asks for the token."""
    chain = [call.principal, *delegates]
    for principal, email in pairwise(chain):
        _require(call, principal, DELEGATE, email)
    _require(call, chain[-1], PERMISSION, call.params["email"])


def _require(call: Call, principal: str, permission: str, email: str) -> None:
    world, names = call.world, {"email": email}
    if not is_allowed(world.store, world.settings, Question(principal, permission, API.service, names)):
        raise API.denied(Denial(principal, permission, names, call.request.path))


async def allowed_locations(call: Call) -> Json:
    """google-auth asks this in the background with every new credentials object; 404 means no boundary."""
    # Wording ours: nobody prints it.
    raise modern(404, f"No regional access boundary is set for {call.params['email']}.")


ROUTES = [
    Route(
        "POST",
        f"{PATH}:generateAccessToken",
        generate_access_token,
        API,
        PERMISSION,
        mutating=False,
        late=True,
    ),
    Route("GET", f"{PATH}/allowedLocations", allowed_locations),
]
