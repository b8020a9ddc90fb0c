"""The CAs that sign an instance's server certificate: one here, never rotated."""

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.resources import find_instance
from sandbox.cloudsql.certificates import ssl_cert
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route


async def list_server_cas(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/listServerCas."""
    certificate = ssl_cert(call.world.engine.server_ca.certificate, find_instance(call)["name"])
    return {
        "kind": "sql#instancesListServerCas",
        "certs": [certificate],
        "activeVersion": certificate["sha1Fingerprint"],
    }


ROUTES: list[Route] = routes(
    "GET", "instances/{instance}/listServerCas", list_server_cas, "cloudsql.instances.listServerCas"
)
