"""backupRuns: insert (on demand), list, get, delete."""

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.backup_resources import context, no_run, run_resource
from sandbox.apis.sqladmin.resources import begin, find_instance, not_running, page, refuse_busy
from sandbox.cloudsql.backups import ON_DEMAND
from sandbox.cloudsql.engine import is_running
from sandbox.core.documents import Json
from sandbox.core.routing import Call, Route

LIST_SIZES = (100, 1000)


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/backupRuns/insert."""
    body = await call.body()
    return take(call, find_instance(call), body.get("description"), body.get("location"))


def take(call: Call, instance: Json, description: str | None, location: str | None, **given: str) -> Json:
    """Start an on-demand backup; the operation's resource."""
    if not is_running(instance):
        raise not_running()
    refuse_busy(call, instance["name"])
    backups = call.world.engine.backups
    record = backups.add(instance, ON_DEMAND, description=description, location=location, **given)
    return _begin(call, "BACKUP_VOLUME", instance, record)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/backupRuns/list (newest first)."""
    records = call.world.engine.backups.of(find_instance(call)["id"])
    resources = [run_resource(call, record) for record in records]
    return {"kind": "sql#backupRunsList"} | page(call, "items", resources, "maxResults", LIST_SIZES)


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/backupRuns/get."""
    return run_resource(call, find_run(call, find_instance(call), call.params["id"]))


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/backupRuns/delete."""
    instance = find_instance(call)
    record = find_run(call, instance, call.params["id"])
    return _begin(call, "DELETE_BACKUP", instance, record)


def find_run(call: Call, instance: Json, run: str) -> Json:
    """The backup run of that id, or 404."""
    for record in call.world.engine.backups.of(instance["id"]):
        if record["run"] == run:
            return record
    raise no_run()


def _begin(call: Call, kind: str, instance: Json, record: Json) -> Json:
    uid = record["uid"]
    return begin(call, kind, instance["name"], {"backup": uid}, also=[uid], **context(call, record))


ROUTES: list[Route] = [
    *routes("POST", "instances/{instance}/backupRuns", insert, "cloudsql.backupRuns.create"),
    *routes("GET", "instances/{instance}/backupRuns", list_, "cloudsql.backupRuns.list"),
    *routes("GET", "instances/{instance}/backupRuns/{id}", get, "cloudsql.backupRuns.get"),
    *routes("DELETE", "instances/{instance}/backupRuns/{id}", delete, "cloudsql.backupRuns.delete"),
]
