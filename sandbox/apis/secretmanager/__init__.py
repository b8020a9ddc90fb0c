"""Secret Manager API, v1: https://cloud.google.com/secret-manager/docs/reference/rest.

Names and messages carry the project's number, whichever form was asked for.
"""

from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern, permission_denied
from sandbox.core.routing import Api, Call, Denial

SECRETS = "secrets"
VERSIONS = "secret_versions"


def _denied(denial: Denial) -> ApiError:
    resource = denial.path.removeprefix("/v1/").partition(":")[0]
    message = f"Permission '{denial.permission}' denied for resource '{resource}' (or it may not exist)."
    return permission_denied(message, denial.permission, resource)


PERMISSIONS = "https://cloud.google.com/secret-manager/docs/access-control"
API = Api("secretmanager.googleapis.com", "Secret Manager API", _denied, PERMISSIONS)
RESOURCE_PATH = "/v1/projects/{project}/secrets/{secret}"


def secret_name(call: Call, secret: str) -> str:
    """The resource name."""
    return f"projects/{call.world.settings.project_number}/secrets/{secret}"


def find_secret(call: Call) -> Json:
    """The secret in the path, or 404."""
    secret = call.world.store.get(SECRETS, call.params["secret"])
    if secret is None:
        raise modern(404, f"Secret [{secret_name(call, call.params['secret'])}] not found.")
    return secret
