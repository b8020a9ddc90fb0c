"""Cloud Storage JSON API, v1: https://cloud.google.com/storage/docs/json_api/v1."""

from sandbox.core.documents import Json
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Api, Call, Denial

BUCKETS = "buckets"
OBJECTS = "objects"


def _denied(denial: Denial) -> ApiError:
    who = f"{denial.principal} does" if denial.principal else "Anonymous caller does"
    kind = "object" if denial.permission.startswith("storage.objects.") else "bucket"
    message = (
        f"{who} not have {denial.permission} access to the Google Cloud Storage {kind}. "
        f"Permission '{denial.permission}' denied on resource (or it may not exist)."
    )
    if not denial.principal:
        return classic(401, message, "required", location="Authorization")
    return classic(403, message, "forbidden")


PERMISSIONS = "https://cloud.google.com/storage/docs/access-control/iam-json"
API = Api("storage.googleapis.com", "Cloud Storage API", _denied, PERMISSIONS, classic_errors=True, anonymous=True)
BUCKET_PATH = "/storage/v1/b/{bucket}"


def find_bucket(call: Call, name: str | None = None) -> Json:
    """The bucket in the path (or another one), or 404; 403 for one of another owner."""
    name = name or call.params["bucket"]
    bucket = call.world.store.get(BUCKETS, name)
    if bucket is None and is_elsewhere(call.world.store, "buckets", name):
        raise _denied(Denial(call.principal, call.route.permission or "", {"bucket": name}, call.request.path))
    if bucket is None:
        raise classic(404, "The specified bucket does not exist.", "notFound")
    return bucket


def check_preconditions(query: dict[str, str], resource: Json | None) -> None:
    """ifGenerationMatch and its kin; a generation of 0 stands for "does not exist"."""
    for field, name in (("generation", "Generation"), ("metageneration", "Metageneration")):
        current = str(resource[field]) if resource else "0"
        wanted, unwanted = query.get(f"if{name}Match"), query.get(f"if{name}NotMatch")
        if (wanted is not None and wanted != current) or (unwanted is not None and unwanted == current):
            message = "At least one of the pre-conditions you specified did not hold."
            raise classic(412, message, "conditionNotMet", location="If-Match")
