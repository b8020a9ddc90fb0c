"""IAM Service Account Credentials API, v1: https://cloud.google.com/iam/docs/reference/credentials/rest."""

from sandbox.core.errors import ApiError, permission_denied
from sandbox.core.routing import Api, Denial


def _denied(denial: Denial) -> ApiError:
    message = f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    return permission_denied(message, denial.permission, f"projects/-/serviceAccounts/{denial.params.get('email')}")


PERMISSIONS = "https://cloud.google.com/iam/docs/service-account-permissions"
API = Api("iamcredentials.googleapis.com", "IAM Service Account Credentials API", _denied, PERMISSIONS)
