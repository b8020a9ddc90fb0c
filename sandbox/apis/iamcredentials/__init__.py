"""IAM Service Account Credentials API, v1: https://cloud.google.com/iam/docs/reference/credentials/rest."""

from sandbox.core.errors import ApiError, error_info, modern
from sandbox.core.routing import Api, Denial


def _denied(denial: Denial) -> ApiError:
    """As recorded in DataDog/stratus-red-team#299."""
    message = f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    info = error_info("IAM_PERMISSION_DENIED", "iam.googleapis.com", permission=denial.permission)
    return modern(403, message, details=[info])


PERMISSIONS = "https://cloud.google.com/iam/docs/service-account-permissions"
API = Api("iamcredentials.googleapis.com", "IAM Service Account Credentials API", _denied, PERMISSIONS)
