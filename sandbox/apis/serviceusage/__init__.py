"""Service Usage API, v1: https://cloud.google.com/service-usage/docs/reference/rest."""

from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, error_info, modern
from sandbox.core.routing import Api, Denial

SERVICE = "serviceusage.googleapis.com"


def _denied(denial: Denial) -> ApiError:
    """As recorded: for one service in su-kaka/gcli2api#283, else in aquasecurity/cloudsploit#1606.

    The details are of GoogleCloudPlatform/cloud-foundation-fabric#2985.
    """
    verb, project = denial.permission.rpartition(".")[2] or "use", f"projects/{denial.params.get('project')}"
    service = denial.params.get("service")
    what = f"service [{service}]" if service else f"services for consumer container [{project}]"
    failure = precondition_failure(
        f"?error_code=110002&service={SERVICE}&permission={denial.permission}&resource={project}"
    )
    info = error_info(
        "AUTH_PERMISSION_DENIED", SERVICE, permission=denial.permission, resource=project, service=SERVICE
    )
    return modern(403, f"Permission denied to {verb} {what}", details=[failure, info])


def precondition_failure(subject: str) -> Json:
    """Service Usage explains its refusals with one."""
    violations = [{"type": "googleapis.com", "subject": subject}]
    return {"@type": "type.googleapis.com/google.rpc.PreconditionFailure", "violations": violations}


PERMISSIONS = "https://cloud.google.com/service-usage/docs/access-control"
API = Api(SERVICE, "Service Usage API", _denied, PERMISSIONS)
