"""Access tokens: minted for an account, remembered by their hash, and verified on every call."""

import hashlib
import secrets
import time
from dataclasses import dataclass

from sandbox.access.accounts import ACCOUNTS
from sandbox.access.assertions import speaks_for
from sandbox.core.guardrails import OWN_MARK
from sandbox.core.store import Store

TOKENS = "tokens"
LIFETIME_SECONDS = 3599


@dataclass(frozen=True)
class Token:
    """Who a token speaks for, and until when (Unix time)."""

    email: str
    expires: float


class Tokens:
    """Tokens live in the state, so a restarted sandbox still knows those its clients hold."""

    def __init__(self, store: Store) -> None:
        self._store = store
        for key, token in list(store.items(TOKENS)):
            if token["expires"] < time.time():
                store.delete(TOKENS, key)

    def mint(self, email: str, lifetime: float = LIFETIME_SECONDS) -> str:
        """A new token for the account."""
        token = OWN_MARK + secrets.token_urlsafe(48)
        unique_id = (self._store.get(ACCOUNTS, email) or {}).get("uniqueId")
        document = {"email": email, "uniqueId": unique_id, "expires": time.time() + lifetime}
        self._store.put(TOKENS, _hash(token), document)
        return token

    def verify(self, token: str) -> Token | None:
        """What the token stands for; None when nobody issued it, it has expired, or its account is gone or disabled.

        An account may also sign one itself, with its key.
        """
        if claims := speaks_for(self._store, token):
            return Token(claims["iss"], claims["exp"])
        document = self._store.get(TOKENS, _hash(token))
        if document is None or document["expires"] < time.time():
            return None
        account = self._store.get(ACCOUNTS, document["email"])
        # A new account of a deleted one's name has another unique id.
        if account is None or account.get("disabled") or account["uniqueId"] != document.get("uniqueId"):
            return None
        return Token(document["email"], document["expires"])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
