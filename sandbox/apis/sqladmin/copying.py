"""clone and restoreBackup: an instance's data come from another instance or from a backup."""

import re
import secrets

from sandbox.apis.sqladmin import instance_settings as rules
from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.backup_resources import context, no_run
from sandbox.apis.sqladmin.backups import find as find_backup
from sandbox.apis.sqladmin.new_instances import add, new_instance, refuse_taken
from sandbox.apis.sqladmin.resources import begin, find_instance, invalid, not_running
from sandbox.cloudsql.backups import SUCCESSFUL
from sandbox.cloudsql.engine import INSTANCES, is_running
from sandbox.core.documents import Json, merge
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Route

BACKUP = re.compile(r"projects/(?P<project>[^/]+)/backups/(?P<uid>[^/]+)")
UNSUPPORTED_CLONES = (
    "allocatedIpRange",
    "binLogCoordinates",
    "databaseNames",
    "destinationNetwork",
    "pitrTimestampMs",
    "sourceInstanceDeletionTime",
)
OVERRIDES = frozenset({"kind", "name", "project", "region", "gceZone", "databaseVersion", "settings"})


async def clone(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/clone."""
    body = await call.body()
    source, asked = find_instance(call), body.get("cloneContext") or {}
    name = str(asked.get("destinationInstanceName", ""))
    _refuse_kinds_of_clones(call, asked)
    rules.check_new(call.project, name, source["databaseVersion"], source["region"])
    refuse_taken(call, name)
    if not is_running(source):
        raise not_running()
    settings = source["settings"] | {"settingsVersion": "1"}
    if zone := asked.get("preferredZone"):
        settings["locationPreference"] = settings["locationPreference"] | {"zone": zone}
    instance = new_instance(call, name, source["databaseVersion"], source["region"], settings)
    return add(call, instance | _same_binaries(source), {"source": source["name"]}, "CLONE")


async def restore_backup(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/restoreBackup.

    By backup run into an instance that exists; by a backup's name also into a new one.
    """
    body = await call.body()
    name = call.params["instance"].rpartition("~")[2]
    if body.get("backupdrBackup"):
        raise invalid("the sandbox has no Backup and DR service.")
    backup = _named(call, str(body["backup"])) if body.get("backup") else _of_run(call, body, name)
    if backup["state"] != SUCCESSFUL:
        # https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, ERROR_INVALID_BACKUP_RUN_STATUS.
        message = "The backup run status isn't valid for the given request."
        raise classic(400, message, "errorInvalidBackupRunStatus")
    if not call.world.store.has(INSTANCES, name) and body.get("backup"):
        return _into_new_instance(call, name, backup, body)
    target = find_instance(call)
    if body.get("restoreInstanceSettings") or body.get("restoreInstanceClearOverridesFieldNames"):
        # gcloud 528's help: overrides are for new instances (wording ours).
        raise invalid("settings are overridden only when a backup is restored to a new instance.")
    _check_target(target, backup)
    payload = {"backup": backup["uid"], "token": secrets.token_hex(8)}
    return begin(call, "RESTORE_VOLUME", target["name"], payload, also=[backup["uid"]], **context(call, backup))


def _refuse_kinds_of_clones(call: Call, asked: Json) -> None:
    """Wording ours: it is about the sandbox."""
    if asked.get("pointInTime"):
        raise invalid("the sandbox does not emulate point-in-time recovery: it clones an instance as it is now.")
    for field in UNSUPPORTED_CLONES:
        if asked.get(field):
            raise invalid(f"the sandbox does not emulate cloneContext.{field}.")
    if asked.get("destinationProject") not in (None, "", call.project, call.world.settings.project_number):
        raise invalid("the sandbox has one project: cloneContext.destinationProject cannot be another one.")


def _named(call: Call, name: str) -> Json:
    """projects/PROJECT/backups/UID (wording ours: Google's text is not known)."""
    found = BACKUP.fullmatch(name)
    if found is None or found["project"] not in (call.project, call.world.settings.project_number):
        raise invalid(f"the backup's name ({name}) must be projects/{call.project}/backups/BACKUP.")
    return find_backup(call, found["uid"])


def _of_run(call: Call, body: Json, target: str) -> Json:
    asked = body.get("restoreBackupContext") or {}
    owner = call.world.store.get(INSTANCES, asked.get("instanceId") or target)
    records = call.world.engine.backups.of(owner["id"]) if owner else []
    for record in records:
        if record["run"] == str(asked.get("backupRunId")):
            return record
    # The target is looked at first: an absent one is the better news.
    find_instance(call)
    raise no_run()


def _into_new_instance(call: Call, name: str, backup: Json, body: Json) -> Json:
    source, given = backup["source"], body.get("restoreInstanceSettings") or {}
    version = source["databaseVersion"]
    if unknown := sorted(set(given) - OVERRIDES):
        raise invalid(f"the sandbox does not override {', '.join(unknown)} when it restores.")
    if given.get("databaseVersion", version) != version:
        # As the discovery document says (restoreInstanceSettings); wording ours.
        raise invalid(f"the database version of the backup ({version}) cannot be changed.")
    region = given.get("region") or source["region"]
    rules.check_new(call.project, name, version, region)
    refuse_taken(call, name)
    wanted = given.get("settings") or {}
    rules.check_fields(wanted)
    settings = merge(source["settings"], wanted)
    for path in body.get("restoreInstanceClearOverridesFieldNames") or []:
        settings.pop(str(path).rpartition(".")[2], None)
    if region != source["region"] and "locationPreference" not in wanted:
        settings.pop("locationPreference", None)
    settings = rules.with_defaults(settings, version, region) | {"settingsVersion": "1"}
    rules.check(settings, version)
    _check_size(settings, source)
    instance = new_instance(call, name, version, region, settings) | _same_binaries(source)
    return add(call, instance, {"backup": backup["uid"]}, "RESTORE_VOLUME")


def _check_target(target: Json, backup: Json) -> None:
    """The target needs the same version and a disk of the backup's size at least."""
    source = backup["source"]
    if target["databaseVersion"] != source["databaseVersion"]:
        raise _not_restorable()
    _check_size(target["settings"], source)
    if not is_running(target):
        raise not_running()


def _check_size(settings: Json, source: Json) -> None:
    if int(settings["dataDiskSizeGb"]) < int(source["settings"]["dataDiskSizeGb"]):
        raise _too_small()


def _not_restorable() -> ApiError:
    """Text as recorded in ovotech/cloud_sql_backup#13, with the reason in hashicorp/terraform#8025."""
    return classic(400, 'This operation isn"t valid for this instance.', "invalidOperation")


def _too_small() -> ApiError:
    """https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, ERROR_BACKUP_SIZE_EXCEEDS_INSTANCE_SIZE."""
    message = "Restore from backup can't be done to the instance with storage size smaller than the backup size."
    return classic(400, message, "errorBackupSizeExceedsInstanceSize")


def _same_binaries(source: Json) -> Json:
    """The data directory belongs to the version that made it."""
    return {"installed_version": source["installed_version"]} if "installed_version" in source else {}


ROUTES: list[Route] = [
    *routes("POST", "instances/{instance}/clone", clone, "cloudsql.instances.clone"),
    *routes("POST", "instances/{instance}/restoreBackup", restore_backup, "cloudsql.instances.restoreBackup"),
]
