# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each Google API is: the task's ``endpoints`` option, else gcloud's environment variable, else Google itself.

The values mean what they mean to gcloud (``CLOUDSDK_API_ENDPOINT_OVERRIDES_*``): a base address with a trailing slash,
and for storage with ``/storage/v1/``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError

GOOGLE = {
    "sql": "https://sqladmin.googleapis.com/",
    "cloudresourcemanager": "https://cloudresourcemanager.googleapis.com/",
    "iam": "https://iam.googleapis.com/",
    "iamcredentials": "https://iamcredentials.googleapis.com/",
    "secretmanager": "https://secretmanager.googleapis.com/",
    "serviceusage": "https://serviceusage.googleapis.com/",
    "storage": "https://storage.googleapis.com/storage/v1/",
}


def environment_variable(api: str) -> str:
    """The variable that gcloud reads for this API."""
    return f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}"


def resolve_endpoints(overrides: Mapping[str, str | None] | None, environment: Mapping[str, str]) -> dict[str, str]:
    """The base address of every API; raises RefusedError for what is no http(s) address."""
    resolved = {}
    for api, default in GOOGLE.items():
        address = (overrides or {}).get(api) or environment.get(environment_variable(api)) or default
        if not _is_address(address):
            raise RefusedError(f"endpoints.{api}: {address!r} is no address; give one such as {default!r}")
        resolved[api] = address.rstrip("/") + "/"
    return resolved


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        # Asking for the port is what checks it.
        in_range = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and in_range and not re.search(r"\s", text)
