"""Log in to PostgreSQL as the server does, list the bucket as the server would, and print what was found.

Nothing is written anywhere. One line of JSON; the exit code is 0 whatever was found: the reader decides.
"""

import json
import os
import urllib.parse
from typing import Any

import login
from google.api_core.exceptions import GoogleAPIError
from google.auth.exceptions import GoogleAuthError
from google.cloud.storage import Client


def list_bucket(uri: str) -> dict[str, Any]:
    """Whether the gs:// location can be listed."""
    parts = urllib.parse.urlsplit(uri)
    try:
        blobs = Client().list_blobs(parts.netloc, prefix=parts.path.lstrip("/"), max_results=1, timeout=20)
        next(iter(blobs), None)
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        return {"bucket": False, "bucket_reason": " ".join(str(error).split())}
    return {"bucket": True, "bucket_reason": ""}


if __name__ == "__main__":
    print(json.dumps(login.look(None) | list_bucket(os.environ["ARTIFACTS_DESTINATION"])))
