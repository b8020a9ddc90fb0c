"""How state records look as API resources, and the look-ups and errors that every file of this API shares."""

from sandbox.apis.sqladmin import PREFIXES
from sandbox.cloudsql.certificates import Authority, ssl_cert
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.listener import dns_name
from sandbox.cloudsql.operations import BusyError
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call
from sandbox.core.settings import Settings
from sandbox.postgres.cluster import ClusterError


def find_instance(call: Call) -> Json:
    """The record of the instance in the path (old proxies write REGION~NAME), or 404."""
    name = call.params["instance"].rpartition("~")[2]
    record = call.world.store.get(INSTANCES, name)
    if record is None:
        raise classic(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")
    return record


def busy(_: BusyError) -> ApiError:
    """One operation at a time an instance."""
    message = (
        "Operation failed because another operation was already in progress. "
        "Try your request after the current operation is complete."
    )
    return classic(409, message, "operationInProgress")


def invalid(message: str) -> ApiError:
    """400 with Cloud SQL's prefix."""
    return classic(400, f"Invalid request: {message}", "invalid")


def not_running() -> ApiError:
    """What a stopped instance answers where the database itself is asked."""
    return classic(400, "Invalid request: Invalid request since instance is not running.", "invalid")


def refused(action: str, error: ClusterError) -> ApiError:
    """PostgreSQL said no."""
    return invalid(f"failed to {action}: {error}.")


def project_link(call: Call) -> str:
    """The address of the project in the version that was called."""
    prefix = next(prefix for prefix in PREFIXES if call.request.path.startswith(prefix))
    return f"{call.origin}{prefix}projects/{call.project}"


def operation_resource(call: Call, operation: Json, child: str = "") -> Json:
    """The sql#operation resource. `child` extends targetLink for databases."""
    link = project_link(call)
    return operation | {
        "selfLink": f"{link}/operations/{operation['name']}",
        "targetLink": f"{link}/instances/{operation['targetId']}{child}",
    }


def instance_resource(call: Call, record: Json) -> Json:
    """The sql#instance resource."""
    settings = call.world.settings
    hidden = {"id", "client_ca", "installed_version"}
    public = {name: value for name, value in record.items() if name not in hidden}
    installed = record.get("installed_version")
    return public | {
        "kind": "sql#instance",
        "project": call.project,
        "connectionName": f"{call.project}:{record['region']}:{record['name']}",
        "selfLink": f"{project_link(call)}/instances/{record['name']}",
        "ipAddresses": addresses(settings, record) if installed else [],
        "serverCaCert": ssl_cert(call.world.engine.server_ca.certificate, record["name"]),
        "dnsName": f"{dns_name(record)}.",
        **({"databaseInstalledVersion": installed} if installed else {}),
    }


def addresses(settings: Settings, record: Json) -> list[Json]:
    """ipAddresses: public ones list PRIMARY and OUTGOING, private ones PRIVATE. All lead to the sandbox."""
    configuration = record["settings"]["ipConfiguration"]
    kinds = ["PRIMARY", "OUTGOING"] if configuration.get("ipv4Enabled") else []
    kinds += ["PRIVATE"] if configuration.get("privateNetwork") else []
    return [{"type": kind, "ipAddress": settings.address} for kind in kinds]


def server_ca(call: Call) -> Authority:
    """The CA that signs server certificates."""
    return call.world.engine.server_ca
