"""One backup as Google shows it twice: a backup run of its instance, and a backup of the project."""

from typing import Any

from sandbox.apis.sqladmin.resources import project_link
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call


def run_resource(call: Call, record: Json) -> Json:
    """sql#backupRun."""
    link = f"{project_link(call)}/instances/{record['instance']}/backupRuns/{record['run']}"
    return _shared(record) | {
        "kind": "sql#backupRun",
        "id": record["run"],
        "status": record["state"],
        "selfLink": link,
        **_present(record, "enqueuedTime", "startTime", "endTime", "windowStartTime"),
    }


def backup_resource(call: Call, record: Json) -> Json:
    """sql#backup."""
    name = backup_name(call, record)
    run = f"projects/{call.project}/instances/{record['instance']}/backupRuns/{record['run']}"
    interval = {"startTime": record.get("startTime"), "endTime": record.get("endTime")}
    interval = {name: moment for name, moment in interval.items() if moment}
    source = {name: value for name, value in record["source"].items() if name != "installed_version"}
    return _shared(record) | {
        "kind": "sql#backup",
        "name": name,
        "selfLink": f"{project_link(call)}/backups/{record['uid']}",
        "backupRun": run,
        "state": record["state"],
        "instanceSettings": {"kind": "sql#instance", "project": call.project, **source},
        "satisfiesPzi": True,
        **({"backupInterval": interval} if interval else {}),
        **_present(record, "expiryTime", "instanceDeletionTime"),
    }


def backup_name(call: Call, record: Json) -> str:
    """projects/PROJECT/backups/UID."""
    return f"projects/{call.project}/backups/{record['uid']}"


def context(call: Call, record: Json) -> Json:
    """How an operation names the backup that it is about."""
    name = backup_name(call, record)
    return {"backupContext": {"kind": "sql#backupContext", "backupId": record["run"], "name": name}}


def no_run() -> ApiError:
    """https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, BACKUP_RUN_DOES_NOT_EXIST."""
    return classic(404, "The backup run does not exist.", "backupRunDoesNotExist")


def no_backup(name: str) -> ApiError:
    """No such backup of the project (wording ours: Google's text is not known)."""
    return classic(404, f"The backup {name} does not exist.", "backupDoesNotExist")


def _shared(record: Json) -> Json:
    return {
        "instance": record["instance"],
        "type": record["type"],
        "databaseVersion": record["source"]["databaseVersion"],
        "backupKind": "SNAPSHOT",
        "location": record["location"],
        **_present(record, "description", "maxChargeableBytes", "error"),
    }


def _present(record: Json, *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names if name in record}
