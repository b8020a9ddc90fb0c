"""How state records look as API resources, and the look-ups and errors that every file of this API shares."""

import hashlib
from typing import Any

from sandbox.apis.sqladmin import PREFIXES
from sandbox.cloudsql.certificates import Authority, ssl_cert
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.operations import BusyError
from sandbox.cloudsql.tls import dns_name
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call
from sandbox.core.settings import Settings
from sandbox.postgres.processes import ClusterError


def find_instance(call: Call) -> Json:
    """The record of the instance in the path (old proxies write REGION~NAME), or 404."""
    name = call.params["instance"].rpartition("~")[2]
    record = call.world.store.get(INSTANCES, name)
    if record is None:
        raise no_instance()
    return record


def no_instance() -> ApiError:
    """Message and reason as recorded in GoogleCloudPlatform/k8s-config-connector (sqlinstance golden logs)."""
    return classic(404, "The Cloud SQL instance does not exist.", "instanceDoesNotExist")


def refuse_busy(call: Call, *instances: str) -> None:
    """409 while an operation runs on one of these."""
    try:
        call.world.engine.operations.refuse_if_busy(*instances)
    except BusyError as error:
        raise busy(error) from error


def busy(_: BusyError) -> ApiError:
    """One operation at a time an instance. As recorded in apache/airflow#62671."""
    message = (
        "Operation failed because another operation was already in progress. "
        "Try your request after the current operation is complete."
    )
    return classic(409, message, "operationInProgress")


def invalid(message: str) -> ApiError:
    """400 with Cloud SQL's prefix, as recorded in hashicorp/terraform-provider-google#5506 and many others."""
    return classic(400, f"Invalid request: {message}", "invalid")


def not_running() -> ApiError:
    """What a stopped instance answers. As recorded in terraform-google-modules/terraform-google-sql-db#408."""
    return classic(400, "Invalid request: Invalid request since instance is not running.", "invalid")


def refused(action: str, error: ClusterError) -> ApiError:
    """PostgreSQL said no. As recorded in terraform-google-modules/terraform-google-sql-db#323 for users."""
    return invalid(f"failed to {action}: {error}.")


def in_wrong_state() -> ApiError:
    """As recorded in hashicorp/terraform-provider-google#5179."""
    message = "The instance or operation is not in an appropriate state to handle the request."
    return classic(409, message, "invalidState")


def page(call: Call, name: str, resources: list[Json], parameter: str, sizes: tuple[int, int]) -> Json:
    """One page of a list as `name`, and the token of the next; an empty one is left out. `sizes`: default, largest."""
    token = call.query.get("pageToken") or "0"
    if not token.isdecimal():
        # Wording ours: Google's text is not known.
        raise invalid(f"Invalid page token ({token}).")
    start, size = int(token), min(call.page_size(parameter, sizes[0]), sizes[1])
    following = {"nextPageToken": str(start + size)} if start + size < len(resources) else {}
    shown = resources[start : start + size]
    return ({name: shown} if shown else {}) | following


def project_link(call: Call) -> str:
    """The address of the project in the version that was called."""
    prefix = next(prefix for prefix in PREFIXES if call.request.path.startswith(prefix))
    return f"{call.origin}{prefix}projects/{call.project}"


def begin(call: Call, kind: str, instance: str, payload: Json, **fields: Any) -> Json:
    """Start a long operation on an instance; its resource, or 409 while another one runs."""
    try:
        operation = call.world.engine.operations.begin(kind, instance, call.principal, payload, **fields)
    except BusyError as error:
        raise busy(error) from error
    return operation_resource(call, operation)


def operation_resource(call: Call, operation: Json) -> Json:
    """The sql#operation resource."""
    link = project_link(call)
    return operation | {
        "selfLink": f"{link}/operations/{operation['name']}",
        "targetLink": f"{link}/{operation['targetLink']}",
    }


def instance_resource(call: Call, record: Json) -> Json:
    """The sql#instance resource."""
    settings = call.world.settings
    hidden = {"id", "client_ca", "installed_version", "used_gb"}
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
        "etag": hashlib.sha256(f"{record['id']}/{record['settings']['settingsVersion']}".encode()).hexdigest(),
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
