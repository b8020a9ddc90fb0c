"""The files and the process of one PostgreSQL cluster, on a private unix socket. Blocking: call it from a thread."""

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import LiteralString

import psycopg
from psycopg import sql

from sandbox.postgres.copies import copy_folder, copy_into
from sandbox.postgres.processes import ClusterError, as_unprivileged, give_away, make_private, run

ADMIN = "cloudsqladmin"
PORT = 5432
DATA, TEMPLATES = "data", "templates"
LONGEST_SOCKET_PATH = 107
# Only the relay reaches the socket (its directory is 0700): it lets nobody in as cloudsqladmin and checks IAM logins.
HBA = """\
local all cloudsqladmin trust
local all +cloudsqliamserviceaccount trust
local all +cloudsqliamuser trust
local all all scram-sha-256
"""
# Small segments: a cluster is copied for each backup, clone and snapshot.
INITDB = (f"--username={ADMIN}", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust", "--no-sync", "--wal-segsize=1")
FIRST_WITH_RENAMED_BACKUP_FUNCTIONS = 15
_initdb = threading.Lock()


class SocketPathError(Exception):
    """The state directory's path is too long for a unix socket."""


class Server:
    """initdb, start, stop, copy and replace."""

    def __init__(self, directory: Path, binaries: Path) -> None:
        self.directory = directory
        self.data = directory / DATA
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
            run(self._bin / "pg_ctl", "start", "--wait", "--timeout=120", "-D", str(self.data), "-l", str(log))

    def stop(self) -> None:
        """Stop it, ending its sessions."""
        if self.is_running():
            run(self._bin / "pg_ctl", "stop", "--wait", "--mode=fast", "-D", str(self.data))

    def restart(self, parameters: dict[str, str]) -> None:
        """Stop and start with these parameters."""
        self.stop()
        self.start(parameters)

    def reload(self, parameters: dict[str, str]) -> None:
        """Apply parameters that need no restart."""
        self._configure(parameters)
        run(self._bin / "pg_ctl", "reload", "-D", str(self.data))

    def kill(self) -> None:
        """End it at once: its data are not wanted any more."""
        if self.data.exists() and self.is_running():
            run(self._bin / "pg_ctl", "stop", "--wait", "--mode=immediate", "-D", str(self.data))

    def drop(self) -> None:
        """Stop it and delete its files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def is_running(self) -> bool:
        """Whether a postmaster owns the data directory now."""
        command = [str(self._bin / "pg_ctl"), "status", "-D", str(self.data)]
        return as_unprivileged(command).returncode == 0

    def copy_data(self, target: Path) -> None:
        """A consistent copy of all data as a cluster that can be started. Sessions go on meanwhile.

        https://www.postgresql.org/docs/14/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP (non-exclusive).
        """
        if not self.is_running():
            copy_folder(self.data, target)
            return
        unfinished = target.with_name(f"{target.name}.online")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        with self.connection() as connection:
            renamed = connection.info.server_version >= FIRST_WITH_RENAMED_BACKUP_FUNCTIONS * 10000
            self._copy_online(connection, unfinished, renamed=renamed)
        unfinished.rename(target)

    def replace_data(self, fill: Callable[[Path], None], token: str) -> None:
        """Let what `fill` puts into a folder take the data's place. Done twice under one token, it happens once."""
        mark = self.data / "replaced"
        if mark.exists() and mark.read_text() == token:
            return
        incoming, outgoing = self.directory / "incoming", self.directory / "outgoing"
        shutil.rmtree(incoming, ignore_errors=True)
        shutil.rmtree(outgoing, ignore_errors=True)
        make_private(self.directory)
        make_private(self.socket_directory)
        fill(incoming)
        self._write(incoming / "replaced", token)
        if self.data.exists():
            self.kill()
            self.data.rename(outgoing)
        incoming.rename(self.data)
        shutil.rmtree(outgoing, ignore_errors=True)

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection]:
        """A session as Cloud SQL's own administrator; what PostgreSQL refuses comes out as ClusterError."""
        try:
            with psycopg.connect(
                host=str(self.socket_directory), port=PORT, user=ADMIN, dbname="postgres", autocommit=True
            ) as connection:
                yield connection
        except psycopg.Error as error:
            raise ClusterError(_words(error)) from error

    def execute(self, *statements: LiteralString | sql.Composed) -> None:
        """Run statements, each by itself."""
        with self.connection() as connection:
            for statement in statements:
                connection.execute(statement)

    def _copy_online(self, connection: psycopg.Connection, target: Path, *, renamed: bool) -> None:
        # The slot keeps the log from being recycled before it is copied; it goes with the session.
        connection.execute("SELECT pg_create_physical_replication_slot('copy_' || pg_backend_pid(), true, true)")
        connection.execute("SELECT pg_backup_start('copy', true)" if renamed else START_BACKUP)
        copy_into(self.data, target, live=True)
        stop: LiteralString = "SELECT labelfile FROM pg_backup_stop(false)" if renamed else STOP_BACKUP
        row = connection.execute(stop).fetchone()
        shutil.rmtree(target / "pg_wal")
        copy_into(self.data / "pg_wal", target / "pg_wal", live=True)
        shutil.rmtree(target / "pg_replslot")
        make_private(target / "pg_replslot")
        (target / "postmaster.pid").unlink(missing_ok=True)
        self._write(target / "backup_label", str(row[0]) if row else "")

    def _create(self) -> None:
        make_private(self.directory)
        make_private(self.socket_directory)
        if self.data.exists():
            return
        copy_folder(self._template(), self.data)

    def _template(self) -> Path:
        """An empty cluster to copy: initdb takes most of a second."""
        template = self.directory.parent / TEMPLATES / hashlib.sha256(str(self._bin).encode()).hexdigest()[:12]
        with _initdb:
            if not template.exists():
                make_private(template.parent)
                unfinished = template.with_name("unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                run(self._bin / "initdb", "-D", str(unfinished), *INITDB)
                with (unfinished / "postgresql.conf").open("a") as file:
                    file.write("include 'cloudsql.conf'\n")
                self._write(unfinished / "pg_hba.conf", HBA)
                self._write(unfinished / "cloudsql.conf", "")
                unfinished.rename(template)
        return template

    def _configure(self, parameters: dict[str, str]) -> None:
        small = {"shared_buffers": "32MB", "max_wal_size": "1GB"}
        fixed = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.socket_directory),
            "password_encryption": "scram-sha-256",
            "fsync": "off",
            "full_page_writes": "off",
        }
        lines = [f"{name} = {_quote(value)}\n" for name, value in {**small, **parameters, **fixed}.items()]
        self._write(self.data / "cloudsql.conf", "".join(lines))

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text)
        give_away(path)


START_BACKUP: LiteralString = "SELECT pg_start_backup('copy', true, false)"
STOP_BACKUP: LiteralString = "SELECT labelfile FROM pg_stop_backup(false, false)"


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _words(error: psycopg.Error) -> str:
    diagnostics = [error.diag.message_primary, error.diag.message_detail]
    return " Details: ".join(text for text in diagnostics if text) or str(error).strip()
