"""One real PostgreSQL cluster as Cloud SQL sets it up, on a private unix socket. Blocking: call it from a thread."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

ADMIN = "cloudsqladmin"
SUPERUSER = "cloudsqlsuperuser"
IAM_GROUPS = {"CLOUD_IAM_USER": "cloudsqliamuser", "CLOUD_IAM_SERVICE_ACCOUNT": "cloudsqliamserviceaccount"}
UNPRIVILEGED = "nobody"
PORT = 5432
LONGEST_SOCKET_PATH = 107

# Only the relay reaches the socket (its directory is 0700): it lets nobody in as cloudsqladmin and checks IAM logins.
HBA = """\
local all cloudsqladmin trust
local all +cloudsqliamserviceaccount trust
local all +cloudsqliamuser trust
local all all scram-sha-256
"""

BOOTSTRAP: LiteralString = """
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') THEN
    CREATE ROLE cloudsqlsuperuser CREATEDB CREATEROLE;
    CREATE ROLE cloudsqliamuser;
    CREATE ROLE cloudsqliamserviceaccount;
    CREATE ROLE postgres LOGIN CREATEDB CREATEROLE IN ROLE cloudsqlsuperuser;
    ALTER DATABASE postgres OWNER TO cloudsqlsuperuser;
  END IF;
END $$
"""


class ClusterError(Exception):
    """PostgreSQL refused or could not be started; the text is its own."""


class SocketPathError(Exception):
    """The state directory's path is too long for a unix socket."""


@dataclass(frozen=True)
class Database:
    """A database as PostgreSQL lists it."""

    name: str
    charset: str


@dataclass(frozen=True)
class User:
    """A login role and its Cloud SQL type."""

    name: str
    type: str


class Cluster:
    """initdb, start, stop, and the SQL behind the API's databases and users (PostgreSQL is the truth for both)."""

    def __init__(self, directory: Path, binaries: Path) -> None:
        self.directory = directory
        self._data = directory / "data"
        self.socket_directory = directory / "socket"
        self._bin = binaries / "bin"
        if len(str(self.socket)) > LONGEST_SOCKET_PATH:
            raise SocketPathError(
                f"{self.socket} is longer than {LONGEST_SOCKET_PATH} characters: use a shorter state directory"
            )

    @property
    def socket(self) -> Path:
        """The unix socket that PostgreSQL listens on."""
        return self.socket_directory / f".s.PGSQL.{PORT}"

    def start(self, parameters: dict[str, str]) -> None:
        """Create the cluster if need be, then start it; one that already runs (its sandbox was killed) is adopted."""
        self._create()
        self._configure(parameters)
        if not self.is_running():
            log = self.directory / "postgresql.log"
            self._run("pg_ctl", "start", "--wait", "--timeout=120", "-D", str(self._data), "-l", str(log))
        self._execute(BOOTSTRAP)

    def stop(self) -> None:
        """Stop it, ending its sessions."""
        if self.is_running():
            self._run("pg_ctl", "stop", "--wait", "--mode=fast", "-D", str(self._data))

    def restart(self, parameters: dict[str, str]) -> None:
        """Stop and start with these parameters."""
        self.stop()
        self.start(parameters)

    def reload(self, parameters: dict[str, str]) -> None:
        """Apply parameters that need no restart."""
        self._configure(parameters)
        self._run("pg_ctl", "reload", "-D", str(self._data))

    def drop(self) -> None:
        """Stop it and delete its files."""
        if self._data.exists():
            if self.is_running():
                self._run("pg_ctl", "stop", "--wait", "--mode=immediate", "-D", str(self._data))
            shutil.rmtree(self.directory)

    def is_running(self) -> bool:
        """Whether a postmaster owns the data directory now."""
        command = [str(self._bin / "pg_ctl"), "status", "-D", str(self._data)]
        return _as_unprivileged(command).returncode == 0

    def set_password(self, role: str, password: str) -> None:
        """Set a role's password."""
        statement = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password))
        self._execute(statement)

    def databases(self) -> list[Database]:
        """All databases but templates."""
        query: LiteralString = (
            "SELECT datname, pg_encoding_to_char(encoding) FROM pg_database WHERE NOT datistemplate ORDER BY datname"
        )
        with self._connection() as connection:
            return [Database(*row) for row in connection.execute(query)]

    def create_database(self, name: str) -> None:
        """A new database, owned by cloudsqlsuperuser as Cloud SQL's are."""
        statement = sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(SUPERUSER))
        self._execute(statement)

    def drop_database(self, name: str) -> None:
        """Drop it; PostgreSQL refuses while somebody is connected."""
        self._execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))

    def users(self) -> list[User]:
        """All login roles but Cloud SQL's own."""
        query: LiteralString = (
            "SELECT r.rolname, coalesce((SELECT g.rolname FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid "
            "WHERE m.member = r.oid AND g.rolname LIKE 'cloudsqliam%%' LIMIT 1), '') "
            "FROM pg_roles r WHERE r.rolcanlogin AND r.rolname <> %s ORDER BY r.oid"
        )
        types = {group: kind for kind, group in IAM_GROUPS.items()}
        with self._connection() as connection:
            return [User(name, types.get(group, "BUILT_IN")) for name, group in connection.execute(query, (ADMIN,))]

    def create_user(self, name: str, password: str | None, groups: list[str]) -> None:
        """A built-in user: may create databases and roles, member of `groups`."""
        role = sql.Identifier(name)
        self._execute(
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(role, sql.Literal(password)),
            *(sql.SQL("GRANT {} TO {}").format(sql.Identifier(group), role) for group in groups),
        )

    def create_iam_user(self, name: str, kind: str) -> None:
        """An IAM user: logs in by token, starts with no grants."""
        group = sql.Identifier(IAM_GROUPS[kind])
        self._execute(sql.SQL("CREATE ROLE {} LOGIN IN ROLE {}").format(sql.Identifier(name), group))

    def drop_user(self, name: str) -> None:
        """Drop the role; PostgreSQL refuses while objects depend on it."""
        self._execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))

    def _create(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.socket_directory.mkdir(mode=0o700, exist_ok=True)
        _give_away(self.directory, self.socket_directory)
        if self._data.exists():
            return
        # A killed initdb leaves a half-made directory: only a finished one gets the real name.
        unfinished = self.directory / "initdb"
        shutil.rmtree(unfinished, ignore_errors=True)
        options = [f"--username={ADMIN}", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync"]
        self._run("initdb", "-D", str(unfinished), *options)
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("include 'cloudsql.conf'\n")
        self._write(unfinished / "pg_hba.conf", HBA)
        self._write(unfinished / "cloudsql.conf", "")
        unfinished.rename(self._data)

    def _configure(self, parameters: dict[str, str]) -> None:
        fixed = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "password_encryption": "scram-sha-256",
            "shared_buffers": "32MB",
            "fsync": "off",
            "full_page_writes": "off",
        }
        lines = [f"{name} = {_quote(value)}\n" for name, value in {**parameters, **fixed}.items()]
        self._write(self._data / "cloudsql.conf", "".join(lines))

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        _give_away(path)

    def _run(self, program: str, *arguments: str) -> None:
        done = _as_unprivileged([str(self._bin / program), *arguments])
        if done.returncode:
            raise ClusterError(f"{program}: {(done.stderr or done.stdout).strip()}")

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection]:
        try:
            with psycopg.connect(
                host=str(self.socket_directory), port=PORT, user=ADMIN, dbname="postgres", autocommit=True
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise ClusterError(_words(error)) from error

    def _execute(self, *statements: LiteralString | sql.Composed) -> None:
        with self._connection() as connection:
            for statement in statements:
                connection.execute(statement)


def version_of(binaries: Path) -> tuple[int, int]:
    """Major and minor version of the PostgreSQL in a folder. Proves too that the unprivileged user can run it."""
    done = _as_unprivileged([str(binaries / "bin" / "postgres"), "--version"])
    if done.returncode:
        raise ClusterError(f"{binaries}/bin/postgres does not run: {done.stderr.strip()}")
    # postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    major, _, minor = done.stdout.split("(PostgreSQL)")[1].split()[0].partition(".")
    return int(major), int(minor or 0)


def require_reachable(folder: Path) -> None:
    """Refuse a folder that PostgreSQL's unprivileged user cannot pass through. Raises ClusterError."""
    if _as_unprivileged(["test", "-x", str(folder)]).returncode:
        raise ClusterError(f"the user {_user()} cannot reach {folder}: every folder above it needs o+x")


def _as_unprivileged(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a PostgreSQL program: as `nobody` when root, since PostgreSQL refuses root."""
    account = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        return subprocess.run(
            command,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except PermissionError as error:
        raise ClusterError(f"the user {_user()} may not run {command[0]}: every folder above it needs o+x") from error


def _user() -> str:
    return UNPRIVILEGED if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def _give_away(*paths: Path) -> None:
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _words(error: psycopg.Error) -> str:
    diagnostics = [error.diag.message_primary, error.diag.message_detail]
    return " Details: ".join(text for text in diagnostics if text) or str(error).strip()
