"""The sandbox's state in one place: JSON documents in SQLite, committed before an answer goes out."""

import fcntl
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sandbox.core.documents import Json, duplicate


class StateInUseError(Exception):
    """Another sandbox process serves this state directory."""


class Store:
    """Collections of documents, in memory and on disk. Only the event loop's thread may use it.

    Changes of one request are made without awaiting in between, so `commit` (called by the dispatcher before each
    answer) never writes half of another request's change.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = (directory / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateInUseError(f"{directory} is served by another sandbox process") from error
        path = directory / "state.sqlite"
        path.touch(mode=0o600)
        self._database = sqlite3.connect(path, isolation_level=None)
        # A killed process loses nothing without fsync; only a power cut could, and the sandbox is throw-away.
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=OFF")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS documents (collection TEXT, key TEXT, document TEXT, UNIQUE (collection, key))"
        )
        self._collections: dict[str, dict[str, Json]] = {}
        for collection, key, document in self._database.execute(
            "SELECT collection, key, document FROM documents ORDER BY rowid"
        ):
            self._collections.setdefault(collection, {})[key] = json.loads(document)

    def get(self, collection: str, key: str) -> Json | None:
        """A copy of the document, or None."""
        return duplicate(self._collections.get(collection, {}).get(key))

    def has(self, collection: str, key: str) -> bool:
        """Whether the document exists (cheaper than `get`)."""
        return key in self._collections.get(collection, {})

    def items(self, collection: str, prefix: str = "") -> Iterator[tuple[str, Json]]:
        """Copies of a collection's documents whose key starts with `prefix`, oldest first."""
        for key in self.keys(collection, prefix):
            yield key, duplicate(self._collections[collection][key])

    def keys(self, collection: str, prefix: str = "") -> list[str]:
        """The keys that start with `prefix`, oldest first."""
        return [key for key in self._collections.get(collection, {}) if key.startswith(prefix)]

    def put(self, collection: str, key: str, document: Json) -> None:
        """Create or replace a document."""
        self._begin()
        self._database.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET document = excluded.document",
            (collection, key, json.dumps(document)),
        )
        self._collections.setdefault(collection, {})[key] = duplicate(document)

    def delete(self, collection: str, key: str) -> None:
        """Forget a document; one that is not there is no error."""
        self._begin()
        self._database.execute("DELETE FROM documents WHERE collection = ? AND key = ?", (collection, key))
        self._collections.get(collection, {}).pop(key, None)

    def clear(self, *, keep: frozenset[str]) -> None:
        """Forget every collection but those named in `keep`."""
        for collection in set(self._collections) - keep:
            for key in self.keys(collection):
                self.delete(collection, key)

    def dump(self) -> dict[str, dict[str, Json]]:
        """A copy of everything."""
        return duplicate(self._collections)

    def replace(self, collections: dict[str, dict[str, Json]]) -> None:
        """Let this be everything; committed as one."""
        self._begin()
        self._database.execute("DELETE FROM documents")
        self._database.executemany(
            "INSERT INTO documents VALUES (?, ?, ?)",
            (
                (collection, key, json.dumps(document))
                for collection, documents in collections.items()
                for key, document in documents.items()
            ),
        )
        self._collections = duplicate(collections)
        self.commit()

    def commit(self) -> None:
        """Make everything so far survive a kill."""
        if self._database.in_transaction:
            self._database.execute("COMMIT")

    def close(self) -> None:
        """Commit and let go of the state directory."""
        self.commit()
        self._database.close()
        self._lock.close()

    def _begin(self) -> None:
        if not self._database.in_transaction:
            self._database.execute("BEGIN")
