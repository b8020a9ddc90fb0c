"""Who we are: tokens from options and the environment, and errors that do not quote keys."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import (
    FixedToken,
    GoogleAuthToken,
    find_credentials,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import GOOGLE, resolve_endpoints
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import CredentialsError, RefusedError
from google.auth.exceptions import RefreshError, TransportError

from tests.unit.keys import service_account_key


@pytest.fixture(scope="module")
def key() -> dict[str, Any]:
    return service_account_key()


class Minting:
    """Credentials that count their tokens."""

    quota_project_id = None

    def __init__(self) -> None:
        self.token: str | None = None
        self.minted = 0
        self.expiry = datetime.min

    @property
    def valid(self) -> bool:
        return self.token is not None and self.expiry > datetime.max - timedelta(days=1)

    def refresh(self, request: Any) -> None:
        assert callable(request)
        self.minted += 1
        self.token = f"token-{self.minted}"
        self.expiry = datetime.max


def test_a_token_is_minted_once_and_again_only_when_google_rejects_it() -> None:
    credentials = Minting()
    tokens = GoogleAuthToken(credentials, "me")
    assert [tokens.token() for _ in range(3)] == ["token-1"] * 3
    assert tokens.renew("token-1") == "token-2"
    assert tokens.renew("token-1") == "token-2"
    assert credentials.minted == 2


def test_why_google_gave_no_token_is_told() -> None:
    class Refused(Minting):
        def refresh(self, request: Any) -> None:
            del request
            refused: Any = RefreshError
            raise refused("invalid_grant: Invalid JWT\nSignature.", {"error": "invalid_grant"})

    with pytest.raises(CredentialsError, match=r"for me: invalid_grant: Invalid JWT Signature"):
        GoogleAuthToken(Refused(), "me").token()


def test_a_broken_connection_to_the_token_endpoint_is_tried_again_a_few_times() -> None:
    class Flaky(Minting):
        def refresh(self, request: Any) -> None:
            super().refresh(request)
            if self.minted < self.good_from:
                broken: Any = TransportError
                raise broken("connection reset")

        good_from = 3

    pauses: list[float] = []
    assert GoogleAuthToken(Flaky(), "me", pauses.append).token() == "token-3"
    assert pauses == [0.5, 1.0]
    never = Flaky()
    never.good_from = 99
    with pytest.raises(CredentialsError, match="connection reset"):
        GoogleAuthToken(never, "me", pauses.append).token()
    assert never.minted == 4


def test_an_access_token_is_used_as_it_is() -> None:
    tokens = find_credentials({"access_token": " ya29.x\n"}, {})
    assert isinstance(tokens, FixedToken)
    assert tokens.token() == "ya29.x"
    assert tokens.renew("ya29.x") is None


def test_a_token_of_the_environment_counts_only_if_the_task_names_nothing(key: dict[str, Any]) -> None:
    environment = {"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.env"}
    assert find_credentials({}, environment).token() == "ya29.env"
    assert isinstance(find_credentials({"credentials_contents": key}, environment), GoogleAuthToken)


def test_a_key_may_come_as_text_as_dictionary_or_as_file(key: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    path.write_text(json.dumps(key))
    for params in (
        {"credentials_contents": key},
        {"credentials_contents": json.dumps(key)},
        {"credentials_file": path},
    ):
        assert isinstance(find_credentials(params, {}), GoogleAuthToken)


def test_application_default_credentials_are_the_default(
    key: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "adc.json"
    path.write_text(json.dumps(key))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    assert isinstance(find_credentials({}, {}), GoogleAuthToken)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    with pytest.raises(CredentialsError, match="set credentials_file"):
        find_credentials({}, {})


@pytest.mark.parametrize("contents", ["{nope", "[]", '"x"', {"type": "service_account", "private_key": "s3cr3t"}])
def test_bad_contents_are_one_line_without_the_key(contents: Any) -> None:
    with pytest.raises(CredentialsError) as caught:
        find_credentials({"credentials_contents": contents}, {})
    assert "\n" not in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("token", ["ya29.a\nb", "ya29.a b", "ya29.\N{EN DASH}", "ERROR: (gcloud) no account", " "])
def test_what_can_be_no_token_is_refused_and_not_repeated(token: str) -> None:
    for params, environment, name in (
        ({"access_token": token}, {}, "access_token"),
        ({}, {"GOOGLE_OAUTH_ACCESS_TOKEN": token}, "GOOGLE_OAUTH_ACCESS_TOKEN"),
    ):
        with pytest.raises(CredentialsError, match=f"^{name} holds what no access token does") as caught:
            find_credentials(params, environment)
        assert token.strip() == "" or token not in str(caught.value)


def test_a_tokens_line_end_does_not_count() -> None:
    assert find_credentials({"access_token": "ya29.a-b_c/d+e~f==\n"}, {}).token() == "ya29.a-b_c/d+e~f=="


def test_a_file_of_a_user_who_is_not_there_is_named() -> None:
    with pytest.raises(CredentialsError, match=r"~no-such-user/key\.json: there is no such user here: give the path"):
        find_credentials({"credentials_file": "~no-such-user/key.json"}, {})


@pytest.mark.parametrize("content", [None, "{nope", "[]"])
def test_a_bad_file_is_named(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(CredentialsError, match=r"key\.json"):
        find_credentials({"credentials_file": str(path)}, {})


def test_endpoints_come_from_the_option_then_gclouds_variable_then_google() -> None:
    environment = {
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL": "http://env:1/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": "http://env:2/",
    }
    found = resolve_endpoints({"sql": "http://option:3", "iam": None}, environment)
    assert found == {**GOOGLE, "sql": "http://option:3/", "iam": "http://env:2/"}
    assert resolve_endpoints(None, {}) == GOOGLE


@pytest.mark.parametrize(
    "address",
    [
        *("localhost:9010", "ftp://x/", "http://", "http://:80/", "http://a b/"),
        *("http://x:99999/", "http://x:0/", "http://x:y/", "http://[::1/"),
    ],
)
def test_an_endpoint_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(RefusedError, match=r"endpoints\.sql"):
        resolve_endpoints({"sql": address}, {})
