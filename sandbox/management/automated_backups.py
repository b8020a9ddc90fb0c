"""The nightly backup, when the operator of the sandbox says so: the sandbox has no clock of its own for it."""

from sandbox.cloudsql.backups import AUTOMATED
from sandbox.cloudsql.engine import INSTANCES, is_running
from sandbox.cloudsql.operations import BusyError
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def run(world: World, body: Json) -> Json:
    """{"instance": name}: start its automated backup; answers with the operation's name."""
    name = str(body.get("instance", ""))
    record = world.store.get(INSTANCES, name)
    if record is None:
        raise RefusedError(f"`instance` {name!r} does not exist; there are: {world.store.keys(INSTANCES)}.")
    configuration = record["settings"]["backupConfiguration"]
    if not configuration["enabled"]:
        raise RefusedError(f"{name} takes no automated backups: its backupConfiguration.enabled is false.")
    if not is_running(record):
        raise RefusedError(f"{name} does not run: Cloud SQL skips its automated backup.")
    operations, backups = world.engine.operations, world.engine.backups
    try:
        operations.refuse_if_busy(name)
    except BusyError as error:
        raise RefusedError(f"another operation runs on {name}: Cloud SQL tries again later in its window.") from error
    backup = backups.add(record, AUTOMATED, location=configuration.get("location"))
    shown = {"kind": "sql#backupContext", "backupId": backup["run"]}
    # Wording ours: whom Google names as the user of an automated backup is not known.
    payload, user = {"backup": backup["uid"]}, "cloudsql"
    operation = operations.begin("BACKUP_VOLUME", name, user, payload, also=[backup["uid"]], backupContext=shown)
    return {"operation": operation["name"], "backupRun": backup["run"]}


ROUTES = [ManagementRoute("POST", "/automated-backups", run)]
