"""Backups made real: a record in the state and a copy of the cluster's data each.

One record serves both of Google's views: a backup run of its instance, and a backup of the project, which a final or
retained one stays when its instance is gone.
"""

import datetime as dt
import secrets
import shutil
from pathlib import Path

from sandbox.core.documents import Json, timestamp
from sandbox.core.store import Store

BACKUPS = "backups"
ON_DEMAND, AUTOMATED, FINAL = "ON_DEMAND", "AUTOMATED", "FINAL"
SUCCESSFUL = "SUCCESSFUL"
# What describes the instance in a backup: all that a new instance can be made of.
SETTINGS = ("name", "region", "databaseVersion", "settings", "installed_version")


class Backups:
    """All backups of the project."""

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self.folder = folder

    def add(self, instance: Json, kind: str, **given: str | None) -> Json:
        """Record a backup that is about to be taken. `given`: description, location, expiryTime."""
        now = dt.datetime.now(dt.UTC)
        run = int(now.timestamp() * 1000)
        while any(record["run"] == str(run) for record in self.all()):
            run += 1
        record = {
            "uid": secrets.token_hex(16),
            "run": str(run),
            "type": kind,
            "state": "ENQUEUED",
            "instance": instance["name"],
            "instance_id": instance["id"],
            "source": {name: instance[name] for name in SETTINGS if name in instance},
            "enqueuedTime": timestamp(now),
            "windowStartTime": timestamp(now),
            "location": given.pop("location", None) or _multi_region(instance["region"]),
            **{name: value for name, value in given.items() if value},
        }
        self.put(record)
        return record

    def put(self, record: Json) -> None:
        """Save a record."""
        self._store.put(BACKUPS, record["uid"], record)

    def get(self, uid: str) -> Json | None:
        """The backup of that name."""
        record = self._store.get(BACKUPS, uid)
        return None if record is None or _has_expired(record) else record

    def all(self) -> list[Json]:
        """Every backup that has not expired, newest first."""
        records = [record for _, record in self._store.items(BACKUPS)]
        return [record for record in reversed(records) if not _has_expired(record)]

    def of(self, instance_id: str) -> list[Json]:
        """Those of one instance, newest first."""
        return [record for record in self.all() if record["instance_id"] == instance_id]

    def data(self, record: Json) -> Path:
        """The copied cluster."""
        return self.folder / str(record["uid"]) / "data"

    def clear_place(self, record: Json) -> Path:
        """Where to put the copy; what an interrupted attempt left there is gone."""
        shutil.rmtree(self.folder / record["uid"], ignore_errors=True)
        return self.data(record)

    def drop(self, record: Json) -> None:
        """Forget a backup and its data. Only on the event loop; the files go first, so nothing is left behind."""
        shutil.rmtree(self.folder / record["uid"], ignore_errors=True)
        self._store.delete(BACKUPS, record["uid"])

    def thin_out(self, instance_id: str, kept: int) -> None:
        """Drop the oldest automated backups of an instance beyond those to keep."""
        automated = [one for one in self.of(instance_id) if one["type"] == AUTOMATED and one["state"] == SUCCESSFUL]
        for record in automated[kept:]:
            self.drop(record)

    def outlive(self, instance: Json, *, retain: bool) -> None:
        """An instance goes: its backups go too, but for its final one and, if they are to be retained, all."""
        for record in self.of(instance["id"]):
            if record["type"] == FINAL or retain:
                self.put(record | {"instanceDeletionTime": timestamp()})
            else:
                self.drop(record)

    def sweep(self) -> None:
        """Drop what has expired, and files that no record knows (a kill leaves such)."""
        for _, record in list(self._store.items(BACKUPS)):
            if _has_expired(record):
                self.drop(record)
        for folder in self.folder.glob("*"):
            if not self._store.has(BACKUPS, folder.name):
                shutil.rmtree(folder)


def _multi_region(region: str) -> str:
    """Where Google keeps backups by default: https://cloud.google.com/sql/docs/postgres/backup-recovery/backups."""
    continent = region.partition("-")[0]
    return {"europe": "eu", "us": "us", "asia": "asia"}.get(continent, region)


def _has_expired(record: Json) -> bool:
    expiry = record.get("expiryTime")
    return expiry is not None and dt.datetime.fromisoformat(expiry) <= dt.datetime.now(dt.UTC)
