"""POST /token: the JWT bearer grant of https://developers.google.com/identity/protocols/oauth2/service-account.

The assertion is verified against the account's live keys; refusals are worded as Google words them.
"""

import base64
import binascii
import json
import time

from aiohttp import web
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.access.accounts import ACCOUNTS, KEYS
from sandbox.access.tokens import LIFETIME_SECONDS
from sandbox.core.documents import Json
from sandbox.core.routing import Answer, Call, Route

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
# google-auth signs for this audience whatever the key file's token_uri says.
GOOGLE_AUDIENCES = frozenset({"https://oauth2.googleapis.com/token", "https://www.googleapis.com/oauth2/v4/token"})
CLOCK_SKEW_SECONDS = 300
LONGEST_ASSERTION_SECONDS = 3600


class GrantError(Exception):
    """An OAuth error: code and description."""

    def __init__(self, description: str, error: str = "invalid_grant") -> None:
        super().__init__(description)
        self.error = error


async def token(call: Call) -> Answer:
    """Exchange a signed JWT for an access token."""
    form = await call.request.post()
    try:
        if (grant := str(form.get("grant_type"))) != GRANT:
            raise GrantError(f"Invalid grant_type: {grant}", "unsupported_grant_type")
        claims = _verify(call, str(form.get("assertion", "")))
    except GrantError as error:
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
    header, claims, signed, signature = _parse(assertion)
    email = claims.get("iss")
    account = call.world.store.get(ACCOUNTS, str(email))
    if account is None:
        raise GrantError("Invalid grant: account not found")
    if account.get("disabled"):
        raise GrantError("Invalid grant: account disabled")
    key = call.world.store.get(KEYS, f"{email}/{header.get('kid')}")
    if header.get("alg") != "RS256" or key is None or key.get("disabled"):
        raise GrantError("Invalid JWT Signature.")
    public_key = serialization.load_pem_public_key(key["publicKeyPem"].encode())
    if not isinstance(public_key, rsa.RSAPublicKey):
        raise GrantError("Invalid JWT Signature.")
    try:
        public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise GrantError("Invalid JWT Signature.") from error
    _check_claims(call, claims)
    return claims


def _parse(assertion: str) -> tuple[Json, Json, bytes, bytes]:
    try:
        header, claims, signature = assertion.split(".")
        documents = json.loads(_decode(header)), json.loads(_decode(claims))
        return *documents, f"{header}.{claims}".encode(), _decode(signature)
    except (ValueError, binascii.Error) as error:
        raise GrantError("Bad Request: the assertion is not a JWT", "invalid_request") from error


def _check_claims(call: Call, claims: Json) -> None:
    settings = call.world.settings
    own = {f"http://{address}:{settings.port}/token" for address in settings.listen_addresses}
    if claims.get("aud") not in GOOGLE_AUDIENCES | own:
        raise GrantError(f"The audience in ID Token [{claims.get('aud')}] does not match the expected audience.")
    now, issued, expires = time.time(), claims.get("iat"), claims.get("exp")
    times_fit = (
        isinstance(issued, int | float)
        and isinstance(expires, int | float)
        and issued <= now + CLOCK_SKEW_SECONDS
        and expires >= now - CLOCK_SKEW_SECONDS
        and expires - issued <= LONGEST_ASSERTION_SECONDS
    )
    if not times_fit:
        raise GrantError(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        )
    if claims.get("sub", claims["iss"]) != claims["iss"]:
        raise GrantError("Client is unauthorized to retrieve access tokens using this method.", "unauthorized_client")


def _id_token(claims: Json) -> str:
    """An ID token that clients only parse (gcloud does at activate-service-account); nothing here accepts it."""
    now = int(time.time())
    payload = {"iss": "https://accounts.google.com", "aud": claims["target_audience"], "sub": claims["iss"]}
    payload |= {"email": claims["iss"], "email_verified": True, "iat": now, "exp": now + LIFETIME_SECONDS}
    parts = ({"alg": "RS256", "typ": "JWT"}, payload, {"signed": False})
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


ROUTES = [Route("POST", "/token", token, mutating=False)]
