"""connect: what the Auth Proxy and the connectors ask before they open a TLS session on port 3307."""

import datetime as dt
import time

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.resources import addresses, find_instance, invalid
from sandbox.cloudsql.certificates import Authority, load_public_key, ssl_cert
from sandbox.cloudsql.listener import dns_name
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route

LIFETIME = dt.timedelta(hours=1)
PERMISSION = "cloudsql.instances.connect"


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect/get.

    mdxProtocolSupport is not advertised (older clients do not expect the exchange), though the listener answers it.
    """
    record = find_instance(call)
    name = f"{dns_name(record)}."
    return {
        "kind": "sql#connectSettings",
        "backendType": "SECOND_GEN",
        "databaseVersion": record["databaseVersion"],
        "region": record["region"],
        "ipAddresses": addresses(call.world.settings, record),
        "serverCaCert": ssl_cert(call.world.engine.server_ca.certificate, record["name"]),
        "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        "dnsName": name,
        "dnsNames": [{"name": name, "connectionType": "PUBLIC", "dnsScope": "INSTANCE"}],
    }


async def generate_ephemeral_cert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect/generateEphemeralCert.

    A token in the body asks for IAM database login; the certificate then lives no longer than the token.
    """
    record, body = find_instance(call), await call.body()
    text = body.get("public_key") or body.get("publicKey") or ""
    try:
        public_key = load_public_key(str(text))
    except (ValueError, TypeError) as error:
        raise invalid(f"The public key is invalid: {error}.") from error
    lifetime, email = LIFETIME, ""
    if text := body.get("access_token") or body.get("accessToken"):
        token = call.world.tokens.verify(str(text))
        if token is None:
            raise invalid("The access token is invalid or has expired.")
        email = token.email
        lifetime = min(lifetime, dt.timedelta(seconds=token.expires - time.time()))
    certificate = Authority.load(record["client_ca"]).issue_client(public_key, lifetime, email)
    return {"ephemeralCert": ssl_cert(certificate, record["name"])}


ROUTES: list[Route] = [
    *routes("GET", "instances/{instance}/connectSettings", get, PERMISSION),
    *routes("POST", "instances/{instance}:generateEphemeralCert", generate_ephemeral_cert, PERMISSION, mutating=False),
]
