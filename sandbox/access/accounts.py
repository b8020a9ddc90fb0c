"""Service accounts and their keys: the only principals the sandbox knows."""

import datetime as dt
import json
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.access import propagation
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store

ACCOUNTS = "service_accounts"
KEYS = "service_account_keys"
ETAG = "MDEwMjE5MjA="
"""Of every service account: Google's recorded accounts all have this one, whatever changes."""


def create_account(store: Store, settings: Settings, email: str, display_name: str = "", description: str = "") -> Json:
    """A new account. A recreated one has another uniqueId, so bindings of the old one stay dead."""
    unique_id = str(10**20 + secrets.randbelow(10**20))
    account: Json = {
        "name": f"projects/{settings.project}/serviceAccounts/{email}",
        "projectId": settings.project,
        "uniqueId": unique_id,
        "email": email,
        "etag": ETAG,
        "oauth2ClientId": unique_id,
    }
    account |= {"displayName": display_name} if display_name else {}
    account |= {"description": description} if description else {}
    store.put(ACCOUNTS, email, account)
    propagation.hide(store, email)
    return account


def find_account(store: Store, name: str) -> Json | None:
    """The account of that e-mail or unique id, once it is seen."""
    account = store.get(ACCOUNTS, name) or next(
        (account for _, account in store.items(ACCOUNTS) if account["uniqueId"] == name), None
    )
    return account if account and propagation.is_seen(store, account["email"]) else None


def create_key(store: Store, settings: Settings, email: str) -> tuple[Json, Json]:
    """A new key pair: (what is kept and listed, the credentials file that is handed out once)."""
    private_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_id = secrets.token_hex(20)
    certificate = _certificate(private_key, (store.get(ACCOUNTS, email) or {}).get("uniqueId", ""))
    public_pem = private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    private_pem = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    kept: Json = {
        "name": f"projects/{settings.project}/serviceAccounts/{email}/keys/{key_id}",
        "validAfterTime": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "validBeforeTime": "9999-12-31T23:59:59Z",
        "keyAlgorithm": "KEY_ALG_RSA_2048",
        "keyOrigin": "GOOGLE_PROVIDED",
        "keyType": "USER_MANAGED",
        "publicKeyPem": public_pem.decode(),
        "certificatePem": certificate,
    }
    store.put(KEYS, f"{email}/{key_id}", kept)
    account = store.get(ACCOUNTS, email) or {}
    return kept, {
        "type": "service_account",
        "project_id": settings.project,
        "private_key_id": key_id,
        "private_key": private_pem.decode(),
        "client_email": email,
        "client_id": account.get("uniqueId", ""),
        "auth_uri": f"{settings.url}/o/oauth2/auth",
        "token_uri": f"{settings.url}/token",
        "auth_provider_x509_cert_url": f"{settings.url}/oauth2/v1/certs",
        "client_x509_cert_url": f"{settings.url}/robot/v1/metadata/x509/{email}",
        "universe_domain": "googleapis.com",
    }


def _certificate(key: rsa.RSAPrivateKey, unique_id: str) -> str:
    """What keys.get hands out as TYPE_X509_PEM_FILE: self-signed, in the name of the account's unique id."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, unique_id)])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(dt.datetime.now(dt.UTC))
        .not_valid_after(dt.datetime(9999, 12, 31, 23, 59, 59, tzinfo=dt.UTC))
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def write_operator_key(store: Store, settings: Settings) -> None:
    """The operator's account, roles aside, and its key file (made once; it survives a reset)."""
    path = settings.state / "operator.json"
    if store.has(ACCOUNTS, settings.operator) and path.exists():
        return
    create_account(store, settings, settings.operator, "Operator of the sandbox")
    _, credentials = create_key(store, settings, settings.operator)
    store.commit()
    unfinished = path.with_suffix(".tmp")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(credentials, indent=2) + "\n")
    unfinished.replace(path)
