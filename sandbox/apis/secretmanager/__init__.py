"""Secret Manager API, v1: https://cloud.google.com/secret-manager/docs/reference/rest.

Names and messages carry the project's number, whichever form was asked for. There is no KMS and no Pub/Sub.
"""

import datetime as dt
import re
import secrets as randomness
from typing import Any

from sandbox.access.policies import POLICIES, secret_key
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, modern, permission_denied
from sandbox.core.routing import Api, Call, Denial
from sandbox.core.store import Store

SECRETS = "secrets"
VERSIONS = "secret_versions"
DURATION = re.compile(r"\d{1,9}(\.\d{1,9})?s")


def _denied(denial: Denial) -> ApiError:
    resource = denial.path.removeprefix("/v1/").partition(":")[0]
    # As recorded in googleapis/python-secret-manager#389.
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
    secret = living_secret(call.world.store, call.params["secret"])
    if secret is None:
        # As recorded in GoogleCloudPlatform/secrets-store-csi-driver-provider-gcp#552.
        raise modern(404, f"Secret [{secret_name(call, call.params['secret'])}] not found.")
    return secret


def living_secret(store: Store, secret_id: str) -> Json | None:
    """The secret, unless its time has come: then it and its versions are gone."""
    secret = store.get(SECRETS, secret_id)
    if secret and "expireTime" in secret and parse_time(secret["expireTime"]) <= dt.datetime.now(dt.UTC):
        forget_secret(store, secret_id)
        return None
    return secret


def forget_secret(store: Store, secret_id: str) -> None:
    """Delete it with its versions and its policy."""
    store.delete(SECRETS, secret_id)
    store.delete(POLICIES, secret_key(secret_id))
    for key in store.keys(VERSIONS, f"{secret_id}/"):
        store.delete(VERSIONS, key)


def check_etag(given: Any, current: str) -> None:
    """A request may say which state it means: https://cloud.google.com/secret-manager/docs/etags."""
    if given and str(given).strip('"') != current.strip('"'):
        # The status is that page's; wording ours.
        message = f"The etag {given} does not match the current etag {current}: read again."
        raise modern(400, message, "FAILED_PRECONDITION")


def new_etag() -> str:
    """Quoted, as firebase/firebase-tools#6452 recorded it."""
    return f'"{randomness.token_hex(7)}"'


def time_of(moment: dt.datetime | None = None) -> str:
    """With microseconds, as firebase/firebase-tools#6452 recorded it."""
    return (moment or dt.datetime.now(dt.UTC)).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> dt.datetime:
    """RFC 3339; Python's own parser takes no nanoseconds."""
    head, dot, fraction = text.removesuffix("Z").partition(".")
    if dot and fraction.isdigit():
        text = f"{head}.{fraction[:6]:0<6}Z"
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def duration(field: str, value: str) -> dt.timedelta:
    """A google-duration such as 3.5s."""
    if not DURATION.fullmatch(value):
        # Wording ours.
        raise modern(400, f"Invalid value at '{field}' (a duration such as 3.5s), {value!r}")
    return dt.timedelta(seconds=float(value.removesuffix("s")))
