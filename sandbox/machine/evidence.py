"""What PostgreSQL and the bucket themselves hold of a run: read past MLflow, to compare with what was logged."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import requests
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from sandbox.machine.errors import SandboxError

_ADMIN = "cloudsqladmin"  # the cluster's superuser, whom only its private socket lets in
_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_COUNTS = """
SELECT (SELECT count(*) FROM runs WHERE run_uuid = %(run)s),
       (SELECT count(*) FROM params WHERE run_uuid = %(run)s),
       (SELECT count(*) FROM metrics WHERE run_uuid = %(run)s)
"""


@dataclass(frozen=True)
class Counts:
    """Of one run."""

    runs: int
    params: int
    metrics: int
    artifact_files: int
    artifact_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.runs} run, {self.params} parameters, {self.metrics} metric values, "
            f"{self.artifact_files} artifacts of {self.artifact_bytes} bytes"
        )


def stored(card: dict[str, Any], run_id: str) -> Counts:
    """Counts of a run, from the databases and the buckets of a sandbox."""
    rows = _database_counts(Path(card["state_dir"]), run_id)
    sizes = list(_object_sizes(card, run_id))
    return Counts(*rows, artifact_files=len(sizes), artifact_bytes=sum(sizes))


def listed(server: str, run_id: str, path: str = "") -> tuple[int, int]:
    """How many artifacts of a run MLflow lists, and their bytes."""
    with requests.Session() as session:
        session.trust_env = False
        query = {"run_id": run_id, "path": path}
        reply = session.get(f"{server}/api/2.0/mlflow/artifacts/list", params=query, timeout=30)
        reply.raise_for_status()
    files = size = 0
    for one in reply.json().get("files", []):
        found = listed(server, run_id, one["path"]) if one["is_dir"] else (1, int(one["file_size"]))
        files, size = files + found[0], size + found[1]
    return files, size


def _database_counts(state: Path, run_id: str) -> tuple[int, int, int]:
    for socket in sorted(state.rglob(".s.PGSQL.5432")):
        for database in _databases(socket.parent):
            with _connect(socket.parent, database) as connection:
                if connection.execute("SELECT to_regclass('runs')").fetchone() == (None,):
                    continue
                runs, params, metrics = connection.execute(_COUNTS, {"run": run_id}).fetchone() or (0, 0, 0)
                if runs:
                    return runs, params, metrics
    raise SandboxError(f"No PostgreSQL database of the sandbox holds run {run_id}.")


def _databases(socket: Path) -> list[str]:
    with _connect(socket, "postgres") as connection:
        rows = connection.execute("SELECT datname FROM pg_database WHERE NOT datistemplate").fetchall()
    return [name for (name,) in rows]


def _connect(socket: Path, database: str) -> psycopg.Connection[Any]:
    return psycopg.connect(host=str(socket), user=_ADMIN, dbname=database, autocommit=True)


def _object_sizes(card: dict[str, Any], run_id: str) -> Iterator[int]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {token(Path(card['operator']['key_file']))}"
        root = card["endpoints"]["storage"]
        for bucket in _items(session, f"{root}b", {"project": card["project"]}):
            for item in _items(session, f"{root}b/{quote(bucket['name'], safe='')}/o", {}):
                if run_id in item["name"].split("/"):
                    yield int(item["size"])


def _items(session: requests.Session, url: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
    page: dict[str, Any] = {"nextPageToken": ""}
    while "nextPageToken" in page:
        token = {"pageToken": page["nextPageToken"]} if page["nextPageToken"] else {}
        reply = session.get(url, params=query | token, timeout=30)
        if not reply.ok:
            raise SandboxError(f"GET {url} answered {reply.status_code}: {reply.text[:200]}")
        page = reply.json()
        yield from page.get("items", [])


def token(key_file: Path) -> str:
    """A token of the operator, and nothing else of google-auth, which would ask Google about the account."""
    information = json.loads(key_file.read_text())
    credentials = service_account.Credentials.from_service_account_info(information, scopes=[_SCOPE])
    credentials.refresh(Request())
    return str(credentials.token)
