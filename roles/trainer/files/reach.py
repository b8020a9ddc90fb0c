"""Ask for what a training job needs: the tracking server and, where a gs:// location is given, the bucket. Only reads.

What does not answer is one line on standard error, which goes on after the machine's name, and exit code 1.
"""

import importlib
import os
import sys
import urllib.parse
from typing import Any

import requests

SEARCH = "/api/2.0/mlflow/experiments/search"


def ask_server(address: str) -> str:
    """Why the tracking server does not answer a search, which asks its database too; empty if it does."""
    try:
        requests.get(address.rstrip("/") + SEARCH, params={"max_results": 1}, timeout=20).raise_for_status()
    except requests.RequestException as error:
        return f"does not reach MLflow at {address} (trainer_tracking_uri): {error}"
    return ""


def list_bucket(location: str) -> str:
    """Why the account of the jobs cannot list the location; empty if it can."""
    # Not every lock has it, and none needs it where artifacts go through the server.
    storage: Any = importlib.import_module("google.cloud.storage")
    api: Any = importlib.import_module("google.api_core.exceptions")
    auth: Any = importlib.import_module("google.auth.exceptions")
    parts = urllib.parse.urlsplit(location)
    try:
        blobs = storage.Client().list_blobs(parts.netloc, prefix=parts.path.lstrip("/"), max_results=1, timeout=20)
        next(iter(blobs), None)
    except (api.GoogleAPIError, auth.GoogleAuthError, OSError) as error:
        said = str(error.args[0] if len(error.args) > 1 else error)
        return (
            f"cannot list {location} (attach mlflow_trainer_account to it, or give its key as trainer_credentials; "
            f"site.yml grants the role): {' '.join(said.split())}"
        )
    return ""


if __name__ == "__main__":
    given = sys.argv[1]
    reasons = [ask_server(os.environ["MLFLOW_TRACKING_URI"]), list_bucket(given) if given else ""]
    sys.exit("; and it ".join(filter(None, reasons)) or None)
