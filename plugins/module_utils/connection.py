# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a task's options to a project at Google: which project, as whom, by which addresses."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import transport
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import find_credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import resolve_endpoints
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import impersonate
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import Progress
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import PROJECT

# A key's id is public: it names the key in errors and in Google's lists.
_SECRET_KEY_PARTS = {"private_key", "client_secret", "refresh_token"}


def connect_to(
    params: Mapping[str, Any], environment: Mapping[str, str], warn: Callable[[str], None], progress: Progress
) -> Google:
    """The project that the options common to all modules name.

    :raises RefusedError: they name none.
    :raises ImportError: google-auth is missing.
    """
    _check_project(params.get("project"))
    endpoints = resolve_endpoints(params.get("endpoints"), environment)
    tokens = find_credentials(params, environment, warn)
    pool = transport.PooledTransport()
    if email := params.get("impersonate_service_account"):
        tokens = impersonate(str(email), tokens, pool, endpoints["iamcredentials"])
    return Google(Session(tokens, pool, progress=progress), endpoints, str(params["project"]))


def _check_project(project: str | None) -> None:
    # https://cloud.google.com/resource-manager/docs/creating-managing-projects; older ones may have a domain before.
    if not project:
        raise RefusedError(f"no project: set {PROJECT}, or the environment variable GOOGLE_CLOUD_PROJECT")
    if not re.fullmatch(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]*|[0-9]+", project):
        raise RefusedError(
            f"project {project!r} is no project id, which holds small letters, digits and hyphens: correct {PROJECT}; "
            "`gcloud projects list` shows yours"
        )


def public_parts(params: Mapping[str, Any]) -> set[str]:
    """What of a key in ``credentials_contents`` is no secret, though the option as a whole is."""
    contents = params.get("credentials_contents")
    if not isinstance(contents, dict):
        return set()
    public = {str(value) for key, value in contents.items() if key not in _SECRET_KEY_PARTS}
    return public - {str(contents[key]) for key in _SECRET_KEY_PARTS if key in contents}
