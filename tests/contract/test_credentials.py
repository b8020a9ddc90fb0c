"""Every credential source gets a module to Google as the right account, by the emulator's own record of who asked."""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import key_files
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import find_credentials

from sandbox.tests.clients.fixed_addresses import through_the_proxy
from tests.contract.bench import PROJECT, Bench, writes

OPERATOR = f"operator@{PROJECT}.iam.gserviceaccount.com"
DEPLOYER = f"deployer@{PROJECT}.iam.gserviceaccount.com"
SERVICE: dict[str, Any] = {"name": "storage.googleapis.com"}
ACCOUNTS = f"v1/projects/{PROJECT}/serviceAccounts"


@pytest.fixture(scope="module")
def bench(emulator: Bench) -> Bench:
    """The emulator with a second account, which may do nothing but act as the operator."""
    emulator.reset()
    emulator.enable_all()
    emulator.run("project_service", name="iamcredentials.googleapis.com")
    emulator.run("service_account", account_id="deployer")
    # Keys, and who may act as whom, are not the operator's daily business.
    for role in ("roles/iam.serviceAccountKeyAdmin", "roles/iam.serviceAccountAdmin"):
        emulator.run("project_iam_member", role=role, member=f"serviceAccount:{OPERATOR}")
    allow(emulator, f"serviceAccount:{DEPLOYER}")
    return emulator


@pytest.fixture(scope="module")
def deployer_key(bench: Bench) -> dict[str, Any]:
    """A key of the second account."""
    return new_key(bench, DEPLOYER)


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those of the test."""
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_OAUTH_ACCESS_TOKEN", "GCE_METADATA_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))


def allow(bench: Bench, *members: str, account: str = OPERATOR) -> None:
    """Who may act as the account."""
    bindings = [{"role": "roles/iam.serviceAccountTokenCreator", "members": list(members)}] if members else []
    path = f"{ACCOUNTS}/{account}:setIamPolicy"
    bench.google().write("POST", "iam", path, {"policy": {"bindings": bindings}})


def new_key(bench: Bench, email: str) -> dict[str, Any]:
    made = bench.google().write("POST", "iam", f"{ACCOUNTS}/{email}/keys", {})
    key: dict[str, Any] = json.loads(base64.b64decode(made["privateKeyData"]))
    return key


def source(kind: str, bench: Bench, key: dict[str, Any], folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The options (and the environment) that name an account in one of the ways there are."""
    path = folder / "key.json"
    path.write_text(json.dumps(key))
    path.chmod(0o600)
    token = find_credentials({"credentials_contents": key}, {}).token()
    if kind == "token of the environment":
        patch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", token)
    if kind == "application default credentials":
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(path))
    if kind == "attached account":
        patch.setenv("GCE_METADATA_HOST", bench.url.split("/")[2])
        patch.setenv("GCE_METADATA_IP", bench.url.split("/")[2])
        # It reads them when it is imported, which another test may have caused.
        importlib.reload(importlib.import_module("google.auth.compute_engine._metadata"))
    given: dict[str, dict[str, Any]] = {
        "key file": {"credentials_file": str(path)},
        "key contents": {"credentials_contents": key},
        "key contents as text": {"credentials_contents": json.dumps(key)},
        "access token": {"access_token": token},
    }
    return given.get(kind, {"access_token": None})


KINDS = [
    *("key file", "key contents", "key contents as text", "access token", "token of the environment"),
    *("application default credentials", "attached account"),
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_account_itself(bench: Bench, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = source(kind, bench, bench.key, tmp_path, monkeypatch)
    with bench.recorded() as seen:
        bench.run("project_service", **SERVICE, **options)
    assert [request["principal"] for request in seen if "/services/" in request["path"]] == [OPERATOR]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "attached account"])
def test_another_account_by_impersonation(
    bench: Bench, deployer_key: dict[str, Any], kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = source(kind, bench, deployer_key, tmp_path, monkeypatch)
    assert "403" in bench.fail("project_service", **SERVICE, **options)
    with bench.recorded() as seen:
        bench.run("project_service", **SERVICE, **options, impersonate_service_account=OPERATOR)
    asked = [(request["principal"], unquote(request["path"]).rpartition("/")[2]) for request in seen]
    assert asked == [(DEPLOYER, f"{OPERATOR}:generateAccessToken"), (OPERATOR, "storage.googleapis.com")]


def test_the_attached_account_acts_as_another(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = source("attached account", bench, bench.key, tmp_path, monkeypatch)
    allow(bench, f"serviceAccount:{OPERATOR}", account=DEPLOYER)
    with bench.recorded() as seen:
        said = bench.fail("project_service", **SERVICE, **options, impersonate_service_account=DEPLOYER)
    assert "serviceusage.services.get" in said
    asked = {unquote(request["path"]).rpartition("/")[2]: request["principal"] for request in seen}
    assert asked[f"{DEPLOYER}:generateAccessToken"] == OPERATOR
    assert asked["storage.googleapis.com"] == DEPLOYER


def test_the_environment_names_whom_to_act_as(
    bench: Bench, deployer_key: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT", "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT"):
        with monkeypatch.context() as patch, bench.recorded() as seen:
            patch.setenv(name, OPERATOR)
            bench.run("project_service", **SERVICE, credentials_contents=deployer_key)
        assert seen[-1]["principal"] == OPERATOR


def test_one_token_serves_all_requests_of_a_plan(bench: Bench, deployer_key: dict[str, Any]) -> None:
    names = [f"one-token-{number}" for number in range(5)]
    resources = [{"owner": "o", "module": "bucket", "params": {"name": name}} for name in names]
    options: dict[str, Any] = {
        "credentials_contents": deployer_key,
        "impersonate_service_account": OPERATOR,
    }
    with bench.recorded() as seen:
        bench.run("plan", resources=resources, **options)
    assert [request["principal"] for request in seen].count(DEPLOYER) == 1
    assert [request["principal"] for request in seen].count(OPERATOR) >= len(names)


def test_a_missing_role_is_one_line_with_the_command(bench: Bench, deployer_key: dict[str, Any]) -> None:
    allow(bench)
    try:
        with bench.without_writes():
            options: dict[str, Any] = {"credentials_contents": deployer_key, "impersonate_service_account": OPERATOR}
            said = bench.fail("project_service", **SERVICE, **options)
    finally:
        allow(bench, f"serviceAccount:{DEPLOYER}")
    assert f"Google gave no access token for {OPERATOR}: " in said
    assert "iam.serviceAccounts.getAccessToken" in said
    assert f"add-iam-policy-binding {OPERATOR} --member=serviceAccount:{DEPLOYER} " in said


def test_an_account_that_does_not_exist_and_an_api_that_is_off(bench: Bench) -> None:
    nobody = f"nobody@{PROJECT}.iam.gserviceaccount.com"
    said = bench.fail("project_service", **SERVICE, impersonate_service_account=nobody)
    assert f"Google gave no access token for {nobody}: " in said
    assert "not exist" in said
    bench.run("project_service", name="iamcredentials.googleapis.com", state="absent")
    try:
        said = bench.fail("project_service", **SERVICE, impersonate_service_account=OPERATOR)
    finally:
        bench.run("project_service", name="iamcredentials.googleapis.com")
    assert "gcloud services enable iamcredentials.googleapis.com" in said


def test_dead_keys_are_named_by_their_id(bench: Bench) -> None:
    key = new_key(bench, DEPLOYER)
    path = f"{ACCOUNTS}/{DEPLOYER}/keys/{key['private_key_id']}"
    keys: dict[str, Any] = {"service_account": DEPLOYER, "key_id": key["private_key_id"]}
    assert bench.run("service_account_key", **keys, disabled=True)["changed"]
    ways: list[dict[str, Any]] = [{"credentials_contents": key}, {"credentials_contents": json.dumps(key)}]
    for way in ways:
        said = bench.fail("project_service", **SERVICE, **way)
        assert f"no access token for {DEPLOYER} (key {key['private_key_id']}): invalid_grant: Invalid JWT Sign" in said
        assert "gcloud iam service-accounts keys create" in said
        assert key["private_key"].splitlines()[1] not in bench.output("project_service", **SERVICE, **way)
    bench.google().write("DELETE", "iam", path)
    assert "was deleted, disabled" in bench.fail("project_service", **SERVICE, credentials_contents=key)


def test_a_keys_life(bench: Bench) -> None:
    older, key = new_key(bench, DEPLOYER), new_key(bench, DEPLOYER)
    options: dict[str, Any] = {"service_account": DEPLOYER, "key_id": key["private_key_id"]}
    with bench.without_writes():
        assert bench.run("service_account_key", check=True, disabled=True, **options)["changed"]
    with bench.recorded() as seen:
        made = bench.run("service_account_key", disabled=True, **options)
    assert [unquote(line) for line in writes(seen)] == [
        f"POST /{ACCOUNTS}/{DEPLOYER}/keys/{key['private_key_id']}:disable"
    ]
    assert made["resource"]["disabled"] is True
    assert older["private_key_id"] in [other["key_id"] for other in made["other_keys"] if other["age_days"] == 0]
    assert "privateKeyData" not in json.dumps(made)
    with bench.without_writes():
        assert not bench.run("service_account_key", disabled=True, **options)["changed"]
    assert bench.run("service_account_key", disabled=False, **options)["changed"]
    with bench.without_writes():
        assert "confirm_delete: " in bench.fail("service_account_key", state="absent", **options)
    confirmed = {**options, "state": "absent", "confirm_delete": key["private_key_id"]}
    assert bench.run("service_account_key", **confirmed)["changed"]
    with bench.without_writes():
        assert not bench.run("service_account_key", **confirmed)["changed"]
        assert "keys create" in bench.fail("service_account_key", disabled=False, **options)
        assert not bench.run("service_account_key", disabled=True, **options)["changed"]


WHO = """
import google.auth, google.auth.transport.requests as transport
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
print(transport.AuthorizedSession(credentials).get("{url}v1/projects/{project}").status_code)
"""


def test_google_auth_acts_as_another_account_by_the_file_that_mlflow_gets(
    bench: Bench, deployer_key: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "impersonated.json"
    path.write_text(key_files.text(deployer_key, OPERATOR))
    program = WHO.format(url=bench.url, project=PROJECT)
    hosts = through_the_proxy(bench.management_url)
    environment = {"HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(path), **hosts}
    with bench.recorded() as seen:
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)
    assert done.stdout.strip() == "200", done.stderr
    asked = {unquote(request["path"]).rpartition("/")[2]: request["principal"] for request in seen}
    # What google-auth looks up in the background, when it gets to it.
    asked.pop("allowedLocations", None)
    assert asked == {f"{OPERATOR}:generateAccessToken": DEPLOYER, PROJECT: OPERATOR}
