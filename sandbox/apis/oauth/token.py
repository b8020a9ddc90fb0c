"""POST /token: the JWT bearer grant of https://developers.google.com/identity/protocols/oauth2/service-account.

The assertion is verified against the account's live keys. Refusals have the form of RFC 6749, 5.2; where no source is
named beside them the words are ours.
"""

import base64
import json
import time

from aiohttp import web

from sandbox.access import assertions
from sandbox.access.assertions import RefusedAssertionError, UnknownAccountError
from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.core.documents import Json
from sandbox.core.guardrails import ADVICE
from sandbox.core.routing import Answer, Call, Route

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USER_GRANT = "refresh_token"
# google-auth signs for this audience whatever the key file's token_uri says.
GOOGLE_AUDIENCES = frozenset({"https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"})


async def token(call: Call) -> Answer:
    """Exchange a signed JWT for an access token."""
    form = await call.request.post()
    try:
        if (grant := str(form.get("grant_type"))) == USER_GRANT:
            raise RefusedAssertionError(f"A refresh token is a person's credential, and only Google's. {ADVICE}")
        if grant != GRANT:
            raise RefusedAssertionError(f"Invalid grant_type: {grant}", "unsupported_grant_type")
        claims = _verify(call, str(form.get("assertion", "")))
    except RefusedAssertionError as error:
        return web.json_response({"error": error.error, "error_description": str(error)}, status=400)
    call.principal = claims["iss"]
    if "target_audience" in claims:
        return {"id_token": _id_token(claims)}
    if not claims.get("scope"):
        description = "Invalid OAuth scope or ID token audience provided."
        return web.json_response({"error": "invalid_scope", "error_description": description}, status=400)
    access_token = call.world.tokens.mint(claims["iss"])
    return {"access_token": access_token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"}


def _verify(call: Call, assertion: str) -> Json:
    settings = call.world.settings
    try:
        claims = assertions.verify(call.world.store, assertion)
    except UnknownAccountError as error:
        if error.email.endswith(f"@{settings.project}.iam.gserviceaccount.com"):
            raise
        raise RefusedAssertionError(f"{error.email} is no account of project {settings.project}. {ADVICE}") from error
    own = {f"http://{address}:{settings.port}/token" for address in settings.listen_addresses}
    if claims.get("aud") not in GOOGLE_AUDIENCES | own:
        raise RefusedAssertionError(
            f"The audience in ID Token [{claims.get('aud')}] does not match the expected audience."
        )
    assertions.check_times(claims)
    if claims.get("sub", claims["iss"]) != claims["iss"]:
        raise RefusedAssertionError(
            "Client is unauthorized to retrieve access tokens using this method.", "unauthorized_client"
        )
    return claims


def _id_token(claims: Json) -> str:
    """An ID token that clients only parse (gcloud does at activate-service-account); nothing here accepts it."""
    now = int(time.time())
    payload = {"iss": "https://accounts.google.com", "aud": claims["target_audience"], "sub": claims["iss"]}
    payload |= {"email": claims["iss"], "email_verified": True, "iat": now, "exp": now + LIFETIME_SECONDS}
    parts = ({"alg": "RS256", "typ": "JWT"}, payload, {"signed": False})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)


# Where clients ask, each at a host of its own (sandbox/core/google_hosts.py).
PATHS = ("/token", "/oauth2/v4/token", "/o/oauth2/token")
ROUTES = [Route("POST", path, token, mutating=False) for path in PATHS]
