"""What the error lines say when Google mints no token: the account and the key's id, Google's reason, the way out."""

from __future__ import annotations

import os
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import find_credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import CredentialsError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.refused_keys import way_out

from tests.unit.keys import EMAIL, KEY_ID, key_text, service_account_key

SKEW = (
    "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
    "Check your iat and exp values in the JWT claim."
)


class TokenEndpoint:
    """Stands for google-auth's transport: refuses each assertion in Google's words."""

    def __init__(self, description: str, date: str | None) -> None:
        self.status = 400
        self.headers = {"Content-Type": "application/json"} | ({"Date": date} if date else {})
        self.data = f'{{"error": "invalid_grant", "error_description": "{description}"}}'.encode()

    def __call__(self, *_positional: Any, **_named: Any) -> TokenEndpoint:
        return self


def refusal(monkeypatch: pytest.MonkeyPatch, description: str, date: str | None = None) -> str:
    endpoint = TokenEndpoint(description, date)
    monkeypatch.setattr("google.auth.transport.requests.Request", lambda _session: endpoint)
    with pytest.raises(CredentialsError) as caught:
        find_credentials({"credentials_contents": service_account_key()}, {}).token()
    assert "\n" not in str(caught.value)
    assert "BEGIN" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("description", "help_"),
    [
        ("Invalid JWT Signature.", f"gcloud iam service-accounts keys create FILE --iam-account={EMAIL}"),
        ("Invalid grant: account not found", "the account was deleted"),
        ("Invalid grant: account disabled", f"gcloud iam service-accounts enable {EMAIL}"),
        (SKEW, "timedatectl set-ntp true"),
    ],
)
def test_the_line_names_the_key_googles_reason_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch, description: str, help_: str
) -> None:
    said = refusal(monkeypatch, description)
    assert said.startswith(f"Google gave no access token for {EMAIL} (key {KEY_ID}): invalid_grant: ")
    assert description.rstrip(".") in said
    assert help_ in said


@pytest.mark.parametrize(
    ("ahead", "found"),
    [
        (2 * 3600 + 180, "2 h 3 min ahead of Google's"),
        (-26 * 3600, "1 d 2 h behind Google's"),
        (5, "agrees with Google's now"),
    ],
)
def test_how_far_the_clock_is_off(monkeypatch: pytest.MonkeyPatch, ahead: float, found: str) -> None:
    said = refusal(monkeypatch, SKEW, formatdate(time.time() - ahead, usegmt=True))
    assert found in said
    assert ("timedatectl" in said) == (abs(ahead) > 60)


def test_other_reasons_are_left_alone() -> None:
    assert way_out("invalid_scope: Invalid OAuth scope", EMAIL, None) == ""
    assert "application-default login" in way_out("invalid_grant: Token has been expired or revoked", "", None)


@pytest.mark.parametrize(
    "private_key", ["-----BEGIN PRIVATE KEY-----\nMIIEs3cr3t\n-----END PRIVATE KEY-----\n", "s3cr3t"]
)
def test_a_broken_private_key_is_not_quoted(private_key: str) -> None:
    broken = service_account_key() | {"private_key": private_key}
    with pytest.raises(CredentialsError, match="give the whole content of the file that Google made") as caught:
        find_credentials({"credentials_contents": broken}, {})
    assert EMAIL in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_key_file_that_everybody_can_read_is_used_with_a_warning(tmp_path: Path, mode: int, warned: bool) -> None:
    path = tmp_path / "key.json"
    path.write_text(key_text())
    path.chmod(mode)
    warnings: list[str] = []
    find_credentials({"credentials_file": str(path)}, {}, warnings.append)
    assert [f"chmod 600 {path}" in warning for warning in warnings] == [True] * warned


def test_a_file_without_a_secret_may_be_open(tmp_path: Path) -> None:
    path = tmp_path / "federation.json"
    path.write_text('{"type": "external_account"}')
    path.chmod(0o644)
    warnings: list[str] = []
    with pytest.raises(CredentialsError):
        find_credentials({"credentials_file": str(path)}, {}, warnings.append)
    assert warnings == []


def test_the_account_of_a_source_is_known_where_google_told_it() -> None:
    assert find_credentials({"credentials_contents": service_account_key()}, {}).account == EMAIL
    assert find_credentials({"credentials_contents": service_account_key()}, {}).key_id == KEY_ID
    assert find_credentials({"access_token": "ya29.x"}, {}).account == ""

    class Attached:
        service_account_email = "default"

    attached = credentials.GoogleAuthToken(Attached(), "the attached account")
    assert (attached.account, attached.key_id) == ("", "")


def test_a_directory_in_a_keys_place(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="Is a directory"):
        find_credentials({"credentials_file": os.fspath(tmp_path)}, {})
