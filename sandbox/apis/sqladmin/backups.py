"""backups of the project: every backup, those whose instance is gone too (final and retained ones)."""

import datetime as dt
import re

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.backup_resources import backup_resource, context, no_backup
from sandbox.apis.sqladmin.backup_runs import take
from sandbox.apis.sqladmin.filters import select
from sandbox.apis.sqladmin.resources import begin, invalid, no_instance, page
from sandbox.cloudsql.engine import INSTANCES
from sandbox.core.documents import Json, timestamp
from sandbox.core.routing import Call, Route

LIST_SIZES = (100, 2000)
LONGEST_TTL = 365
CHANGEABLE = ("description", "expiryTime", "ttlDays")


async def create(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/CreateBackup."""
    body = await call.body()
    instance = call.world.store.get(INSTANCES, str(body.get("instance", "")))
    if instance is None:
        raise no_instance()
    expiry = expiry_of(body.get("ttlDays"), body.get("expiryTime"))
    return take(call, instance, body.get("description"), body.get("location"), **expiry)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/ListBackups (newest first)."""
    resources = [backup_resource(call, record) for record in call.world.engine.backups.all()]
    resources = select(resources, call.query.get("filter", ""))
    return page(call, "backups", resources, "pageSize", LIST_SIZES)


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/GetBackup."""
    return backup_resource(call, find(call, call.params["backup"]))


async def update(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/UpdateBackup: description and expiry."""
    body, record = await call.body(), find(call, call.params["backup"])
    mask = [re.sub(r"_(\w)", lambda one: one[1].upper(), name) for name in _mask(call) or CHANGEABLE if name]
    if unknown := sorted(set(mask) - set(CHANGEABLE)):
        # Wording ours: Google's text is not known.
        raise invalid(f"update_mask names what cannot be changed: {', '.join(unknown)}.")
    change: Json = {}
    if "description" in mask and "description" in body:
        change["description"] = body["description"]
    change |= expiry_of(
        body.get("ttlDays") if "ttlDays" in mask else None, body.get("expiryTime") if "expiryTime" in mask else None
    )
    return begin(
        call, "UPDATE_BACKUP", record["uid"], {"backup": record["uid"], "change": change}, **_about(call, record)
    )


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/Backups/DeleteBackup."""
    record = find(call, call.params["backup"])
    return begin(call, "DELETE_BACKUP", record["uid"], {"backup": record["uid"]}, **_about(call, record))


def find(call: Call, uid: str) -> Json:
    """The backup of that name, or 404."""
    record = call.world.engine.backups.get(uid)
    if record is None:
        raise no_backup(f"projects/{call.project}/backups/{uid}")
    return record


def expiry_of(days: object, moment: object) -> Json:
    """expiryTime out of one of the two ways to give it; {} when none is given. Wording ours."""
    now = dt.datetime.now(dt.UTC)
    try:
        expiry = now + dt.timedelta(days=int(str(days))) if days is not None else None
        expiry = dt.datetime.fromisoformat(str(moment)) if moment is not None else expiry
    except (ValueError, OverflowError) as error:
        raise invalid(f"the expiry ({days or moment}) is neither a number of days nor a time.") from error
    if expiry is None:
        return {}
    # The limit is in the discovery document (Backup.ttlDays).
    if (days is not None and moment is not None) or not now < expiry <= now + dt.timedelta(days=LONGEST_TTL, minutes=1):
        raise invalid(f"a backup expires at one time, between now and {LONGEST_TTL} days from now.")
    return {"expiryTime": timestamp(expiry)}


def _mask(call: Call) -> list[str]:
    return call.query.get("updateMask", "").split(",")


def _about(call: Call, record: Json) -> Json:
    return context(call, record) | {"targetLink": f"backups/{record['uid']}"}


ROUTES: list[Route] = [
    *routes("POST", "backups", create, "cloudsql.backupRuns.create"),
    *routes("GET", "backups", list_, "cloudsql.backupRuns.list"),
    *routes("GET", "backups/{backup}", get, "cloudsql.backupRuns.get"),
    *routes("PATCH", "backups/{backup}", update, "cloudsql.backupRuns.update"),
    *routes("DELETE", "backups/{backup}", delete, "cloudsql.backupRuns.delete"),
]
