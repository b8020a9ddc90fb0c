"""Cloud SQL Admin API (sqladmin.googleapis.com), v1 and v1beta4: https://cloud.google.com/sql/docs/postgres/admin-api/rest."""

from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Api, Denial, Handler, Route


def _denied(denial: Denial) -> ApiError:
    instance = denial.params.get("instance", "").rpartition("~")[2]
    if not instance or denial.permission == "cloudsql.instances.create":
        # As recorded in GoogleCloudPlatform/cloud-sql-proxy#115.
        return classic(403, "The client is not authorized to make this request.", "notAuthorized")
    # As remembered from newer answers; no public recording of the whole text is known.
    message = (
        "boss::NOT_AUTHORIZED: Not authorized to access resource. Possibly missing permission "
        f"{denial.permission} on resource instances/{instance}."
    )
    return classic(403, message, "notAuthorized")


PERMISSIONS = "https://cloud.google.com/sql/docs/postgres/iam-permissions"
API = Api("sqladmin.googleapis.com", "Cloud SQL Admin API", _denied, PERMISSIONS, classic_errors=True)
PREFIXES = ("/v1/", "/sql/v1beta4/")


def routes(
    method: str, path: str, handler: Handler, permission: str, *, mutating: bool | None = None, late: bool = False
) -> list[Route]:
    """The same method under both versions: their schemas are identical."""
    paths = [f"{prefix}projects/{{project}}/{path}" for prefix in PREFIXES]
    return [Route(method, path, handler, API, permission, mutating, late) for path in paths]
