"""Cloud Storage JSON API, v1: https://cloud.google.com/storage/docs/json_api/v1."""

import re

from sandbox.core.dispatch import holds
from sandbox.core.documents import Json
from sandbox.core.elsewhere import is_elsewhere
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Api, Call, Denial

BUCKETS = "buckets"
# https://cloud.google.com/storage/docs/buckets#naming
NAME = re.compile(r"(?!goog|\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")
LONGEST_PART = 63
OF_THE_PROJECT = ("storage.buckets.create", "storage.buckets.list", "serviceusage.services.use")


def _denied(denial: Denial) -> ApiError:
    who = f"{denial.principal} does" if denial.principal else "Anonymous caller does"
    kind = "object" if denial.permission.startswith("storage.objects.") else "bucket"
    kind = "project" if denial.permission in OF_THE_PROJECT else kind
    place = "the Google Cloud project" if kind == "project" else f"the Google Cloud Storage {kind}"
    # As recorded in fsspec/gcsfs#546 (anonymous) and substratusai/runbooks#31.
    message = (
        f"{who} not have {denial.permission} access to {place}. "
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
    _check_user_project(call)
    _refuse_keys(call)
    name = name or call.params["bucket"]
    bucket = call.world.store.get(BUCKETS, name)
    if bucket is None and is_elsewhere(call.world.store, "buckets", name):
        raise _denied(Denial(call.principal, call.route.permission or "", {"bucket": name}, call.request.path))
    if bucket is None and not is_name(name):
        raise invalid_name(name)
    if bucket is None:
        # As in the recorded replies of https://github.com/GoogleCloudPlatform/k8s-config-connector (storagebucketzero).
        raise classic(404, "The specified bucket does not exist.", "notFound")
    return bucket


def is_name(name: str) -> bool:
    """Whether a bucket may be called so."""
    parts = name.split(".")
    return bool(NAME.fullmatch(name)) and "google" not in name and all(0 < len(part) <= LONGEST_PART for part in parts)


def invalid_name(name: str) -> ApiError:
    """As recorded in https://github.com/GoogleCloudPlatform/gcs-fuse-csi-driver (docs/troubleshooting.md)."""
    return classic(400, f"Invalid bucket name: '{name}'", "invalid")


def not_emulated(what: str) -> ApiError:
    """What Google has and the sandbox has not. Wording ours."""
    return classic(400, f"The sandbox does not emulate {what}.", "notImplemented")


def is_uniform(bucket: Json) -> bool:
    """Whether IAM alone decides about the bucket's objects."""
    return bool(bucket["iamConfiguration"]["uniformBucketLevelAccess"]["enabled"])


def shows_acl(call: Call, bucket: Json, default: str) -> bool:
    """Whether the answer bears access control lists: projection=full, fine-grained access, and the right to see."""
    if call.query.get("projection", default) != "full" or is_uniform(bucket):
        return False
    kind = "objects" if "object" in call.params else "buckets"
    return holds(call, f"storage.{kind}.getIamPolicy", bucket=bucket["name"])


def check_project(call: Call, project: str) -> None:
    """Refuse a project that is not this one."""
    if project not in (call.project, call.world.settings.project_number):
        # As in https://github.com/terraform-google-modules/terraform-example-foundation (docs/TROUBLESHOOTING.md).
        raise classic(400, f"Unknown project id: {project}", "invalid")


def _check_user_project(call: Call) -> None:
    """?userProject= bills the request to a project: it must exist, and the caller must be allowed to use it."""
    billed = call.query.get("userProject") or call.request.headers.get("X-Goog-User-Project")
    if not billed:
        return
    if billed not in (call.project, call.world.settings.project_number):
        # As Google's own tests expect it of the service: https://github.com/googleapis/java-storage (ITStorageTest).
        raise classic(400, "User project specified in the request is invalid.", "invalid")
    if not holds(call, "serviceusage.services.use"):
        raise _denied(Denial(call.principal, "serviceusage.services.use", call.params, call.request.path))


def _refuse_keys(call: Call) -> None:
    if any("kmskeyname" in name.lower() and value for name, value in call.query.items()):
        raise not_emulated("Cloud KMS keys")
    if any("encryption-" in name.lower() and name.lower().startswith("x-goog-") for name in call.request.headers):
        raise not_emulated("customer-supplied encryption keys")
