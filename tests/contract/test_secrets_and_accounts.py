"""Secrets' settings, accounts that are switched off and deleted, and services that others depend on, for real."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.impersonation import acting_as

from tests.contract.bench import PROJECT, Bench, writes

P = f"v1/projects/{PROJECT}"
SECRET: dict[str, Any] = {
    "name": "described",
    "labels": {"app": "mlflow", "tier": 1},
    "annotations": {"owner": "https://wiki.example.com/mlflow"},
    "version_destroy_ttl_seconds": 86400,
    "expire_time": "2090-01-31T00:00:00Z",
}


@pytest.fixture(scope="module")
def project(emulator: Bench) -> Bench:
    """A project whose operator may do anything with accounts."""
    emulator.reset()
    emulator.enable_all()
    emulator.enable("iamcredentials")
    operator = f"serviceAccount:{emulator.key['client_email']}"
    for role in ("iam.serviceAccountAdmin", "iam.serviceAccountTokenCreator", "owner"):
        emulator.run("project_iam_member", role=f"roles/{role}", member=operator)
    return emulator


def test_a_secret_is_described_once(project: Bench) -> None:
    with project.recorded() as seen:
        project.run("secret", **SECRET, generate=True)
    assert writes(seen)[0] == f"POST /{P}/secrets"
    with project.without_writes():
        assert not project.run("secret", **SECRET, generate=True, version_aliases={})["changed"]
    changes: dict[str, Any] = {
        "labels": {"tier": None, "stage": "prod"},
        "annotations": {"more": "x"},
        "version_aliases": {"current": 1},
        "version_destroy_ttl_seconds": 0,
        "expire_time": "",
    }
    with project.recorded() as seen:
        result = project.run("secret", name="described", **changes)
    assert writes(seen) == [f"PATCH /{P}/secrets/described"]
    body = result["resource"]
    assert body["labels"] == {"app": "mlflow", "stage": "prod"}
    assert body["annotations"] == {"owner": "https://wiki.example.com/mlflow", "more": "x"}
    assert body["versionAliases"] == {"current": "1"}
    assert "versionDestroyTtl" not in body
    assert "expireTime" not in body
    with project.without_writes():
        assert not project.run("secret", name="described", **changes)["changed"]


def test_a_ttl_is_written_once(project: Bench) -> None:
    assert project.run("secret", name="short-lived", ttl_seconds=3600)["changed"]
    with project.without_writes():
        assert not project.run("secret", name="short-lived", ttl_seconds=3600)["changed"]
    (change,) = project.run("secret", name="described", check=True, ttl_seconds=60)["changes"]
    assert change["blast_radius"] == "destroys data"


def test_an_alias_of_a_version_that_is_not_there_is_one_line(project: Bench) -> None:
    message = project.fail("secret", name="described", version_aliases={"next": 9})
    assert "version 9, which does not exist" in message
    assert "put right what Google names" in message


def test_a_disabled_account_gets_no_token_until_it_is_enabled(project: Bench) -> None:
    email = project.run("service_account", account_id="switched")["email"]
    with project.recorded() as seen:
        result = project.run("service_account", account_id="switched", disabled=True)
    assert writes(seen) == [f"POST /{P}/serviceAccounts/{quote(email)}:disable"]
    assert result["resource"]["disabled"] is True
    with pytest.raises(GoogleError, match="gcloud iam service-accounts enable"):
        acting_as(project.google(), email).session.tokens.token()
    with project.without_writes():
        assert not project.run("service_account", account_id="switched", disabled=True)["changed"]
    assert project.run("service_account", account_id="switched", disabled=False, display_name="on")["changed"]
    assert acting_as(project.google(), email).session.tokens.token()


def test_a_deleted_account_comes_back_as_the_result_says(project: Bench) -> None:
    email = project.run("service_account", account_id="regretted")["email"]
    project.run("project_iam_member", role="roles/browser", member=f"serviceAccount:{email}")
    with project.without_writes():
        message = project.fail("service_account", account_id="regretted", state="absent")
    assert f"set confirm_delete: {email}" in message
    result = project.run("service_account", account_id="regretted", state="absent", confirm_delete=email)
    (change,) = result["changes"]
    assert change["blast_radius"] == "destroys data"
    number = re.search(r"gcloud iam service-accounts undelete (\d+)", change["reason"])
    assert number is not None
    project.google().write("POST", "iam", f"{P}/serviceAccounts/{number[1]}:undelete", {})
    assert not project.run("service_account", account_id="regretted")["changed"]
    binding: dict[str, Any] = {"role": "roles/browser", "member": f"serviceAccount:{email}"}
    assert not project.run("project_iam_member", **binding)["changed"]


def test_a_service_that_others_need_is_disabled_with_them_on_purpose_alone(project: Bench) -> None:
    project.run("project_service", name="compute.googleapis.com")
    message = project.fail("project_service", name="oslogin.googleapis.com", state="absent")
    assert "depended on by the following active service: compute.googleapis.com" in message
    assert "set disable_dependent_services: true" in message
    assert not project.run("project_service", name="compute.googleapis.com")["changed"]
    options: dict[str, Any] = {"name": "oslogin.googleapis.com", "state": "absent", "disable_dependent_services": True}
    assert project.run("project_service", **options)["changed"]
    with project.without_writes():
        assert not project.run("project_service", **options)["changed"]
    assert project.run("project_service", check=True, name="compute.googleapis.com")["changed"]
