# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud SQL Admin API v1: what instances, databases and users share.

One operation at a time runs on an instance; a second write gets 409 operationInProgress. So before each write the
instance's operations are listed, and one in flight (ours after a crash, or somebody else's) is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    BusyError,
    NotFoundError,
    OperationFailedError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import wait_until
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError, Reference
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

API = "sql"
SERVICE = "sqladmin.googleapis.com"
CHILD_TIMEOUT = 1200.0


def project_path(google: Google) -> str:
    """The project's path."""
    return f"v1/projects/{segment(google.project)}"


def instance_path(google: Google, instance: str) -> str:
    """An instance's path."""
    return f"{project_path(google)}/instances/{segment(instance)}"


def read_instance(google: Google, instance: str) -> JsonObject | None:
    """The instance, or None; one request for all who ask."""
    return google.once(("instance", instance), lambda: google.find(API, instance_path(google, instance)))


def instance_reference(instance: str) -> Reference:
    """The parent of databases and users."""
    return Reference("sql_instance", instance)


def instance_absent(google: Google, instance: str) -> ParentAbsentError:
    """The error of a child whose instance is not there."""
    return ParentAbsentError(
        f"the Cloud SQL instance {instance} does not exist in project {google.project}: "
        "create it first with mlflow_ops.gcp.sql_instance"
    )


def is_about_instance(error: NotFoundError) -> bool:
    """Whether a child's 404 says that the instance itself is missing."""
    return error.reason == "instanceDoesNotExist" or "instance does not exist" in error.message.lower()


def protection_refusal(instance: JsonObject | None, name: str) -> str:
    """Why a child of a protected instance is not deleted: the server's own protection does not cover children."""
    if instance and instance.get("settings", {}).get("deletionProtectionEnabled"):
        return (
            f"the instance {name} is protected against deletion, and so is what it holds: "
            "set deletion_protection_enabled: false on mlflow_ops.gcp.sql_instance first"
        )
    return ""


def running_operations(google: Google, instance: str) -> list[JsonObject]:
    """The instance's operations that are not over yet."""
    try:
        reply = google.get(API, f"{project_path(google)}/operations", instance=instance, maxResults=10)
    except NotFoundError:
        return []
    return [operation for operation in reply.get("items", []) if operation.get("status") != "DONE"]


def wait_for_others(google: Google, instance: str, timeout: float) -> bool:
    """Wait for operations in flight; true if there were any. An error inside them is theirs, not ours."""
    found = running_operations(google, instance)
    for operation in found:
        _wait(google, operation, timeout)
    return bool(found)


def write(
    google: Google,
    method: str,
    path: str,
    instance: str,
    *,
    body: JsonObject | None = None,
    params: Mapping[str, object] | None = None,
    timeout: float = CHILD_TIMEOUT,
) -> None:
    """Send one write to an instance and wait until its operation is over.

    :raises StateChangedError: another operation was in flight; it is over now, so read and plan again.
    :raises OperationFailedError: the operation ended with an error inside.
    """
    if wait_for_others(google, instance, timeout):
        raise StateChangedError(f"another operation ran on instance {instance}")
    try:
        operation = google.write(method, API, path, body, params)
    except BusyError as error:
        if wait_for_others(google, instance, timeout):
            raise StateChangedError(str(error)) from error
        raise
    if operation.get("status") != "DONE":
        operation = _wait(google, operation, timeout)
    raise_for_errors(operation, instance)


def _wait(google: Google, operation: JsonObject, timeout: float) -> JsonObject:
    project = operation.get("targetProject") or google.project
    path = f"v1/projects/{segment(project)}/operations/{segment(operation['name'])}"
    return wait_until(
        lambda: google.get(API, path),
        lambda seen: bool(seen.get("status") == "DONE"),
        describe(operation),
        timeout,
        google.clock,
    )


def describe(operation: Mapping[str, Any]) -> str:
    """How errors name an operation."""
    kind = operation.get("operationType", "operation")
    who = f" started by {operation['user']}" if operation.get("user") else ""
    return f"{kind} of Cloud SQL instance {operation.get('targetId', '?')} (operation {operation.get('name')}{who})"


def raise_for_errors(operation: JsonObject, instance: str) -> None:
    """A failed operation is DONE too: only its errors tell. Their message may be missing."""
    found = [error for error in operation.get("error", {}).get("errors", []) if isinstance(error, dict)]
    if not found and "error" not in operation:
        return
    texts = [": ".join(str(e[key]) for key in ("code", "message") if e.get(key)) or "no reason given" for e in found]
    described = describe({"targetId": instance, **operation})
    raise OperationFailedError(
        f"{described} failed: {'; '.join(texts) or 'no reason given'}; see `gcloud sql operations describe "
        f"{operation.get('name')}`, put right what it names, and run again"
    )
