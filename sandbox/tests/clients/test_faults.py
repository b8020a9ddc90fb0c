"""Faults as Google's own clients meet them: what they retry, and what they cannot know."""

from pathlib import Path
from typing import Any

import pytest
import requests
from google.auth.transport.requests import Request

from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.faults import faults, rule
from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import credentials_of, exceptions, storage

BUCKET = "met-by-clients"


@pytest.fixture
def bucket(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket, through google-cloud-storage."""
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", sandbox.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(sandbox.key_file))
    sandbox.operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    return storage.Client(project=PROJECT).bucket(BUCKET)


@NEEDED
def test_gcloud_polls_on_through_two_503(sandbox: Sandbox, gcloud: Gcloud) -> None:
    sandbox.create_instance("metadata")
    poll = {"method": "GET", "path": ".*/operations/.*", "action": [{"status": 503}, {"status": 503}]}
    with faults(sandbox, poll):
        gcloud("sql instances restart", "metadata")
        assert rule(sandbox)["hits"] == 2
    seen = [one["status"] for one in sandbox.requests() if "/operations/" in one["path"]]
    assert seen[-3:] == [503, 503, 200]


@NEEDED
def test_gcloud_shows_the_error_of_an_operation(sandbox: Sandbox, gcloud: Gcloud) -> None:
    error = {"code": "INTERNAL_ERROR", "message": "The disk of the zone is full."}
    with faults(sandbox, {"operation": "RESTART", "action": {"error": error}}):
        said = gcloud.refused("sql instances restart", "metadata")
    assert "[INTERNAL_ERROR] The disk of the zone is full." in said


def test_google_auth_asks_again_for_a_token(sandbox: Sandbox) -> None:
    key = sandbox.key_of(sandbox.account("asks-again").email)
    with faults(
        sandbox, {"path": "/token", "action": [{"status": 503}, {"status": 500, "reason": "internal_failure"}]}
    ):
        credentials = credentials_of(key)
        credentials.refresh(Request())
        assert rule(sandbox)["hits"] == 2
    assert sandbox.operator.call("GET", "secrets", Authorization=f"Bearer {credentials.token}").status == 403


def test_the_storage_client_reads_a_broken_download_again(sandbox: Sandbox, bucket: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 10_000
    bucket.blob("whole").upload_from_string(content)
    broken = {"query": ".*alt=media.*", "action": {"truncate": 1_000_000}, "times": 1}
    target = tmp_path / "whole"
    with faults(sandbox, broken):
        bucket.blob("whole").download_to_filename(str(target))
        assert rule(sandbox)["hits"] == 1
    assert target.read_bytes() == content


def test_the_storage_client_meets_its_own_upload(sandbox: Sandbox, bucket: Any) -> None:
    """The answer is lost after the commit: the retry finds the object there and cannot know that it is its own."""
    lost = {"method": "POST", "path": "/upload/.*", "action": {"reset": True, "at": "after"}, "times": 1}
    with faults(sandbox, lost), pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("mine").upload_from_string(b"mine", if_generation_match=0)
    assert bucket.blob("mine").download_as_bytes() == b"mine"


def test_a_retry_after_is_what_a_client_reads(sandbox: Sandbox) -> None:
    with faults(sandbox, {"action": {"status": 429, "retry_after": 3}}):
        reply = requests.get(f"{sandbox.url}/v1/projects/{PROJECT}/instances", timeout=10)
    assert (reply.status_code, reply.headers["Retry-After"]) == (429, "3")
    assert reply.json()["error"]["errors"][0]["reason"] == "rateLimitExceeded"
