"""Read which schema revision the local backend store has, beside the one that this MLflow wants: one line of JSON.

MLflow's files have no revision: they are there or not. Nothing is written, and MLflow itself, which takes seconds, is
not imported.
"""

import contextlib
import json
import os
import pathlib
import sqlite3

import login

FILES = "files"


def sqlite_revision(path: str) -> str | None:
    """The Alembic revision of a database, or None where there is no database or MLflow has never been in it."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as opened:
            row = opened.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.OperationalError:
        return None
    return str(row[0]) if row else None


def look(uri: str) -> dict[str, object]:
    """What is there, in the terms of login.look."""
    scheme, path = uri.split("://", 1)
    if scheme == "file":
        found, wanted = FILES if any(pathlib.Path(path).glob("*/meta.yaml")) else None, FILES
    else:
        found, wanted = sqlite_revision(path.removeprefix("/")), login.REVISION.read_text().strip()
    return {"login": True, "reason": "", "schema": found, "schema_wanted": wanted}


if __name__ == "__main__":
    print(json.dumps(look(os.environ["_MLFLOW_SERVER_FILE_STORE"])))
