"""The Cloud SQL Auth Proxy acting as another account: its address for that is fixed, so it is led to the sandbox."""

from pathlib import Path

import pytest

from sandbox.core.documents import Json
from sandbox.tests.clients import auth_proxy
from sandbox.tests.clients.auth_proxy import proxy, refusal
from sandbox.tests.clients.database import DATABASE, prepare, write_key
from sandbox.tests.clients.fixed_addresses import through_the_proxy
from sandbox.tests.running import PROJECT, Sandbox

CLIENT = f"sql-client@{PROJECT}.iam.gserviceaccount.com"
OUTSIDER = f"sql-outsider@{PROJECT}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def outsider(sandbox: Sandbox) -> Json:
    """A key of an account that may do nothing but act as another one, which may connect."""
    auth_proxy.ensure()
    key = prepare(sandbox).outsider_key
    sandbox.operator.bind("roles/iam.serviceAccountAdmin", sandbox.operator.email)
    allow(sandbox, OUTSIDER)
    return key


@pytest.fixture
def hosts(sandbox: Sandbox) -> dict[str, str]:
    """The environment in which Google's address of impersonation is the sandbox."""
    return through_the_proxy(sandbox.management)


def allow(sandbox: Sandbox, *emails: str) -> None:
    """Who may act as the client."""
    members = [f"serviceAccount:{email}" for email in emails]
    bindings = [{"role": "roles/iam.serviceAccountTokenCreator", "members": members}] if members else []
    sandbox.operator.must("POST", f"serviceAccounts/{CLIENT}:setIamPolicy", {"policy": {"bindings": bindings}})


def asked(sandbox: Sandbox, ending: str) -> set[str]:
    """Who asked for paths with this ending."""
    return {request["principal"] for request in sandbox.requests() if request["path"].endswith(ending)}


def test_the_proxy_acts_as_another_account(
    sandbox: Sandbox, outsider: Json, hosts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in hosts.items():
        monkeypatch.setenv(name, value)
    key = write_key(tmp_path, outsider)
    with proxy(sandbox, f"--credentials-file={key}", f"--impersonate-service-account={CLIENT}") as running:
        assert running.query("SELECT current_database()") == DATABASE
    assert asked(sandbox, ":generateAccessToken") == {OUTSIDER}
    assert asked(sandbox, ":generateEphemeralCert") == {CLIENT}
    allow(sandbox)
    said = refusal(sandbox, key, f"--impersonate-service-account={CLIENT}")
    allow(sandbox, OUTSIDER)
    assert "iam.serviceAccounts.getAccessToken" in said
