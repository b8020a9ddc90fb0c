# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud SQL Admin API v1: what instances, databases and users share.

One operation at a time runs on an instance; a second write gets 409 operationInProgress. So before each write the
instance's operations are listed, and one in flight (ours after a crash, or somebody else's) is waited for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    BusyError,
    NotFoundError,
    OperationFailedError,
    PermissionDeniedError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import wait_until
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import ParentAbsentError, Reference
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

API = "sql"
SERVICE = "sqladmin.googleapis.com"
INSTANCES = "instances"
_UNSAID = "no reason given"
# Seconds. A creation takes 5 to 15 minutes, with a shared core up to 25 (terraform-google-sql-db, pull request 425),
# and whatever carries data along may take as long.
_TIMEOUT, LONG = 1200.0, 2700.0
_TIMEOUTS = dict.fromkeys(("CREATE", "CLONE", "BACKUP_VOLUME", "RESTORE_VOLUME", "MAJOR_VERSION_UPGRADE"), LONG)


def project_path(google: Google) -> str:
    """The project's path."""
    return f"v1/projects/{segment(google.project)}"


def instance_path(google: Google, instance: str) -> str:
    """An instance's path."""
    return f"{project_path(google)}/instances/{segment(instance)}"


def read_instance(google: Google, instance: str) -> JsonObject | None:
    """The instance, or None; one request for all who ask, and where many instances are asked for, one for all."""

    def read() -> JsonObject | None:
        if google.asks_for_many(INSTANCES):
            listed = google.once(INSTANCES, lambda: list_instances(google))
            if listed is not None and (instance in listed.found or listed.complete):
                return listed.found.get(instance)
        return google.find(API, instance_path(google, instance))

    return google.once(("instance", instance), read)


@dataclass(frozen=True)
class Listing:
    """A project's instances by name; not complete where Google could not ask a region: one missing is unknown then."""

    found: dict[str, JsonObject]
    complete: bool


def list_instances(google: Google) -> Listing | None:
    """All instances of the project, or None if the caller may read single ones only."""
    found: dict[str, JsonObject] = {}
    complete = True
    page: dict[str, object] = {}
    while True:
        try:
            reply = google.get(API, f"{project_path(google)}/instances", **page)
        except PermissionDeniedError:
            return None
        found |= {item["name"]: item for item in reply.get("items", [])}
        # Such as REGION_UNREACHABLE.
        complete = complete and not reply.get("warnings")
        if not (token := reply.get("nextPageToken")):
            return Listing(found, complete)
        page = {"pageToken": token}


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


def wait_for_others(google: Google, instance: str, timeout: float | None = None) -> bool:
    """Wait for operations in flight; true if there were any. An error inside them is theirs, and noted.

    :param timeout: seconds, or None for what the operation's kind may take.
    """
    found = running_operations(google, instance)
    for operation in found:
        resumed = f"resumed {_adopted(operation)}"
        note = f"instance {instance}: {resumed}"
        google.notes.append(note)
        with google.progress.waiting(resumed, at_once=True):
            seen = _wait(google, operation, timeout)
        if failure := failure_of(seen):
            google.notes.remove(note)
            google.notes.append(f"{note}, which failed: {failure}")
    return bool(found)


def write(
    google: Google,
    method: str,
    path: str,
    instance: str,
    *,
    body: JsonObject | None = None,
    params: Mapping[str, object] | None = None,
    timeout: float | None = None,
) -> None:
    """Send one write to an instance, one at a time, and wait until its operation is over.

    :param timeout: seconds, or None for what the operation's kind may take.
    :raises StateChangedError: another operation was in flight; it is over now, so read and plan again.
    :raises OperationFailedError: the operation ended with an error inside.
    """
    with google.turn(instance_reference(instance)):
        if wait_for_others(google, instance, timeout):
            raise StateChangedError(f"another operation ran on instance {instance}")
        try:
            operation = google.write(method, API, path, body, params)
        except BusyError as error:
            if wait_for_others(google, instance, timeout):
                raise StateChangedError(str(error)) from error
            raise
        if operation.get("status") != "DONE":
            kind = operation.get("operationType", "operation")
            with google.progress.waiting(f"{kind}, operation {operation['name']}"):
                operation = _wait(google, operation, timeout)
    if warning := operation.get("apiWarning"):
        google.notes.append(f"{describe({'targetId': instance, **operation})}: Google warns: {_said(warning)}")
    raise_for_errors(operation, instance)


def _wait(google: Google, operation: JsonObject, timeout: float | None) -> JsonObject:
    project = operation.get("targetProject") or google.project
    path = f"v1/projects/{segment(project)}/operations/{segment(operation['name'])}"
    limit = _TIMEOUTS.get(str(operation.get("operationType")), _TIMEOUT) if timeout is None else timeout
    return wait_until(
        lambda: google.get(API, path),
        lambda seen: bool(seen.get("status") == "DONE"),
        describe(operation),
        limit,
        google.clock,
        way_out=f"run again to wait for it; how long a run waits is {setting('sql_instance', 'timeout')}",
    )


def _adopted(operation: Mapping[str, Any]) -> str:
    """An operation that this run did not start: which, whose, since when."""
    user, when = operation.get("user"), operation.get("startTime") or operation.get("insertTime")
    started = ", started" + (f" by {user}" if user else "") + (f" at {when}" if when else "")
    return f"operation {operation['name']} ({operation.get('operationType', 'of unknown kind')}){started}"


def describe(operation: Mapping[str, Any]) -> str:
    """How errors name an operation."""
    kind = operation.get("operationType", "operation")
    who = f" started by {operation['user']}" if operation.get("user") else ""
    return f"{kind} of Cloud SQL instance {operation.get('targetId', '?')} (operation {operation.get('name')}{who})"


def failure_of(operation: Mapping[str, Any]) -> str:
    """Why an operation that is DONE failed: only its errors tell. Their message may be missing."""
    if "error" not in operation:
        return ""
    found = (operation["error"] or {}).get("errors") or []
    return "; ".join(_said(error) for error in found if isinstance(error, dict)) or _UNSAID


def raise_for_errors(operation: JsonObject, instance: str) -> None:
    """Raise OperationFailedError for an operation that failed."""
    if failure := failure_of(operation):
        raise OperationFailedError(
            f"{describe({'targetId': instance, **operation})} failed: {failure}; see `gcloud sql operations describe "
            f"{operation.get('name')}`, put right what it names, and run again"
        )


def _said(error: Mapping[str, Any]) -> str:
    """Google's code and message, either of which may be missing, in one line."""
    return " ".join(": ".join(str(error[key]) for key in ("code", "message") if error.get(key)).split()) or _UNSAID
