"""Identity and Access Management API, v1: https://cloud.google.com/iam/docs/reference/rest."""

from sandbox.access import accounts, propagation
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, error_info, modern
from sandbox.core.routing import Api, Call, Denial


def _denied(denial: Denial) -> ApiError:
    """As recorded in crossplane-contrib/provider-upjet-gcp#411."""
    message = f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    return modern(403, message, details=[error_info("IAM_PERMISSION_DENIED", SERVICE, permission=denial.permission)])


SERVICE = "iam.googleapis.com"
PERMISSIONS = "https://cloud.google.com/iam/docs/permissions-reference"
API = Api(SERVICE, "Identity and Access Management (IAM) API", _denied, PERMISSIONS)
ACCOUNT_PATH = "/v1/projects/{project}/serviceAccounts/{email}"


def find_account(call: Call) -> Json:
    """The account that the path names by e-mail or unique id, or 404.

    403 where a new one is to be seen so, and for `projects/-`, as the reference of serviceAccounts.get warns.
    """
    name = call.params["email"]
    account = accounts.find_account(call.world.store, name)
    if account:
        return account
    status = propagation.NOT_FOUND
    if not propagation.is_seen(call.world.store, name):
        status = propagation.current(call.world.store)["unseen_account"]
    if call.params["project"] == "-" or status != propagation.NOT_FOUND:
        permission = call.route.permission or "iam.serviceAccounts.get"
        raise API.denied(Denial(call.principal, permission, call.params, call.request.path))
    # As recorded in pulumi/pulumi-google-native#836.
    raise modern(404, f"Unknown service account: {name}")
