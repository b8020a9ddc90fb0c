"""Resource Manager API, v1 and v3: https://cloud.google.com/resource-manager/reference/rest."""

from sandbox.core.errors import ApiError, permission_denied
from sandbox.core.routing import Api, Denial


def _denied(denial: Denial) -> ApiError:
    """An unknown project is refused in the same words: it may not exist."""
    project = denial.params.get("project", "")
    resource = f"//cloudresourcemanager.googleapis.com/projects/{project}"
    # As recorded in kubeflow/kubeflow#7140.
    return permission_denied("The caller does not have permission", denial.permission, resource)


PERMISSIONS = "https://cloud.google.com/resource-manager/docs/access-control-proj"
API = Api("cloudresourcemanager.googleapis.com", "Cloud Resource Manager API", _denied, PERMISSIONS)
