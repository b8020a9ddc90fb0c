# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials files for containers: what to write, what is public about them, and what is wrong with them. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import find_credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import CredentialsError

_IMPERSONATION = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{}:generateAccessToken"
_FIELDS = ("client_email", "private_key_id", "private_key", "token_uri")
_WHOLE = "give the whole content of the JSON file that `gcloud iam service-accounts keys create` wrote"


class KeyFileError(Exception):
    """The content is no key of a service account; its text holds no part of it."""


def parse(content: object) -> dict[str, str]:
    """The fields of a service account's key. Raises KeyFileError."""
    if not isinstance(content, Mapping):
        try:
            content = json.loads(str(content))
        except ValueError as error:
            raise KeyFileError(f"it is no JSON: {_WHOLE}") from error
    if not isinstance(content, Mapping):
        raise KeyFileError(f"it is no JSON object: {_WHOLE}")
    key = {str(name): str(value) for name, value in content.items()}
    if key.get("type") != "service_account":
        raise KeyFileError(f"it is of type {key.get('type', 'none')!r}, not the key of a service account: {_WHOLE}")
    if missing := [field for field in _FIELDS if not key.get(field)]:
        raise KeyFileError(f"it lacks {', '.join(missing)}: {_WHOLE}")
    if not re.fullmatch(r"[0-9A-Za-z_-]+", key["private_key_id"]):
        raise KeyFileError(f"its private_key_id is none that Google gives: {_WHOLE}")
    try:
        find_credentials({"credentials_contents": key}, {})
    except CredentialsError as error:
        name = f"key {key['private_key_id']} of {key['client_email']}"
        raise KeyFileError(f"the private key of {name} cannot be read, it was cut off or altered: {_WHOLE}") from error
    return key


def text(content: object, impersonate: str = "") -> str:
    """The file to write: the key, or a configuration that google-auth impersonates another account by, with the key."""
    key: dict[str, Any] = dict(parse(content))
    if impersonate:
        url = _IMPERSONATION.format(impersonate)
        key = {
            "type": "impersonated_service_account",
            "service_account_impersonation_url": url,
            "delegates": [],
            "source_credentials": key,
        }
    return json.dumps(key, indent=2, sort_keys=True) + "\n"


def about(content: object, impersonate: str = "") -> dict[str, str]:
    """What may be shown of it, empty strings without content. ``file`` names the key: a new key is a new file."""
    known = dict.fromkeys(("fault", "account", "key_id", "project", "file", "sha256"), "")
    if not content:
        return known
    try:
        key, written = parse(content), text(content, impersonate)
    except KeyFileError as error:
        return known | {"fault": str(error)}
    return known | {
        "account": key["client_email"],
        "key_id": key["private_key_id"],
        "project": key.get("project_id", ""),
        "file": f"{key['private_key_id']}{f'-as-{impersonate}' if impersonate else ''}.json",
        "sha256": hashlib.sha256(written.encode()).hexdigest(),
    }
