"""managedFolders: list, which gcloud asks for when it removes a bucket with all that is in it. There are none."""

from sandbox.apis.storage import API, BUCKET_PATH, find_bucket, is_uniform
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route


async def list_(call: Call) -> Json:
    """https://cloud.google.com/storage/docs/json_api/v1/managedFolders/list."""
    if not is_uniform(find_bucket(call)):
        # Wording ours; gcloud 528 takes 412 for "no managed folders here" (wildcard_iterator.py).
        text = "Managed folders need uniform bucket-level access."
        raise classic(412, text, "conditionNotMet")
    return {"kind": "storage#managedFolders"}


ROUTES = [Route("GET", f"{BUCKET_PATH}/managedFolders", list_, API, "storage.managedFolders.list")]
