"""Clients that ship no types, imported as Any in one place, so that mypy stays strict everywhere else."""

import importlib
from typing import Any

from sandbox.core.documents import Json

SCOPE = "https://www.googleapis.com/auth/cloud-platform"

crypt: Any = importlib.import_module("google.auth.crypt")
jwt: Any = importlib.import_module("google.auth.jwt")
exceptions: Any = importlib.import_module("google.api_core.exceptions")
pg8000: Any = importlib.import_module("pg8000")
storage: Any = importlib.import_module("google.cloud.storage")
storage_retry: Any = importlib.import_module("google.cloud.storage.retry")
transfer: Any = importlib.import_module("google.cloud.storage.transfer_manager")
media_file_upload: Any = importlib.import_module("googleapiclient.http").MediaFileUpload
secretmanager: Any = importlib.import_module("google.cloud.secretmanager")
build_from_document: Any = importlib.import_module("googleapiclient.discovery").build_from_document
http_error: Any = importlib.import_module("googleapiclient.errors").HttpError


def credentials_of(key: Json) -> Any:
    """google-auth's credentials of a service account key."""
    service_account: Any = importlib.import_module("google.oauth2.service_account")
    return service_account.Credentials.from_service_account_info(key, scopes=[SCOPE])
