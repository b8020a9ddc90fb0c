"""Log in to PostgreSQL as the server does, use the bucket as the server would, and print what was found.

The arguments name the hosts by which to log in. --write also writes an object below the artifacts' prefix, reads it and
deletes it; without it the prefix is only listed. One line of JSON; the exit code is 0 whatever was found: the reader
decides.
"""

import argparse
import datetime as dt
import json
import os
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

import login
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Blob, Client
from google.cloud.storage.retry import DEFAULT_RETRY

Steps = dict[str, dict[str, str]]
# MLflow's own folders are named by experiments' ids, which are numbers.
FOLDER = "mlflow-health/"
CONTENT = b"written by mlflow-health, which deletes it\n"
# A look that was killed leaves its object; nobody needs it by then.
LEFT_BEHIND = dt.timedelta(minutes=10)
PATIENT = {"timeout": 20, "retry": DEFAULT_RETRY.with_timeout(20)}


def attempt(step: Callable[[], object]) -> dict[str, str]:
    """Why a step is refused; an empty reason where it works."""
    try:
        step()
    except (GoogleAPIError, GoogleAuthError, OSError, ValueError) as error:
        return {"reason": " ".join(str(error).split()) or repr(error)}
    return {"reason": ""}


def read_back(blob: Blob) -> None:
    """Raises ValueError where the object is not what was written."""
    if (content := blob.download_as_bytes(**PATIENT)) != CONTENT:
        raise ValueError(f"{blob.name} came back different: {content[:80]!r}")


def clean_up(bucket: Any, blob: Blob, prefix: str) -> None:
    """Delete the object, and what looks that were killed have left."""
    blob.delete(**PATIENT)
    now = dt.datetime.now(dt.timezone.utc)  # noqa: UP017 (the image's Python is 3.10)
    for left in bucket.list_blobs(prefix=prefix, **PATIENT):
        if now - left.time_created > LEFT_BEHIND:
            left.delete(**PATIENT)


def list_once(bucket: Any, prefix: str) -> None:
    """Ask for the first object."""
    next(iter(bucket.list_blobs(prefix=prefix, max_results=1, **PATIENT)), None)


def use_bucket(uri: str, write: bool) -> Steps:
    """What came of each step. What was written is deleted even where it cannot be read; else the prefix is listed."""
    parts = urllib.parse.urlsplit(uri)
    prefix = parts.path.lstrip("/")
    steps: Steps = {}
    bucket: Any = None

    def connect() -> None:
        nonlocal bucket
        bucket = Client().bucket(parts.netloc)

    no_client = attempt(connect)
    if no_client["reason"]:
        return {"write": no_client, "read": no_client} if write else {"read": no_client}
    folder = f"{prefix.rstrip('/')}/{FOLDER}".lstrip("/")
    blob = bucket.blob(f"{folder}{uuid.uuid4()}")
    if write:
        steps["write"] = attempt(lambda: blob.upload_from_string(CONTENT, if_generation_match=0, **PATIENT))
        if not steps["write"]["reason"]:
            steps["read"] = attempt(lambda: read_back(blob))
            steps["delete"] = attempt(lambda: clean_up(bucket, blob, folder))
            return steps
    steps["read"] = attempt(lambda: list_once(bucket, prefix))
    return steps


def log_in(host: str) -> dict[str, Any]:
    """A fresh login by that host."""
    os.environ["PGHOST"] = host
    return login.look(None)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("hosts", nargs="*")
    given = parser.parse_args()
    found = {"bucket": use_bucket(os.environ["ARTIFACTS_DESTINATION"], given.write)}
    print(json.dumps(found | {"logins": {host: log_in(host) for host in given.hosts}}))
