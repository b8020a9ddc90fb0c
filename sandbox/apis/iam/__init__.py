"""Identity and Access Management API, v1: https://cloud.google.com/iam/docs/reference/rest."""

from sandbox.access import accounts
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern, permission_denied
from sandbox.core.routing import Api, Call, Denial


def _denied(denial: Denial) -> ApiError:
    project, email = denial.params.get("project", "-"), denial.params.get("email")
    resource = f"projects/{project}" + (f"/serviceAccounts/{email}" if email else "")
    message = f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    return permission_denied(message, denial.permission, resource)


PERMISSIONS = "https://cloud.google.com/iam/docs/permissions-reference"
API = Api("iam.googleapis.com", "Identity and Access Management (IAM) API", _denied, PERMISSIONS)
ACCOUNT_PATH = "/v1/projects/{project}/serviceAccounts/{email}"


def find_account(call: Call) -> Json:
    """The account that the path names by e-mail or unique id, or 404."""
    account = accounts.find_account(call.world.store, call.params["email"])
    if account is None:
        raise modern(404, f"Unknown service account: {call.params['email']}")
    return account
