"""The engine behind Cloud SQL: what it copies is whole, and what it is interrupted in is done once."""

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cloudsql.backups import BACKUPS, ON_DEMAND
from sandbox.cloudsql.engine import INSTANCES, Engine
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.postgres.binaries import install
from sandbox.postgres.cluster import Cluster
from sandbox.tests.running import CACHE


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that PostgreSQL's unprivileged user can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="engine-", dir="/var/tmp"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


def an_instance(name: str) -> Json:
    """What the API would record."""
    retention = {"retainedBackups": 7, "retentionUnit": "COUNT"}
    settings: Json = {"tier": "db-f1-micro", "activationPolicy": "ALWAYS", "databaseFlags": []}
    settings |= {"backupConfiguration": {"backupRetentionSettings": retention}}
    return {"name": name, "region": "europe-west3", "databaseVersion": "POSTGRES_14", "settings": settings}


def an_engine(state: Path) -> tuple[Engine, Store]:
    """On an empty state."""
    store = Store(state)
    return Engine(Settings(state, postgres_home=install(CACHE), operation_seconds=0), store), store


async def all_done(store: Store) -> None:
    """Wait until every operation is DONE, and none in error."""
    while any(record["operation"]["status"] != "DONE" for _, record in store.items("operations")):
        await asyncio.sleep(0.02)
    assert [record for _, record in store.items("operations") if "error" in record["operation"]] == []


def databases(cluster: Cluster) -> set[str]:
    """Their names."""
    return {database.name for database in cluster.databases()}


def test_saved_clusters_come_back_while_others_go(state: Path) -> None:
    async def story() -> None:
        engine, store = an_engine(state)
        for name in ("first", "second"):
            engine.add(an_instance(name), "me", {})
        await all_done(store)
        await engine.run("first", lambda c: c.create_database("kept"))
        backup = engine.backups.add(store.get(INSTANCES, "first") or {}, ON_DEMAND)
        engine.operations.begin("BACKUP_VOLUME", "first", "me", {"backup": backup["uid"]})
        await all_done(store)
        records, backups = dict(store.items(INSTANCES)), dict(store.items(BACKUPS))
        await engine.save_clusters(state / "saved" / "one")

        engine.backups.drop(backup)
        await engine.run("first", lambda c: c.drop_database("kept"))
        await engine.run("second", lambda c: c.create_database("late"))
        engine.add(an_instance("third"), "me", {})
        await all_done(store)
        store.clear(keep=frozenset({"pki"}))
        for name, record in records.items():
            store.put(INSTANCES, name, record)
        store.put(BACKUPS, backup["uid"], backups[backup["uid"]])
        await engine.load_clusters(state / "saved" / "one")

        assert await engine.run("first", databases) == {"postgres", "kept"}
        assert await engine.run("second", databases) == {"postgres"}
        assert (engine.backups.data(backup) / "PG_VERSION").exists()
        folders = {path.name for path in (state / "postgresql").iterdir()} - {"templates"}
        assert folders == {record["id"] for record in records.values()}
        await engine.shut_down()
        store.close()

    asyncio.run(story())


def write(cluster: Cluster, stop: threading.Event) -> None:
    """Transactions that each write two tables."""
    with cluster.connection() as writer:
        while not stop.is_set():
            with writer.transaction():
                writer.execute("INSERT INTO one SELECT generate_series(1, 100)")
                writer.execute("INSERT INTO two SELECT generate_series(1, 100)")
            # A checkpoint between two files makes a careless copy miss what the later one has.
            writer.execute("CHECKPOINT")


def test_a_copy_taken_while_somebody_writes_is_consistent(state: Path) -> None:
    home, stop = install(CACHE), threading.Event()
    source, copy = Cluster(state / "source", home), Cluster(state / "copy", home)
    source.start({})
    writer = threading.Thread(target=write, args=(source, stop))
    try:
        source.execute("CREATE TABLE one (number int)", "CREATE TABLE two (number int)")
        writer.start()
        time.sleep(0.2)
        copy.replace_data(source.copy_data, "token")
        copy.start({})
        with copy.connection() as reader:
            row = reader.execute("SELECT (SELECT count(*) FROM one), (SELECT count(*) FROM two)").fetchone()
        assert row is not None
        assert row[0] == row[1] > 0, "both halves of each transaction, or none"
        assert (copy.data / "backup_label.old").exists(), "PostgreSQL has replayed the log from where the copy began"
    finally:
        stop.set()
        writer.join()
        source.drop()
        copy.drop()


def test_data_are_replaced_once_under_one_token(state: Path) -> None:
    home = install(CACHE)
    source, target = Cluster(state / "source", home), Cluster(state / "target", home)
    source.start({})
    target.start({})
    try:
        source.create_database("copied")
        target.replace_data(source.copy_data, "first")
        target.start({})
        target.create_database("written-since")
        target.replace_data(source.copy_data, "first")
        assert databases(target) == {"postgres", "copied", "written-since"}
        target.replace_data(source.copy_data, "second")
        target.start({})
        assert databases(target) == {"postgres", "copied"}
    finally:
        source.drop()
        target.drop()
