"""A service account's key as Google hands it out, made once."""

from __future__ import annotations

import functools
import json
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

EMAIL = "operator@p.iam.gserviceaccount.com"
KEY_ID = "0123456789abcdef0123456789abcdef01234567"


@functools.cache
def key_text() -> str:
    """The file's content."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "client_email": EMAIL,
            "token_uri": "http://127.0.0.1:1/token",
            "private_key": pem.decode(),
            "private_key_id": KEY_ID,
        }
    )


def service_account_key() -> dict[str, Any]:
    """The same, parsed."""
    parsed: dict[str, Any] = json.loads(key_text())
    return parsed
