"""Google's own Cloud SQL Auth Proxy v2 against the sandbox: it is what runs in production."""

import contextlib
import tempfile
from pathlib import Path

import psycopg
import pytest

from sandbox.tests.clients import auth_proxy
from sandbox.tests.clients.attached import metadata_server_of_the_target
from sandbox.tests.clients.auth_proxy import free_port, proxy, refusal
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
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import PROJECT, Sandbox

PRIVATE = CONNECTION_NAME.replace(INSTANCE, "private-only")
NETWORK = f"projects/{PROJECT}/global/networks/default"


@pytest.fixture(scope="module", autouse=True)
def prepared(sandbox: Sandbox) -> Prepared:
    """The instance, and the proxy."""
    auth_proxy.ensure()
    return prepare(sandbox)


@pytest.fixture
def key(prepared: Prepared, tmp_path: Path) -> Path:
    """The key file of the account that may connect."""
    return write_key(tmp_path, prepared.key)


def test_a_key_file_and_a_connection_test(sandbox: Sandbox, key: Path) -> None:
    with proxy(sandbox, f"--credentials-file={key}", "--run-connection-test") as running:
        assert running.query("SELECT current_database()") == DATABASE
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            running.query("SELECT 1", password="wrong")


@pytest.fixture
def no_credentials_of_mine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """As on a machine of Google Cloud: no key, nobody logged in."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    return monkeypatch


def test_application_default_credentials_of_this_host(
    sandbox: Sandbox, no_credentials_of_mine: pytest.MonkeyPatch
) -> None:
    no_credentials_of_mine.setenv("GCE_METADATA_HOST", sandbox.url.removeprefix("http://"))
    with proxy(sandbox) as running:
        assert running.query("SELECT current_user") == USER
    assert _who_asked(sandbox, ":generateEphemeralCert")[-1] == sandbox.operator.email


def test_the_targets_attached_account(sandbox: Sandbox, no_credentials_of_mine: pytest.MonkeyPatch) -> None:
    attached = sandbox.account("mlflow-server", "roles/cloudsql.client", "roles/cloudsql.instanceUser")
    user = attached.email.removesuffix(".gserviceaccount.com")
    sandbox.operator.must("POST", f"instances/{INSTANCE}/users", {"name": user, "type": "CLOUD_IAM_SERVICE_ACCOUNT"})
    with metadata_server_of_the_target(sandbox) as metadata:
        no_credentials_of_mine.setenv("GCE_METADATA_HOST", metadata)
        with proxy(sandbox, "--auto-iam-authn") as running:
            assert running.query("SELECT current_user", user, "") == user
    assert _who_asked(sandbox, ":generateEphemeralCert")[-1] == attached.email


def _who_asked(sandbox: Sandbox, ending: str) -> list[str]:
    """Who asked for paths with this ending, oldest first."""
    return [request["principal"] for request in sandbox.requests() if request["path"].endswith(ending)]


def test_automatic_iam_login(sandbox: Sandbox, prepared: Prepared, key: Path) -> None:
    with proxy(sandbox, f"--credentials-file={key}", "--auto-iam-authn") as running:
        assert running.query("SELECT current_user", prepared.iam_user, "") == prepared.iam_user
    with proxy(sandbox, f"--credentials-file={key}") as running, pytest.raises(psycopg.OperationalError, match="IAM"):
        running.query("SELECT 1", prepared.iam_user, "guess")


def test_one_proxy_serves_two_instances_each_its_own_data(sandbox: Sandbox, key: Path) -> None:
    operator, other = sandbox.operator, free_port()
    operator.must("POST", "instances/another/databases", {"name": DATABASE})
    operator.must("POST", "instances/another/users", {"name": USER, "password": "of-the-other"})
    second = f"{CONNECTION_NAME.replace(INSTANCE, 'another')}?port={other}"
    with proxy(sandbox, f"--credentials-file={key}", second) as running:
        for number, password in ((running.port, PASSWORD), (other, "of-the-other")):
            running.query(
                f"CREATE TABLE whose AS SELECT '{password}' AS mark; SELECT 1", password=password, port=number
            )
        # Side by side, so that neither session can be the other's.
        with running.session() as ours, running.session(password="of-the-other", port=other) as theirs:
            rows = [connection.execute("SELECT mark FROM whose").fetchall() for connection in (ours, theirs)]
            starts = [
                connection.execute("SELECT pg_postmaster_start_time()").fetchall() for connection in (ours, theirs)
            ]
        assert rows == [[(PASSWORD,)], [("of-the-other",)]]
        assert starts[0] != starts[1]
        for number, password in ((running.port, "of-the-other"), (other, PASSWORD)):
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                running.query("SELECT 1", password=password, port=number)


def test_automatic_iam_login_needs_the_role(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    client = sandbox.account("connects-only", "roles/cloudsql.client")
    user = client.email.removesuffix(".gserviceaccount.com")
    sandbox.operator.must("POST", f"instances/{INSTANCE}/users", {"name": user, "type": "CLOUD_IAM_SERVICE_ACCOUNT"})
    key = write_key(tmp_path, sandbox.key_of(client.email))
    with proxy(sandbox, f"--credentials-file={key}", "--auto-iam-authn") as running:
        with pytest.raises(psycopg.OperationalError, match="IAM service account authentication failed"):
            running.query("SELECT 1", user, "")
        with pytest.raises(psycopg.OperationalError, match="IAM service account authentication failed"):
            running.query("SELECT 1", prepared.iam_user, "")
        sandbox.operator.bind("roles/cloudsql.instanceUser", client.email)
        assert running.query("SELECT current_user", user, "") == user


def test_automatic_iam_login_needs_the_flag(sandbox: Sandbox, prepared: Prepared, key: Path) -> None:
    def switch(value: str) -> None:
        flags = {"settings": {"databaseFlags": [{"name": "cloudsql.iam_authentication", "value": value}]}}
        sandbox.operator.wait(sandbox.operator.must("PATCH", f"instances/{INSTANCE}", flags))

    with proxy(sandbox, f"--credentials-file={key}", "--auto-iam-authn") as running:
        assert running.query("SELECT current_user", prepared.iam_user, "") == prepared.iam_user
        switch("off")
        try:
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                running.query("SELECT 1", prepared.iam_user, "")
        finally:
            switch("on")
        assert running.query("SELECT current_user", prepared.iam_user, "") == prepared.iam_user


def test_a_missing_role_is_refused_in_googles_words(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> None:
    said = refusal(sandbox, write_key(tmp_path, prepared.outsider_key))
    assert "googleapi: Error 403: boss::NOT_AUTHORIZED" in said
    assert f"permission cloudsql.instances.connect on resource instances/{INSTANCE}" in said


def test_a_role_on_one_instance_alone(sandbox: Sandbox, tmp_path: Path) -> None:
    client = sandbox.account("one-instance")
    condition = f'resource.name == "projects/{PROJECT}/instances/{INSTANCE}"'
    condition += ' && resource.type == "sqladmin.googleapis.com/Instance"'
    sandbox.operator.bind("roles/cloudsql.client", client.email, condition)
    key = write_key(tmp_path, sandbox.key_of(client.email))
    with proxy(sandbox, f"--credentials-file={key}") as running:
        assert running.query("SELECT current_database()") == DATABASE
    assert "boss::NOT_AUTHORIZED" in refusal(sandbox, key, name=CONNECTION_NAME.replace(INSTANCE, "another"))


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        (
            CONNECTION_NAME.replace(INSTANCE, "nope"),
            "googleapi: Error 404: The Cloud SQL instance does not exist., instanceDoesNotExist",
        ),
        (
            CONNECTION_NAME.replace("europe-west3", "us-central1"),
            "provided region was mismatched - got us-central1, want europe-west3",
        ),
    ],
)
def test_a_wrong_name_is_explained(sandbox: Sandbox, key: Path, name: str, fragment: str) -> None:
    assert fragment in refusal(sandbox, key, name=name)


def test_a_stopped_instance_is_explained_and_serves_again_once_started(sandbox: Sandbox, key: Path) -> None:
    sandbox.create_instance("stopped")
    stopped = CONNECTION_NAME.replace(INSTANCE, "stopped")
    switch(sandbox, "stopped", "NEVER")
    said = refusal(sandbox, key, name=stopped)
    assert "The instance or operation is not in an appropriate state to handle the request., invalidState" in said
    switch(sandbox, "stopped", "ALWAYS")
    assert reaches(sandbox, key, stopped)


def switch(sandbox: Sandbox, instance: str, policy: str) -> None:
    """Stop or start an instance."""
    body = {"settings": {"activationPolicy": policy}}
    operation = sandbox.operator.wait(sandbox.operator.must("PATCH", f"instances/{instance}", body))
    assert "error" not in operation


def reaches(sandbox: Sandbox, key: Path, name: str, *options: str) -> bool:
    """Whether a proxy reaches the instance, down to PostgreSQL's question for the password."""
    options = (f"--credentials-file={key}", "--run-connection-test", *options)
    refused = pytest.raises(psycopg.OperationalError)
    with proxy(sandbox, *options, name=name) as running, refused as refusal_of_the_login:
        running.session("postgres", "wrong")
    return "password authentication failed" in str(refusal_of_the_login.value)


def test_a_private_address_is_for_proxies_that_ask_for_it(sandbox: Sandbox, key: Path) -> None:
    sandbox.create_instance("private-only", ipConfiguration={"ipv4Enabled": False, "privateNetwork": NETWORK})
    assert reaches(sandbox, key, PRIVATE, "--private-ip")
    assert 'instance does not have IP of type "PUBLIC"' in refusal(sandbox, key, name=PRIVATE)
    assert 'instance does not have IP of type "PRIVATE"' in refusal(sandbox, key, "--private-ip")
    assert 'instance does not have IP of type "PSC"' in refusal(sandbox, key, "--psc")


def test_a_certificate_of_certificate_authority_service(sandbox: Sandbox, key: Path) -> None:
    sandbox.create_instance("cas", ipConfiguration={"ipv4Enabled": True, "serverCaMode": "GOOGLE_MANAGED_CAS_CA"})
    assert sandbox.operator.get("instances/cas/connectSettings")["serverCaMode"] == "GOOGLE_MANAGED_CAS_CA"
    assert reaches(sandbox, key, CONNECTION_NAME.replace(INSTANCE, "cas"))


def test_a_unix_socket(sandbox: Sandbox, key: Path) -> None:
    # PostgreSQL's clients take a folder for a host and look for .s.PGSQL.5432 in it; its path must be short.
    folder = tempfile.TemporaryDirectory(dir="/var/tmp")
    options = [f"--credentials-file={key}", f"--unix-socket={folder.name}"]
    host = f"{folder.name}/{CONNECTION_NAME}"
    with (
        folder,
        proxy(sandbox, *options),
        psycopg.connect(host=host, user=USER, password=PASSWORD, dbname=DATABASE) as connection,
    ):
        assert connection.execute("SELECT current_user").fetchall() == [(USER,)]


def test_health_checks(sandbox: Sandbox, key: Path) -> None:
    options = [f"--credentials-file={key}", "--health-check", "--max-connections=1"]
    with proxy(sandbox, *options) as running:
        assert [running.health(path) for path in ("/startup", "/liveness", "/readiness")] == [200, 200, 200]
        with running.session():
            assert running.health("/readiness") == 503, "no connection is left"
        assert running.health("/liveness") == 200


def test_a_tier_has_so_many_connections_and_no_more(sandbox: Sandbox, key: Path) -> None:
    DataPlane(sandbox).wait_for_sessions(0)
    # db-f1-micro has 25, of which PostgreSQL keeps three for superusers.
    refused = pytest.raises(psycopg.OperationalError, match="remaining connection slots are reserved")
    with proxy(sandbox, f"--credentials-file={key}") as running, contextlib.ExitStack() as sessions, refused:
        for number in range(23):
            sessions.enter_context(running.session())
            assert number < 22


def test_a_name_longer_than_a_common_name_may_be(sandbox: Sandbox, key: Path) -> None:
    longest = "l" + "o" * 81 + "g"
    assert len(f"{PROJECT}:{longest}") == 98, "what Cloud SQL allows; X.509 allows a common name 64"
    sandbox.create_instance(longest)
    assert reaches(sandbox, key, CONNECTION_NAME.replace(INSTANCE, longest))


def test_sessions_come_back_after_the_sandbox_was_killed(sandbox: Sandbox, key: Path) -> None:
    with proxy(sandbox, f"--credentials-file={key}") as running:
        before = running.query("SELECT pg_postmaster_start_time()")
        sandbox.kill()
        sandbox.restart()
        assert running.query("SELECT pg_postmaster_start_time()") == before, "same certificate, same PostgreSQL"
