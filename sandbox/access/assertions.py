"""JWTs signed with a key of an account: what /token trades for an access token, and what clients send instead of one.

https://developers.google.com/identity/protocols/oauth2/service-account describes both (the other as "Addendum: Service
account authorization without OAuth").
"""

import base64
import binascii
import json
import re
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from sandbox.access.accounts import ACCOUNTS, KEYS
from sandbox.core.documents import Json
from sandbox.core.store import Store

CLOCK_SKEW_SECONDS = 300
LONGEST_SECONDS = 3600
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
GOOGLE_API = re.compile(r"https://[\w.-]+\.googleapis\.com(/.*)?")


class RefusedAssertionError(Exception):
    """Why an assertion is not believed: OAuth's description and code."""

    def __init__(self, description: str, error: str = "invalid_grant") -> None:
        super().__init__(description)
        self.error = error


class UnknownAccountError(RefusedAssertionError):
    """The issuer is no account here."""

    def __init__(self, email: str) -> None:
        # As recorded in google/oculi#5.
        super().__init__("Invalid grant: account not found")
        self.email = email


def verify(store: Store, assertion: str) -> Json:
    """The claims of a JWT that a living account has signed with a living key."""
    header, claims, signed, signature = _parse(assertion)
    email = str(claims.get("iss"))
    account = store.get(ACCOUNTS, email)
    if account is None:
        raise UnknownAccountError(email)
    if account.get("disabled"):
        # Wording ours, after the one above.
        raise RefusedAssertionError("Invalid grant: account disabled")
    keys = _living_keys(store, email, header.get("kid"))
    if header.get("alg") != "RS256" or not any(_is_signed(key, signed, signature) for key in keys):
        # As recorded in googleapis/google-cloud-python#10004.
        raise RefusedAssertionError("Invalid JWT Signature.")
    return claims


def check_times(claims: Json) -> None:
    """It is of about now, and short-lived."""
    now, issued, expires = time.time(), claims.get("iat"), claims.get("exp")
    times_fit = (
        isinstance(issued, int | float)
        and isinstance(expires, int | float)
        and issued <= now + CLOCK_SKEW_SECONDS
        and expires >= now - CLOCK_SKEW_SECONDS
        and expires - issued <= LONGEST_SECONDS
    )
    if not times_fit:
        # Its beginning as recorded in erebusnz/gapi-google-analytics-php-interface#147, the rest is newer.
        raise RefusedAssertionError(
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
            "Check your iat and exp values in the JWT claim."
        )


def speaks_for(store: Store, token: str) -> Json | None:
    """The claims of a JWT sent as an access token: for an API of Google's as its audience, or with a scope."""
    if not JWT.fullmatch(token):
        return None
    try:
        claims = verify(store, token)
        check_times(claims)
    except RefusedAssertionError:
        return None
    addressed = GOOGLE_API.fullmatch(str(claims.get("aud", ""))) or claims.get("scope")
    return claims if addressed and claims.get("sub") == claims["iss"] else None


def _parse(assertion: str) -> tuple[Json, Json, bytes, bytes]:
    try:
        header, claims, signature = assertion.split(".")
        documents = json.loads(_decode(header)), json.loads(_decode(claims))
        return *documents, f"{header}.{claims}".encode(), _decode(signature)
    except (ValueError, binascii.Error) as error:
        # Wording ours.
        raise RefusedAssertionError("Bad Request: the assertion is not a JWT", "invalid_request") from error


def _living_keys(store: Store, email: str, kid: str | None) -> list[Json]:
    """The key that the header names; all of the account's where it names none, as Node's google-auth-library does."""
    found = {name.rpartition("/")[2]: key for name, key in store.items(KEYS, f"{email}/") if not key.get("disabled")}
    return list(found.values()) if kid is None else [key for name, key in found.items() if name == kid]


def _is_signed(key: Json, signed: bytes, signature: bytes) -> bool:
    public_key = serialization.load_pem_public_key(key["publicKeyPem"].encode())
    if not isinstance(public_key, rsa.RSAPublicKey):
        return False
    try:
        public_key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
