"""Identity and Access Management API, v1: https://cloud.google.com/iam/docs/reference/rest."""

from sandbox.access.accounts import ACCOUNTS
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern, permission_denied
from sandbox.core.routing import Api, Call, Denial


def _denied(denial: Denial) -> ApiError:
    project, email = denial.params.get("project", "-"), denial.params.get("email")
    resource = f"projects/{project}" + (f"/serviceAccounts/{email}" if email else "")
    message = f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    return permission_denied(message, denial.permission, resource)


API = Api("iam.googleapis.com", "Identity and Access Management (IAM) API", _denied)
ACCOUNT_PATH = "/v1/projects/{project}/serviceAccounts/{email}"


def find_account(call: Call) -> Json:
    """The account that the path names by e-mail or unique id, or 404."""
    wanted = call.params["email"]
    for email, account in call.world.store.items(ACCOUNTS):
        if wanted in (email, account["uniqueId"]):
            return account
    raise modern(404, f"Unknown service account: {wanted}")
