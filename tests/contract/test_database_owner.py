"""A database that is not ours: what the image's login program finds in a real PostgreSQL, and what the role says."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import requests
import yaml

from tests.contract.bench import Bench
from tests.contract.test_playbook import environment

ROOT = Path(__file__).resolve().parents[2]
ROLE = ROOT / "roles" / "tracking_server"
PASSWORD = "corr3ct-horse"
WANTED = "0584bdc529eb"


@pytest.fixture(scope="module")
def socket(furnished: Bench) -> str:
    """Where the instance's PostgreSQL listens; the user that Cloud SQL makes is there."""
    furnished.run("sql_database", instance="db", name="mlflow")
    furnished.run("sql_user", instance="db", name="mlflow_user", password=PASSWORD)
    state = requests.get(f"{furnished.management_url}health", timeout=10).json()["state"]
    (found,) = Path(state, "postgresql").glob("*/socket")
    return str(found)


@contextmanager
def superuser(socket: str, database: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(host=socket, user="cloudsqladmin", dbname=database, autocommit=True) as connection:
        yield connection


@pytest.fixture
def theirs(socket: str) -> Iterator[str]:
    """A database that somebody made by SQL, as a role of theirs, and where the others may make nothing."""
    with superuser(socket, "postgres") as connection:
        connection.execute("CREATE ROLE dba")
        connection.execute("CREATE DATABASE theirs OWNER dba")
        with superuser(socket, "theirs") as inside:
            inside.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        yield "theirs"
        connection.execute("DROP DATABASE theirs")
        connection.execute("DROP ROLE dba")


@pytest.fixture
def look(socket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], dict[str, Any]]:
    """What the program prints, logged in as MLflow would be."""
    # The image has psycopg2, which psycopg 3 stands in for: the same calls, the same libpq.
    monkeypatch.setitem(sys.modules, "psycopg2", psycopg)
    monkeypatch.syspath_prepend(ROLE / "files" / "image")
    monkeypatch.setenv("PGHOST", socket)
    monkeypatch.setenv("PGUSER", "mlflow_user")
    for name in ("connection", "login"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    login = importlib.import_module("login")
    revision = tmp_path / "schema_revision"
    revision.write_text(WANTED)
    monkeypatch.setattr(login, "REVISION", revision)

    def program(database: str) -> dict[str, Any]:
        monkeypatch.setenv("PGDATABASE", database)
        found: dict[str, Any] = login.look(PASSWORD)
        return found

    return program


def test_the_database_that_google_made_is_ours(look: Callable[[str], dict[str, Any]]) -> None:
    found = look("mlflow")
    assert (found["login"], found["owner"], found["obstacle"]) == (True, "cloudsqlsuperuser", "")


TABLE = "CREATE TABLE alembic_version AS SELECT 'old' AS version_num"


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ((), ("permission denied for schema public", None)),
        (("REVOKE USAGE ON SCHEMA public FROM PUBLIC",), ("no schema has been selected to create in", None)),
        ((TABLE,), ("must be owner of table alembic_version", None)),
        ((TABLE, "GRANT SELECT ON alembic_version TO PUBLIC"), ("must be owner of table alembic_version", "old")),
        ((TABLE, "ALTER TABLE alembic_version OWNER TO mlflow_user"), ("permission denied for schema public", "old")),
        (("GRANT ALL ON SCHEMA public TO mlflow_user",), ("", None)),
    ],
)
def test_what_keeps_mlflow_from_its_tables_is_said_in_postgresqls_words(
    socket: str,
    theirs: str,
    look: Callable[[str], dict[str, Any]],
    made: tuple[LiteralString, ...],
    expected: tuple[str, str | None],
) -> None:
    obstacle, schema = expected
    with superuser(socket, theirs) as connection:
        for statement in made:
            connection.execute(statement)
    found = look(theirs)
    assert (found["login"], found["owner"], found["obstacle"]) == (True, "dba", obstacle)
    assert (found["schema"], found["schema_wanted"]) == (schema, WANTED)
    assert said_by_postgresql(socket, theirs) == obstacle


def said_by_postgresql(socket: str, database: str) -> str:
    """What MLflow's first or next step would be answered, tried and rolled back."""
    steps: list[LiteralString] = ["ALTER TABLE IF EXISTS alembic_version ADD x int", "CREATE TABLE x ()"]
    with psycopg.connect(host=socket, user="mlflow_user", password=PASSWORD, dbname=database) as connection:
        try:
            for step in steps:
                connection.execute(step)
        except psycopg.errors.Error as error:
            return str(error.diag.message_primary)
        finally:
            connection.rollback()
    return ""


FOUND = {"login": True, "owner": "dba", "obstacle": "permission denied for schema public", "schema": None}
FOUND |= {"schema_wanted": WANTED}


@pytest.mark.parametrize(
    ("found", "stops"),
    [(FOUND, True), ({**FOUND, "schema": WANTED}, False), ({**FOUND, "obstacle": ""}, False)],
)
def test_the_role_stops_before_the_schema_is_touched(found: dict[str, Any], stops: bool, tmp_path: Path) -> None:
    tasks = yaml.safe_load((ROLE / "tasks" / "login.yml").read_text())
    (task,) = (task for task in tasks if task["name"] == "Stop where MLflow could not make its tables")
    names = {"database": "theirs", "instance_connection": "p:europe-west3:db"}
    variables: dict[str, Any] = {f"tracking_server_{name}": value for name, value in names.items()}
    variables |= {
        "tracking_server__found": found,
        "tracking_server__user": "mlflow_user",
        "tracking_server__iam": False,
    }
    play = [{"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": [task]}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play))
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False)
    assert done.returncode == (2 if stops else 0), done.stdout + done.stderr
    if stops:
        (line,) = (line for line in (done.stdout + done.stderr).splitlines() if line.startswith("[ERROR]: "))
        assert "The database theirs of p:europe-west3:db belongs to dba" in line
        assert 'PostgreSQL says "permission denied for schema public". Nothing was written there.' in line
        assert "run `GRANT ALL ON SCHEMA public TO mlflow_user`" in line
