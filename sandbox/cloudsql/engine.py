"""Cloud SQL's instances made real: a record in the state and a PostgreSQL cluster each, and their operations' work."""

import asyncio
import logging
import secrets
import shutil
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from sandbox.cloudsql import flags, names
from sandbox.cloudsql.backups import BACKUPS, SUCCESSFUL, Backups
from sandbox.cloudsql.certificates import Authority
from sandbox.cloudsql.operations import Operations
from sandbox.cloudsql.tiers import VERSIONS, find_tier
from sandbox.core.documents import Json, timestamp
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.postgres import binaries
from sandbox.postgres.cluster import Cluster
from sandbox.postgres.copies import copy_folder, link_folder, size_of
from sandbox.postgres.processes import make_private
from sandbox.postgres.renewal import renew_folder
from sandbox.postgres.server import DATA, TEMPLATES

LOG = logging.getLogger(__name__)
INSTANCES = "instances"
PKI = "pki"
PENDING = "PENDING_CREATE"
Result = TypeVar("Result")


class NotRunningError(Exception):
    """The instance is stopped (activationPolicy NEVER) or its creation failed."""


class Engine:
    """All instances of the sandbox."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._folder = settings.state / "postgresql"
        self._clusters: dict[str, Cluster] = {}
        self.backups = Backups(store, settings.state / BACKUPS)
        self.operations = Operations(store, settings.project, settings.operation_seconds, self._work, self._failed)
        self.generation = 0
        """Grows whenever an instance comes or goes, so that the TLS listener knows its contexts are old."""

    @property
    def server_ca(self) -> Authority:
        """The CA of every server certificate; one for the sandbox, since all instances share an address."""
        document = self._store.get(PKI, "server_ca")
        if document is None:
            document = Authority.create("Google Cloud SQL Server CA").dump()
            self._store.put(PKI, "server_ca", document)
        return Authority.load(document)

    def add(self, instance: Json, user: str, payload: Json, *, kind: str = "CREATE") -> Json:
        """Record a new instance and start its creation; returns the operation.

        `payload`: rootPassword (CREATE), source (CLONE: an instance, busy too) or backup (RESTORE_VOLUME).
        """
        busy = [payload["source"]] if "source" in payload else []
        self.operations.refuse_if_busy(instance["name"], *busy)
        identity = secrets.token_hex(6)
        record = instance | {
            "id": identity,
            "state": PENDING,
            "createTime": timestamp(),
            "client_ca": Authority.create(f"Google Cloud SQL Signing CA {identity}").dump(),
        }
        self._store.put(INSTANCES, instance["name"], record)
        self.generation += 1
        return self.operations.begin(kind, instance["name"], user, payload | {"token": identity}, also=busy)

    async def run(self, instance: str, action: Callable[[Cluster], Result]) -> Result:
        """Run blocking SQL work on a running instance's cluster."""
        record = self._store.get(INSTANCES, instance)
        cluster = self._clusters.get(instance)
        if record is None or cluster is None or not is_running(record):
            raise NotRunningError(instance)
        return await asyncio.to_thread(action, cluster)

    def socket(self, instance: str) -> Path | None:
        """Where the instance's PostgreSQL listens; None while it has none."""
        cluster = self._clusters.get(instance)
        return cluster.socket if cluster else None

    async def recover(self) -> None:
        """After a start: bring up what ran before (a killed sandbox leaves clusters running), resume operations."""
        self.backups.sweep()
        records = [record for _, record in self._store.items(INSTANCES) if record["state"] == "RUNNABLE"]
        await asyncio.gather(*(self._recover(record) for record in records))
        self._store.commit()
        self.operations.resume()

    async def shut_down(self) -> None:
        """Stop all clusters; their data stay."""
        await self.operations.stop()
        await asyncio.gather(*(asyncio.to_thread(cluster.stop) for cluster in self._clusters.values()))

    async def drop_all(self) -> None:
        """Forget every instance, every backup and their data."""
        await self.operations.forget()
        for record in self.backups.all():
            self.backups.drop(record)
        await asyncio.gather(*(self._drop(name) for name in self._store.keys(INSTANCES)))

    async def save_clusters(self, folder: Path) -> None:
        """Copy the data of every instance, and every backup, into a folder that is not there yet. Sessions go on.

        Operations must not run meanwhile: `operations.stop()` before the state is saved, `operations.resume()` after.
        """
        folder.mkdir(mode=0o711, parents=True)
        records = [record for _, record in self._store.items(INSTANCES) if "installed_version" in record]
        copies = [(self._cluster(record), folder / record["id"] / DATA) for record in records]
        await asyncio.gather(
            *(asyncio.to_thread(cluster.copy_data, target) for cluster, target in copies if cluster.data.exists())
        )
        if self.backups.folder.exists():
            await asyncio.to_thread(link_folder, self.backups.folder, folder / BACKUPS)

    async def load_clusters(self, folder: Path) -> None:
        """Let saved data take the place of all there are, and start them. The state must be the saved one already.

        Operations that were unfinished when it was saved are resumed.
        """
        await self.operations.stop()
        await asyncio.gather(*(asyncio.to_thread(cluster.kill) for cluster in self._clusters.values()))
        self._clusters.clear()
        await asyncio.to_thread(self._replace_files, folder)
        self.generation += 1
        await self.recover()

    def _replace_files(self, folder: Path) -> None:
        kept = {saved.name for saved in folder.glob("*")} | {TEMPLATES}
        for old in self._folder.glob("*"):
            if old.name not in kept:
                shutil.rmtree(old)
        shutil.rmtree(self.backups.folder, ignore_errors=True)
        for saved in folder.glob("*"):
            place = self._folder / saved.name / DATA
            if saved.name == BACKUPS:
                link_folder(saved, self.backups.folder)
            elif place.exists():
                renew_folder(saved / DATA, place)
            else:
                make_private(place.parent)
                copy_folder(saved / DATA, place)

    async def _recover(self, record: Json) -> None:
        cluster = self._cluster(record)
        try:
            if is_running(record):
                await asyncio.to_thread(cluster.start, parameters(record))
            else:
                await asyncio.to_thread(cluster.stop)
        except Exception:
            LOG.exception("PostgreSQL of instance %s does not start", record["name"])

    async def _work(self, kind: str, instance: str, payload: Json) -> None:
        if kind == "DELETE":
            await self._delete(instance, payload)
            return
        if kind == "DELETE_BACKUP":
            self._drop_backup(payload["backup"])
            return
        if kind == "UPDATE_BACKUP":
            self._change_backup(payload["backup"], payload["change"])
            return
        record = self._store.get(INSTANCES, instance)
        if record is None:
            raise LookupError(f"instance {instance} is gone")
        works: dict[str, Callable[[Json, Json], Awaitable[None]]] = {
            "CREATE": self._create,
            "CLONE": self._create,
            "RESTORE_VOLUME": self._restore,
            "UPDATE": self._update,
            "RESTART": self._restart,
            "BACKUP_VOLUME": self._back_up,
        }
        if kind not in works:
            raise LookupError("the sandbox was restarted before this was done")
        await works[kind](record, payload)

    def _failed(self, kind: str, instance: str, payload: Json, error: Json) -> None:
        record = self._store.get(INSTANCES, instance)
        if record and record["state"] == PENDING:
            self._store.put(INSTANCES, instance, record | {"state": "FAILED"})
        backup = self.backups.get(payload.get("backup", ""))
        if backup and kind == "BACKUP_VOLUME":
            self.backups.put(backup | {"state": "FAILED", "endTime": timestamp(), "error": error})
        elif backup and kind == "DELETE":
            self.backups.drop(backup)

    async def _create(self, record: Json, payload: Json) -> None:
        """A new instance: empty, as a copy of another one, or from a backup."""
        self._choose_binaries(record)
        cluster = self._cluster(record)
        if fill := self._source(payload):
            await asyncio.to_thread(cluster.replace_data, fill, payload["token"])
        if is_running(record | {"state": "RUNNABLE"}):
            await asyncio.to_thread(cluster.start, parameters(record))
            if root_password := payload.get("rootPassword"):
                await asyncio.to_thread(cluster.set_password, "postgres", root_password)
        self._store.put(INSTANCES, record["name"], record | {"state": "RUNNABLE"})

    def _choose_binaries(self, record: Json) -> None:
        wanted = VERSIONS[record["databaseVersion"]]
        installed = binaries.find(wanted, self._settings.postgres_home)
        if "installed_version" not in record and installed.major != wanted:
            LOG.warning(
                "warning: no PostgreSQL for %s here: instance %s runs %s from %s",
                record["databaseVersion"],
                record["name"],
                installed.cloud_sql_name,
                installed.home,
            )
        record.setdefault("installed_version", installed.cloud_sql_name)
        self._store.put(INSTANCES, record["name"], record)

    def _source(self, payload: Json) -> Callable[[Path], None] | None:
        """How the data of a new or restored instance get there; None: initdb."""
        if uid := payload.get("backup"):
            backup = self.backups.get(uid)
            if backup is None or backup["state"] != SUCCESSFUL:
                raise LookupError(f"backup {uid} is gone")
            return partial(copy_folder, self.backups.data(backup))
        if name := payload.get("source"):
            source = self._store.get(INSTANCES, name)
            if source is None:
                raise LookupError(f"instance {name} is gone")
            return self._cluster(source).copy_data
        return None

    async def _restore(self, record: Json, payload: Json) -> None:
        if record["state"] == PENDING:
            await self._create(record, payload)
            return
        cluster, fill = self._cluster(record), self._source(payload)
        if fill is None:
            raise LookupError("nothing to restore")
        await asyncio.to_thread(cluster.replace_data, fill, payload["token"])
        await asyncio.to_thread(cluster.start, parameters(record))

    async def _restart(self, record: Json, _: Json) -> None:
        await asyncio.to_thread(self._cluster(record).restart, parameters(record))

    async def _update(self, record: Json, payload: Json) -> None:
        before, after = record, record | {"settings": payload["settings"]}
        cluster = self._cluster(record)
        if not is_running(after):
            await asyncio.to_thread(cluster.stop)
        elif payload["restart"] or not is_running(before):
            await asyncio.to_thread(cluster.restart, parameters(after))
        else:
            await asyncio.to_thread(cluster.reload, parameters(after))
        self._store.put(INSTANCES, record["name"], after)

    async def _back_up(self, record: Json, payload: Json) -> None:
        backup = self.backups.get(payload["backup"])
        if backup is None:
            raise LookupError(f"backup {payload['backup']} is gone")
        if backup["state"] == SUCCESSFUL:
            return
        backup |= {"state": "RUNNING", "startTime": timestamp()}
        self.backups.put(backup)
        self._store.commit()
        cluster, target = self._cluster(record), self.backups.clear_place(backup)
        await asyncio.to_thread(cluster.copy_data, target)
        size = str(await asyncio.to_thread(size_of, target))
        self.backups.put(backup | {"state": SUCCESSFUL, "endTime": timestamp(), "maxChargeableBytes": size})
        retention = record["settings"]["backupConfiguration"]["backupRetentionSettings"]
        self.backups.thin_out(record["id"], retention["retainedBackups"])
        self._store.commit()

    async def _delete(self, instance: str, payload: Json) -> None:
        record = self._store.get(INSTANCES, instance)
        if record is None:
            return
        if payload.get("backup") and "installed_version" in record:
            await self._back_up(record, payload)
        await self._drop(instance)
        names.remember(self._store, instance)
        self.backups.outlive(record, retain=payload.get("retain", False))

    async def _drop(self, instance: str) -> None:
        record = self._store.get(INSTANCES, instance)
        if record is not None:
            if "installed_version" in record:
                await asyncio.to_thread(self._cluster(record).drop)
            self._clusters.pop(instance, None)
            self._store.delete(INSTANCES, instance)
            self.generation += 1

    def _drop_backup(self, uid: str) -> None:
        if backup := self.backups.get(uid):
            self.backups.drop(backup)

    def _change_backup(self, uid: str, change: Json) -> None:
        if backup := self.backups.get(uid):
            self.backups.put(backup | change)

    def _cluster(self, record: Json) -> Cluster:
        name = record["name"]
        if name not in self._clusters:
            # The data directory belongs to the major version that made it, whatever is installed by now.
            major = int(record["installed_version"].split("_")[1])
            home = binaries.find(major, self._settings.postgres_home).home
            self._clusters[name] = Cluster(self._folder / record["id"], home)
        return self._clusters[name]


def parameters(record: Json) -> dict[str, str]:
    """postgresql.conf of an instance: the tier's max_connections, then the flags that are PostgreSQL's."""
    tier = find_tier(record["settings"]["tier"])
    values = {"max_connections": str(tier.max_connections)} if tier else {}
    return values | flags.parameters(record["settings"].get("databaseFlags", []))


def is_running(record: Json) -> bool:
    """Whether the instance's PostgreSQL is to run."""
    return bool(record["state"] == "RUNNABLE" and record["settings"]["activationPolicy"] != "NEVER")
