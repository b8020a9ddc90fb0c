"""Service Usage API, v1: https://cloud.google.com/service-usage/docs/reference/rest."""

from sandbox.core.errors import ApiError, error_info, modern
from sandbox.core.routing import Api, Denial


def _denied(denial: Denial) -> ApiError:
    verb = denial.permission.rpartition(".")[2] or "use"
    service = denial.params.get("service", "")
    message = f"Permission denied to {verb} service [{service}]" if service else "Permission denied to list services"
    info = error_info("AUTH_PERMISSION_DENIED", "googleapis.com", permission=denial.permission)
    return modern(403, message, details=[info])


PERMISSIONS = "https://cloud.google.com/service-usage/docs/access-control"
API = Api("serviceusage.googleapis.com", "Service Usage API", _denied, PERMISSIONS)
