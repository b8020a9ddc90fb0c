"""Google's Cloud SQL Auth Proxy v2 as a process of the tests, and logins through it."""

import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests

from sandbox.machine import downloads, identity
from sandbox.machine.progress import Step
from sandbox.tests.clients.database import CONNECTION_NAME, DATABASE, PASSWORD, USER
from sandbox.tests.running import Sandbox

BINARY = identity.sandbox().cache / f"cloud-sql-proxy-{downloads.PROXY_VERSION}" / "cloud-sql-proxy"
PATIENCE = 15
Session = psycopg.Connection[tuple[object, ...]]


def ensure() -> None:
    """The proxy: built here where `up` has not built it (a minute or two, once)."""
    downloads.proxy(identity.sandbox(), Step("proxy"))


@dataclass(frozen=True)
class Proxy:
    """A running proxy: the port of its first instance, that of its health checks, its output so far."""

    port: int
    health_port: int
    log: Path

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return self.log.read_text()

    def health(self, path: str) -> int:
        """HTTP status of a health check."""
        return requests.get(f"http://127.0.0.1:{self.health_port}{path}", timeout=10).status_code

    def session(
        self, user: str = USER, password: str = PASSWORD, port: int | None = None, timeout: int = PATIENCE
    ) -> Session:
        """A login through the proxy."""
        return session(port or self.port, user, password, timeout)

    def query(self, text: str, user: str = USER, password: str = PASSWORD, port: int | None = None) -> object:
        """One value of a fresh session, of the last statement."""
        return query(port or self.port, text, user, password)


@contextmanager
def proxy(sandbox: Sandbox, *options: str, name: str = CONNECTION_NAME) -> Iterator[Proxy]:
    """A running proxy. Its output is in the error when it ends early."""
    port, health_port = free_port(), free_port()
    fixed = [f"--sqladmin-api-endpoint={sandbox.url}", f"--http-port={health_port}"]
    if not any(option.startswith("--unix-socket") for option in options):
        fixed += [f"--port={port}"]
    is_up = "Connection test passed" if "--run-connection-test" in options else "ready for new connections"
    with tempfile.NamedTemporaryFile("w", suffix=".log") as log:
        command = [str(BINARY), *fixed, *options, name]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        running = Proxy(port, health_port, Path(log.name))
        try:
            deadline = time.monotonic() + PATIENCE
            while is_up not in running.output:
                assert process.poll() is None and time.monotonic() < deadline, running.output
                time.sleep(0.05)
            yield running
        finally:
            process.terminate()
            process.wait()


def connection_test(
    sandbox: Sandbox, key: Path, *options: str, name: str = CONNECTION_NAME
) -> subprocess.CompletedProcess[str]:
    """A proxy that must not come up: `--run-connection-test` makes it end with Google's words."""
    fixed = [f"--sqladmin-api-endpoint={sandbox.url}", "--run-connection-test", "--port=0", f"--credentials-file={key}"]
    command = [str(BINARY), *fixed, *options, name]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


def refusal(sandbox: Sandbox, key: Path, *options: str, name: str = CONNECTION_NAME) -> str:
    """What a proxy that must not come up says."""
    done = connection_test(sandbox, key, *options, name=name)
    assert done.returncode != 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def session(port: int, user: str = USER, password: str = PASSWORD, timeout: int = PATIENCE) -> Session:
    """A login through a proxy's port."""
    # sslmode=prefer asks for TLS inside the tunnel first: the sandbox must answer N.
    return psycopg.connect(
        host="127.0.0.1",
        port=port,
        user=user,
        password=password,
        dbname=DATABASE,
        sslmode="prefer",
        connect_timeout=timeout,
    )


def query(port: int, text: str, user: str = USER, password: str = PASSWORD) -> object:
    """One value, of the last statement."""
    with session(port, user, password) as connection:
        return value(connection, text)


def value(connection: Session, text: str) -> object:
    """One value, of the last statement."""
    cursor = connection.execute(text.encode())
    while cursor.nextset():
        pass
    row = cursor.fetchone()
    assert row is not None
    return row[0]


def free_port() -> int:
    """A port of this host that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
