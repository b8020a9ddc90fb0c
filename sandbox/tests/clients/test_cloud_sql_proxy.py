"""Google's own Cloud SQL Auth Proxy v2 against the sandbox: it is what runs in production."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from sandbox.machine import downloads, identity
from sandbox.machine.progress import Step
from sandbox.tests.clients.database import (
    CONNECTION_NAME,
    DATABASE,
    INSTANCE,
    PASSWORD,
    USER,
    Prepared,
    prepare,
    write_key,
)
from sandbox.tests.running import PROJECT, Sandbox

BINARY = identity.sandbox().cache / f"cloud-sql-proxy-{downloads.PROXY_VERSION}" / "cloud-sql-proxy"


@pytest.fixture(scope="module", autouse=True)
def prepared(sandbox: Sandbox) -> Prepared:
    """The instance, and the proxy: built here where `up` has not built it (a minute or two, once)."""
    downloads.proxy(identity.sandbox(), Step("proxy"))
    return prepare(sandbox)


@contextmanager
def proxy(sandbox: Sandbox, *options: str, name: str = CONNECTION_NAME) -> Iterator[int]:
    """A running proxy; yields its port. Its output is in the error when it ends early."""
    port = _free_port()
    command = [str(BINARY), f"--sqladmin-api-endpoint={sandbox.url}", f"--port={port}", *options, name]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        deadline = time.monotonic() + 15
        while not _listens(port):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()[0]
            time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.communicate()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def connection_test(
    sandbox: Sandbox, key: Path, *options: str, name: str = CONNECTION_NAME
) -> subprocess.CompletedProcess[str]:
    """A proxy that must not come up: `--run-connection-test` makes it end with Google's words."""
    fixed = [f"--sqladmin-api-endpoint={sandbox.url}", "--run-connection-test", "--port=0", f"--credentials-file={key}"]
    command = [str(BINARY), *fixed, *options, name]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


def session(port: int, user: str, password: str) -> psycopg.Connection[tuple[object, ...]]:
    """A login through the proxy."""
    # sslmode=prefer asks for TLS inside the tunnel first: the sandbox must answer N.
    return psycopg.connect(
        host="127.0.0.1", port=port, user=user, password=password, dbname=DATABASE, sslmode="prefer", connect_timeout=10
    )


def query(port: int, text: str, user: str = USER, password: str = PASSWORD) -> object:
    """One value, of the last statement."""
    with session(port, user, password) as connection:
        cursor = connection.execute(text.encode())
        while cursor.nextset():
            pass
        row = cursor.fetchone()
    assert row is not None
    return row[0]


def test_a_key_file_and_a_connection_test(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    key = write_key(tmp_path, prepared.key)
    with proxy(sandbox, f"--credentials-file={key}", "--run-connection-test") as port:
        assert query(port, "SELECT current_database()") == DATABASE
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            query(port, "SELECT 1", password="wrong")


def test_application_default_credentials_from_the_metadata_server(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GCE_METADATA_HOST", sandbox.url.removeprefix("http://"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with proxy(sandbox) as port:
        assert query(port, "SELECT current_user") == USER


def test_automatic_iam_login(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    key = write_key(tmp_path, prepared.key)
    with proxy(sandbox, f"--credentials-file={key}", "--auto-iam-authn") as port:
        assert query(port, "SELECT current_user", prepared.iam_user, "") == prepared.iam_user
    with proxy(sandbox, f"--credentials-file={key}") as port, pytest.raises(psycopg.OperationalError, match="IAM"):
        query(port, "SELECT 1", prepared.iam_user, "guess")


def test_one_proxy_serves_two_instances_each_its_own_data(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    operator, other = sandbox.operator, _free_port()
    operator.must("POST", "instances/another/databases", {"name": DATABASE})
    operator.must("POST", "instances/another/users", {"name": USER, "password": "of-the-other"})
    second = f"{CONNECTION_NAME.replace(INSTANCE, 'another')}?port={other}"
    with proxy(sandbox, f"--credentials-file={write_key(tmp_path, prepared.key)}", second) as port:
        for number, password in ((port, PASSWORD), (other, "of-the-other")):
            query(number, f"CREATE TABLE whose AS SELECT '{password}' AS mark; SELECT 1", password=password)
        # Side by side, so that neither session can be the other's.
        with session(port, USER, PASSWORD) as ours, session(other, USER, "of-the-other") as theirs:
            rows = [connection.execute("SELECT mark FROM whose").fetchall() for connection in (ours, theirs)]
            starts = [
                connection.execute("SELECT pg_postmaster_start_time()").fetchall() for connection in (ours, theirs)
            ]
        assert rows == [[(PASSWORD,)], [("of-the-other",)]]
        assert starts[0] != starts[1]
        for number, password in ((port, "of-the-other"), (other, PASSWORD)):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                query(number, "SELECT 1", password=password)


def test_automatic_iam_login_needs_the_role(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    client = sandbox.account("connects-only", "roles/cloudsql.client")
    user = client.email.removesuffix(".gserviceaccount.com")
    sandbox.operator.must("POST", f"instances/{INSTANCE}/users", {"name": user, "type": "CLOUD_IAM_SERVICE_ACCOUNT"})
    key = write_key(tmp_path, sandbox.key_of(client.email))
    with proxy(sandbox, f"--credentials-file={key}", "--auto-iam-authn") as port:
        with pytest.raises(psycopg.OperationalError, match="IAM service account authentication failed"):
            query(port, "SELECT 1", user, "")
        with pytest.raises(psycopg.OperationalError, match="IAM service account authentication failed"):
            query(port, "SELECT 1", prepared.iam_user, "")
        sandbox.operator.bind("roles/cloudsql.instanceUser", client.email)
        assert query(port, "SELECT current_user", user, "") == user


def test_automatic_iam_login_needs_the_flag(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    def switch(value: str) -> None:
        flags = {"settings": {"databaseFlags": [{"name": "cloudsql.iam_authentication", "value": value}]}}
        sandbox.operator.wait(sandbox.operator.must("PATCH", f"instances/{INSTANCE}", flags))

    with proxy(sandbox, f"--credentials-file={write_key(tmp_path, prepared.key)}", "--auto-iam-authn") as port:
        assert query(port, "SELECT current_user", prepared.iam_user, "") == prepared.iam_user
        switch("off")
        try:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                query(port, "SELECT 1", prepared.iam_user, "")
        finally:
            switch("on")
        assert query(port, "SELECT current_user", prepared.iam_user, "") == prepared.iam_user


def test_a_missing_role_is_refused_in_googles_words(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    done = connection_test(sandbox, write_key(tmp_path, prepared.outsider_key))
    assert done.returncode != 0
    assert "boss::NOT_AUTHORIZED" in done.stdout + done.stderr
    assert "cloudsql.instances.connect" in done.stdout + done.stderr


def test_a_role_on_one_instance_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    client = sandbox.account("one-instance")
    condition = f'resource.name == "projects/{PROJECT}/instances/{INSTANCE}"'
    condition += ' && resource.type == "sqladmin.googleapis.com/Instance"'
    sandbox.operator.bind("roles/cloudsql.client", client.email, condition)
    key = write_key(tmp_path, sandbox.key_of(client.email))
    with proxy(sandbox, f"--credentials-file={key}") as port:
        assert query(port, "SELECT current_database()") == DATABASE
    refused = connection_test(sandbox, key, name=CONNECTION_NAME.replace(INSTANCE, "another"))
    assert refused.returncode != 0
    assert "boss::NOT_AUTHORIZED" in refused.stdout + refused.stderr


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        (CONNECTION_NAME.replace(INSTANCE, "nope"), "The Cloud SQL instance does not exist."),
        (CONNECTION_NAME.replace("europe-west3", "us-central1"), "region was mismatched"),
    ],
)
def test_a_wrong_name_is_explained(
    sandbox: Sandbox, prepared: Prepared, tmp_path: Path, name: str, fragment: str
) -> None:
    done = connection_test(sandbox, write_key(tmp_path, prepared.key), name=name)
    assert done.returncode != 0
    assert fragment in done.stdout + done.stderr


def test_sessions_come_back_after_the_sandbox_was_killed(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    key = write_key(tmp_path, prepared.key)
    with proxy(sandbox, f"--credentials-file={key}") as port:
        before = query(port, "SELECT pg_postmaster_start_time()")
        sandbox.kill()
        sandbox.restart()
        assert query(port, "SELECT pg_postmaster_start_time()") == before, "same certificate, same PostgreSQL"
