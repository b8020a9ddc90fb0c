"""projects.serviceAccounts: generateAccessToken (impersonation), and the look-up that google-auth does unasked."""

import datetime as dt
import re

from sandbox.access.accounts import ACCOUNTS
from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.apis.iamcredentials import API
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route

PATH = "/v1/projects/{project}/serviceAccounts/{email}"


async def generate_access_token(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken."""
    body, email = await call.body(), call.params["email"]
    if not call.world.store.has(ACCOUNTS, email):
        raise modern(404, f"Not found; Gaia id not found for email {email}")
    if not body.get("scope"):
        raise modern(400, "Request contains an invalid argument: scope is required.")
    given = re.fullmatch(r"(\d+)(?:\.\d+)?s", body.get("lifetime") or f"{LIFETIME_SECONDS}s")
    if not given or not 0 < int(given[1]) <= LIFETIME_SECONDS + 1:
        raise modern(400, "Request contains an invalid argument: lifetime must be between 1s and 3600s.")
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(given[1]))
    token = call.world.tokens.mint(email, int(given[1]))
    return {"accessToken": token, "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


async def allowed_locations(call: Call) -> Json:
    """google-auth asks this in the background with every new credentials object; 404 means no boundary."""
    raise modern(404, f"No regional access boundary is set for {call.params['email']}.")


ROUTES = [
    Route(
        "POST",
        f"{PATH}:generateAccessToken",
        generate_access_token,
        API,
        "iam.serviceAccounts.getAccessToken",
        mutating=False,
    ),
    Route("GET", f"{PATH}/allowedLocations", allowed_locations),
]
