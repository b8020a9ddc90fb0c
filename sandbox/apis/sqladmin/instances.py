"""instances: insert, get, list, patch, update, delete, restart."""

from sandbox.apis.sqladmin import instance_settings as rules
from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.backups import expiry_of
from sandbox.apis.sqladmin.filters import select
from sandbox.apis.sqladmin.new_instances import add, new_instance, refuse_taken
from sandbox.apis.sqladmin.passwords import check_password
from sandbox.apis.sqladmin.resources import (
    begin,
    find_instance,
    in_wrong_state,
    instance_resource,
    invalid,
    not_running,
    page,
    refuse_busy,
)
from sandbox.cloudsql.backups import FINAL
from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.tiers import VERSIONS
from sandbox.core.dispatch import require
from sandbox.core.documents import Json, merge
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

DEFAULT_VERSION = "POSTGRES_18"
DEFAULT_REGION = "us-central1"
LIST_SIZES = (500, 1000)
# https://cloud.google.com/sql/docs/postgres/backup-recovery/final-backup
FINAL_BACKUP_DAYS = 30
# https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, ERROR_PROTECTED_INSTANCE_DELETION_FAILURE; as
# hashicorp/terraform-provider-google's acceptance test expects it too.
PROTECTED = (
    "The instance is protected. Please disable the deletion protection and try again. To disable deletion "
    "protection, update the instance settings with deletionProtectionEnabled set to false."
)


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/insert."""
    body = await call.body()
    name = str(body.get("name", ""))
    require(call, "cloudsql.instances.create", instance=name)
    version, region = body.get("databaseVersion") or DEFAULT_VERSION, body.get("region") or DEFAULT_REGION
    rules.check_new(call.project, name, version, region)
    refuse_taken(call, name)
    rules.check_instance(body)
    given = body.get("settings") or {}
    rules.check_fields(given)
    settings = rules.with_defaults(given, version, region) | {"settingsVersion": "1"}
    rules.check(settings, version)
    root_password = body.get("rootPassword")
    if root_password:
        check_password(settings, "postgres", root_password)
    instance = new_instance(call, name, version, region, settings)
    return add(call, instance, {"rootPassword": root_password}, "CREATE")


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/get."""
    return instance_resource(call, find_instance(call))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/list."""
    resources = [instance_resource(call, record) for _, record in call.world.store.items(INSTANCES)]
    resources = select(resources, call.query.get("filter", ""))
    return {"kind": "sql#instancesList"} | page(call, "items", resources, "maxResults", LIST_SIZES)


async def patch(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/patch: objects merge, lists do not."""
    body = await call.body()
    record, given = find_instance(call), body.get("settings") or {}
    rules.check_fields(given)
    return _change(call, record, body, merge(record["settings"], given))


async def update(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/update: what is left out is reset."""
    body = await call.body()
    record, given = find_instance(call), body.get("settings") or {}
    rules.check_fields(given)
    if "settingsVersion" not in given:
        # As recorded in pulumi/pulumi-google-native#323.
        raise classic(400, "Missing parameter: Settings version.", "required")
    return _change(call, record, body, given)


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/delete.

    Its backups go with it, unless the query or its settings ask for a final one or for all to be retained.
    """
    record = find_instance(call)
    settings = record["settings"]
    # What Google does here is not known: its creation failed, so nothing is to be protected, and it can't be changed.
    if settings["deletionProtectionEnabled"] and record["state"] != "FAILED":
        raise classic(400, PROTECTED, "errorProtectedInstanceDeletionFailure")
    refuse_busy(call, record["name"])
    payload: Json = {"retain": settings.get("retainBackupsOnDelete", False)}
    if final := _final_backup(call, record):
        payload["backup"] = final["uid"]
    return begin(call, "DELETE", record["name"], payload)


def _final_backup(call: Call, record: Json) -> Json | None:
    configuration = record["settings"].get("finalBackupConfig") or {}
    wanted = call.query.get("enableFinalBackup", str(configuration.get("enabled", False))).lower() == "true"
    if not wanted:
        return None
    days, moment = call.query.get("finalBackupTtlDays"), call.query.get("finalBackupExpiryTime")
    if days is None and moment is None:
        days = str(configuration.get("retentionDays") or FINAL_BACKUP_DAYS)
    expiry = expiry_of(days, moment)
    description = call.query.get("finalBackupDescription")
    return call.world.engine.backups.add(record, FINAL, description=description, **expiry)


async def restart(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/restart."""
    record = find_instance(call)
    _refuse_failed(record)
    if record["settings"]["activationPolicy"] == "NEVER":
        raise not_running()
    return begin(call, "RESTART", record["name"], {})


def _change(call: Call, record: Json, body: Json, wanted: Json) -> Json:
    current = record["settings"]
    version = (body.get("settings") or {}).get("settingsVersion")
    if version is not None and str(version) != current["settingsVersion"]:
        # As recorded in hashicorp/terraform-provider-google#25246.
        raise classic(412, "Condition does not match.", "staleData", location="If-Match")
    _refuse_failed(record)
    rules.check_instance(body)
    _check_immutable(record, body)
    settings = rules.with_defaults(wanted, record["databaseVersion"], record["region"])
    settings["settingsVersion"] = str(int(current["settingsVersion"]) + 1)
    rules.check(settings, record["databaseVersion"])
    rules.check_change(current, settings)
    restart_needed = rules.needs_restart(current, settings)
    return begin(call, "UPDATE", record["name"], {"settings": settings, "restart": restart_needed})


def _refuse_failed(record: Json) -> None:
    """An instance whose creation failed can only be deleted."""
    if record["state"] == "FAILED":
        raise in_wrong_state()


def _check_immutable(record: Json, body: Json) -> None:
    """Wording ours: Google's texts are not known."""
    version = body.get("databaseVersion", record["databaseVersion"])
    if version != record["databaseVersion"]:
        if VERSIONS.get(str(version), 0) < VERSIONS[record["databaseVersion"]]:
            raise invalid(f"The database version cannot be changed from {record['databaseVersion']} to {version}.")
        raise invalid(
            f"The sandbox does not emulate major version upgrades ({record['databaseVersion']} to {version})."
        )
    if body.get("maintenanceVersion", record["maintenanceVersion"]) != record["maintenanceVersion"]:
        raise invalid(f"The sandbox has no other maintenance version than {record['maintenanceVersion']}.")
    for field in ("region", "name"):
        if body.get(field, record[field]) != record[field]:
            raise invalid(f"The {field} of an instance cannot be changed ({record[field]} to {body[field]}).")


ROUTES: list[Route] = [
    *routes("POST", "instances", insert, "cloudsql.instances.create", late=True),
    *routes("GET", "instances", list_, "cloudsql.instances.list"),
    *routes("GET", "instances/{instance}", get, "cloudsql.instances.get"),
    *routes("PATCH", "instances/{instance}", patch, "cloudsql.instances.update"),
    *routes("PUT", "instances/{instance}", update, "cloudsql.instances.update"),
    *routes("DELETE", "instances/{instance}", delete, "cloudsql.instances.delete"),
    *routes("POST", "instances/{instance}/restart", restart, "cloudsql.instances.restart"),
]
