"""connect: what the Auth Proxy and the connectors ask before they open a TLS session on port 3307."""

import datetime as dt
import re
import time

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from sandbox.apis.sqladmin import API, PREFIXES, routes
from sandbox.apis.sqladmin.resources import addresses, find_instance, invalid
from sandbox.cloudsql.certificates import Authority, load_public_key, ssl_cert
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.listener import CERTIFICATE_LIFETIME, is_stopped
from sandbox.cloudsql.tls import ca_mode, dns_name
from sandbox.core.dispatch import require
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic, modern
from sandbox.core.routing import Call, Route

PERMISSION = "cloudsql.instances.connect"
CONNECTION_TYPES = {"PRIMARY": "PUBLIC", "PRIVATE": "PRIVATE_SERVICES_ACCESS"}
# The request's schema in the discovery document; clients have sent the two snake_case names as camelCase too.
REQUEST_FIELDS = {"public_key", "publicKey", "access_token", "accessToken", "readTime", "validDuration"}


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect/get.

    readTime asks for a snapshot of that moment; answers here are always of now. mdxProtocolSupport is not advertised
    (older clients do not expect the exchange), though the listener answers it.
    """
    if text := call.query.get("readTime"):
        _check_moment(text)
    return _settings(call, find_instance(call))


async def resolve(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect/resolve: connectSettings by DNS name.

    The Python and Node connectors ask it for names like ID.sandbox.REGION.sql.goog.
    """
    location, name = call.params["location"], call.params["dns"].removesuffix(".")
    for _, record in call.world.store.items(INSTANCES):
        if (record["region"], dns_name(record)) == (location, name):
            require(call, PERMISSION, instance=record["name"])
            return _settings(call, record)
    require(call, PERMISSION)
    raise _missing()


async def generate_ephemeral_cert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/connect/generateEphemeralCert.

    A token in the body asks for IAM database login; the certificate then lives no longer than the token.
    """
    record, body = find_instance(call), await call.body()
    if unknown := sorted(set(body) - REQUEST_FIELDS):
        # As recorded in decolua/9router#1876: every Google API words it so.
        raise call.invalid(f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.')
    if record["state"] != "RUNNABLE" or is_stopped(record):
        # As recorded in GoogleCloudPlatform/cloud-sql-proxy#1855, for this method.
        message = "The instance or operation is not in an appropriate state to handle the request."
        raise classic(409, message, "invalidState")
    if text := body.get("readTime"):
        _check_moment(str(text))
    public_key = _public_key(body)
    lifetime = min(call.world.listener.certificate_lifetime, _valid_duration(body))
    email = ""
    if text := body.get("access_token") or body.get("accessToken"):
        token = call.world.tokens.verify(str(text))
        if token is None:
            # Wording ours: Google's text is not known.
            raise invalid("The access token is invalid or has expired.")
        email = token.email
        lifetime = min(lifetime, dt.timedelta(seconds=token.expires - time.time()))
    certificate = Authority.load(record["client_ca"]).issue_client(public_key, lifetime, email)
    return {"ephemeralCert": ssl_cert(certificate, record["name"])}


def _settings(call: Call, record: Json) -> Json:
    """The ConnectSettings resource. Instances are as the newest ones of Cloud SQL, which have a DNS name."""
    name = f"{dns_name(record)}."
    reached = addresses(call.world.settings, record) if "installed_version" in record else []
    kinds = [CONNECTION_TYPES[one["type"]] for one in reached if one["type"] in CONNECTION_TYPES]
    return {
        "kind": "sql#connectSettings",
        "backendType": "SECOND_GEN",
        "connectionName": f"{call.project}:{record['region']}:{record['name']}",
        "databaseVersion": record["databaseVersion"],
        "region": record["region"],
        **({"ipAddresses": reached} if reached else {}),
        "serverCaCert": ssl_cert(call.world.engine.server_ca.certificate, record["name"]),
        "serverCaMode": ca_mode(record),
        "dnsName": name,
        "dnsNames": [{"name": name, "connectionType": kind, "dnsScope": "INSTANCE"} for kind in kinds],
        "pscEnabled": False,
    }


def _missing() -> ApiError:
    # Wording ours: what Google says of a DNS name that leads nowhere is not known; this is what it says of an instance.
    return classic(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")


def _public_key(body: Json) -> CertificatePublicKeyTypes:
    text = body.get("public_key") or body.get("publicKey") or ""
    try:
        return load_public_key(str(text))
    except (ValueError, TypeError) as error:
        # Wording ours: Google's text is not known.
        raise invalid(f"The public key is invalid: {error}.") from error


def _valid_duration(body: Json) -> dt.timedelta:
    """The life that the client asks for, at most the default."""
    text = body.get("validDuration")
    if text is None:
        return CERTIFICATE_LIFETIME
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", str(text))
    if not found:
        # As recorded in GoogleCloudPlatform/cloud-foundation-fabric#1770 of another field.
        raise modern(
            400,
            "Invalid value at 'valid_duration' (type.googleapis.com/google.protobuf.Duration), Field 'validDuration', "
            "Illegal duration format; duration must end with 's'",
        )
    return dt.timedelta(seconds=float(found.group(1)))


def _check_moment(text: str) -> None:
    try:
        moment = dt.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        # As recorded in cloud-custodian/cloud-custodian#7629 of another field.
        raise modern(
            400,
            "Invalid value at 'read_time' (type.googleapis.com/google.protobuf.Timestamp), Field 'readTime', "
            "Illegal timestamp format; timestamps must end with 'Z' or have a valid timezone offset",
        )


ROUTES: list[Route] = [
    *routes("GET", "instances/{instance}/connectSettings", get, PERMISSION),
    *routes("POST", "instances/{instance}:generateEphemeralCert", generate_ephemeral_cert, PERMISSION, mutating=False),
    *[
        Route(
            "GET",
            f"{prefix}locations/{{location}}/dns/{{dns}}:resolveConnectSettings",
            resolve,
            API,
            PERMISSION,
            late=True,
        )
        for prefix in PREFIXES
    ],
]
