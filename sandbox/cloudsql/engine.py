"""Cloud SQL's instances made real: a record in the state and a PostgreSQL cluster each, and their operations' work."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sandbox.cloudsql.certificates import Authority
from sandbox.cloudsql.flags import FLAGS
from sandbox.cloudsql.operations import Operations
from sandbox.cloudsql.tiers import VERSIONS, find_tier
from sandbox.core.documents import Json, timestamp
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.postgres import binaries
from sandbox.postgres.cluster import Cluster

LOG = logging.getLogger(__name__)
INSTANCES = "instances"
PKI = "pki"
Result = TypeVar("Result")


class NotRunningError(Exception):
    """The instance is stopped (activationPolicy NEVER) or its creation failed."""


class Engine:
    """All instances of the sandbox."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._clusters: dict[str, Cluster] = {}
        self.operations = Operations(store, settings.project, settings.operation_seconds, self._work)
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

    def add(self, instance: Json, root_password: str | None, user: str) -> Json:
        """Record a new instance and start its creation; returns the operation."""
        self.operations.refuse_if_busy(instance["name"])
        identity = secrets.token_hex(6)
        record = instance | {
            "id": identity,
            "state": "PENDING_CREATE",
            "createTime": timestamp(),
            "client_ca": Authority.create(f"Google Cloud SQL Signing CA {identity}").dump(),
        }
        self._store.put(INSTANCES, instance["name"], record)
        self.generation += 1
        return self.operations.begin("CREATE", instance["name"], user, {"rootPassword": root_password})

    async def run(self, instance: str, action: Callable[[Cluster], Result]) -> Result:
        """Run blocking SQL work on a running instance's cluster."""
        record = self._store.get(INSTANCES, instance)
        cluster = self._clusters.get(instance)
        if record is None or cluster is None or not _should_run(record):
            raise NotRunningError(instance)
        return await asyncio.to_thread(action, cluster)

    def socket(self, instance: str) -> Path | None:
        """Where the instance's PostgreSQL listens; None while it has none."""
        cluster = self._clusters.get(instance)
        return cluster.socket if cluster else None

    async def recover(self) -> None:
        """After a start: bring up what ran before (a killed sandbox leaves clusters running), resume operations."""
        records = [record for _, record in self._store.items(INSTANCES) if record["state"] == "RUNNABLE"]
        await asyncio.gather(*(self._recover(record) for record in records))
        self._store.commit()
        self.operations.resume()

    async def shut_down(self) -> None:
        """Stop all clusters; their data stay."""
        await self.operations.stop()
        await asyncio.gather(*(asyncio.to_thread(cluster.stop) for cluster in self._clusters.values()))

    async def drop_all(self) -> None:
        """Forget every instance and its data."""
        await self.operations.stop()
        for name in self._store.keys(INSTANCES):
            await self._delete(name)

    async def _recover(self, record: Json) -> None:
        cluster = self._cluster(record)
        try:
            if _should_run(record):
                await asyncio.to_thread(cluster.start, parameters(record))
            else:
                await asyncio.to_thread(cluster.stop)
        except Exception:
            LOG.exception("PostgreSQL of instance %s does not start", record["name"])

    async def _work(self, kind: str, instance: str, payload: Json) -> None:
        if kind == "DELETE":
            await self._delete(instance)
            return
        record = self._store.get(INSTANCES, instance)
        if record is None:
            raise LookupError(f"instance {instance} is gone")
        if kind == "CREATE":
            await self._create(record, payload["rootPassword"])
        elif kind == "UPDATE":
            await self._update(record, payload)
        elif kind == "RESTART":
            await asyncio.to_thread(self._cluster(record).restart, parameters(record))

    async def _create(self, record: Json, root_password: str | None) -> None:
        installed = binaries.find(VERSIONS[record["databaseVersion"]], self._settings.postgres_home)
        if installed.major != VERSIONS[record["databaseVersion"]]:
            LOG.warning(
                "warning: no PostgreSQL for %s here: instance %s runs %s from %s",
                record["databaseVersion"],
                record["name"],
                installed.cloud_sql_name,
                installed.home,
            )
        record |= {"installed_version": installed.cloud_sql_name, "state": "FAILED"}
        try:
            cluster = self._cluster(record)
            await asyncio.to_thread(cluster.start, parameters(record))
            if root_password:
                await asyncio.to_thread(cluster.set_password, "postgres", root_password)
            record["state"] = "RUNNABLE"
        finally:
            self._store.put(INSTANCES, record["name"], record)

    async def _update(self, record: Json, payload: Json) -> None:
        before, after = record, record | {"settings": payload["settings"]}
        cluster = self._cluster(record)
        if not _should_run(after):
            await asyncio.to_thread(cluster.stop)
        elif payload["restart"] or not _should_run(before):
            await asyncio.to_thread(cluster.restart, parameters(after))
        else:
            await asyncio.to_thread(cluster.reload, parameters(after))
        self._store.put(INSTANCES, record["name"], after)

    async def _delete(self, instance: str) -> None:
        record = self._store.get(INSTANCES, instance)
        if record is not None:
            if "installed_version" in record:
                await asyncio.to_thread(self._cluster(record).drop)
            self._clusters.pop(instance, None)
            self._store.delete(INSTANCES, instance)
            self.generation += 1

    def _cluster(self, record: Json) -> Cluster:
        name = record["name"]
        if name not in self._clusters:
            # The data directory belongs to the major version that made it, whatever is installed by now.
            major = int(record["installed_version"].split("_")[1])
            home = binaries.find(major, self._settings.postgres_home).home
            self._clusters[name] = Cluster(self._settings.state / "postgresql" / record["id"], home)
        return self._clusters[name]


def parameters(record: Json) -> dict[str, str]:
    """postgresql.conf of an instance: the tier's max_connections, then the flags that are PostgreSQL's."""
    tier = find_tier(record["settings"]["tier"])
    values = {"max_connections": str(tier.max_connections)} if tier else {}
    for flag in record["settings"].get("databaseFlags", []):
        if FLAGS[flag["name"]].parameter:
            values[flag["name"]] = flag["value"]
    return values


def _should_run(record: Json) -> bool:
    return bool(record["state"] == "RUNNABLE" and record["settings"]["activationPolicy"] != "NEVER")
