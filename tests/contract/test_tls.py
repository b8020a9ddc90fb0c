"""Google over TLS, under its own addresses: whom we trust, that the CAs are read once, and what a wrong one says."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import certifi
import pytest

from sandbox.tests.clients.fixed_addresses import through_the_proxy
from tests.contract.bench import PROJECT, Bench

GOOGLE: dict[str, Any] = {"endpoints": None, "project": PROJECT}


@pytest.fixture
def proxied(furnished: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The environment of a machine whose way to Google is the sandbox."""
    furnished.token()
    for name, value in through_the_proxy(furnished.management_url).items():
        monkeypatch.setenv(name, value)
    yield furnished


def services(bench: Bench) -> list[dict[str, Any]]:
    """Resources of four APIs, some of which ask at the same host."""
    member = {"role": "roles/viewer", "member": f"serviceAccount:{bench.key['client_email']}"}
    found: list[dict[str, Any]] = [
        {"module": "sql_instance", "params": {"name": "db"}},
        {"module": "sql_user", "params": {"instance": "db", "name": "postgres"}},
        {"module": "project_iam_member", "params": {**member, "state": "absent"}},
        {"module": "project_service", "params": {"name": "iam.googleapis.com"}},
    ]
    return [{"owner": "x", **entry} for entry in found]


def test_the_trusted_authorities_are_read_once_for_all_connections(
    proxied: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Any] = []
    load = ssl.SSLContext.load_verify_locations

    def noted(self: ssl.SSLContext, *arguments: Any, **named: Any) -> None:
        read.append((arguments, named))
        load(self, *arguments, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    key = proxied.key | {"token_uri": "https://oauth2.googleapis.com/token"}
    result = proxied.run("plan", resources=services(proxied), credentials_contents=json.dumps(key), **GOOGLE)
    assert result["pending_owners"] == []
    assert len(read) == 1


def test_a_folder_of_authorities_is_trusted_too(
    proxied: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    message = proxied.fail("plan", resources=services(proxied)[3:], **GOOGLE)
    assert "TLS failed" in message


def test_who_is_not_google_is_not_believed(proxied: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", certifi.where())
    with proxied.recorded() as seen:
        message = proxied.fail("project_service", name="iam.googleapis.com", **GOOGLE)
    assert "GET https://serviceusage.googleapis.com/" in message
    assert "TLS failed" in message
    assert "certificate verify failed" in message
    assert seen == []


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_authorities_that_cannot_be_read_are_one_line(
    proxied: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None
) -> None:
    bundle = tmp_path / "ca.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    message = proxied.fail("project_service", name="iam.googleapis.com", **GOOGLE)
    assert f"TLS failed: can't read the certificates to trust ({bundle}): " in message
    assert json.dumps(message) == f'"{message}"'
