"""What mlflow-health does in the bucket (files/image/check.py), by Google's library: nothing of it stays, ever."""

from __future__ import annotations

import datetime as dt
import importlib
import json
import sys
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from tests.contract import playbooks
from tests.contract.bench import PROJECT, Bench

IMAGE = playbooks.ROOT / "roles" / "tracking_server" / "files" / "image"
BUCKET = "df_traffic_health"
URI = f"gs://{BUCKET}/mlflow-artifacts/"
ACCOUNT = f"health@{PROJECT}.iam.gserviceaccount.com"
ARTIFACT = "mlflow-artifacts/1/abc/artifacts/model.pkl"


@pytest.fixture(scope="module")
def bucket(furnished: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A bucket with an artifact, and an account whose key google-auth finds."""
    furnished.run("service_account", account_id="health")
    operator = f"serviceAccount:{furnished.key['client_email']}"
    for role in ("roles/iam.serviceAccountKeyAdmin", "roles/storage.admin"):
        furnished.run("project_iam_member", role=role, member=operator)
    made = furnished.google().write("POST", "iam", f"v1/projects/{PROJECT}/serviceAccounts/{ACCOUNT}/keys", {})
    key = tmp_path_factory.mktemp("key") / "key.json"
    key.write_bytes(b64decode(made["privateKeyData"]))
    furnished.run("bucket", name=BUCKET, location="EUROPE-WEST3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key))
        patch.setenv("STORAGE_EMULATOR_HOST", "")
        patch.setenv("API_ENDPOINT_OVERRIDE", furnished.url.rstrip("/"))
        patch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
        # The image has psycopg2, which psycopg 3 stands in for.
        patch.setitem(sys.modules, "psycopg2", psycopg)
        patch.syspath_prepend(IMAGE)
        yield furnished


@pytest.fixture
def check(bucket: Bench) -> Iterator[Any]:
    """The program, with an artifact in the bucket."""
    upload(bucket, ARTIFACT)
    yield importlib.import_module("check")
    for name in ("check", "login", "connection"):
        sys.modules.pop(name, None)
    for name in objects(bucket):
        response = storage(bucket, "DELETE", f"storage/v1/b/{BUCKET}/o/{name.replace('/', '%2F')}")
        response.raise_for_status()


def storage(bench: Bench, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(
        method, f"{bench.url}{path}", headers={"Authorization": f"Bearer {bench.token()}"}, timeout=10, **options
    )


def upload(bench: Bench, name: str) -> None:
    path = f"upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={name.replace('/', '%2F')}"
    storage(bench, "POST", path, data=b"artifact").raise_for_status()


def objects(bench: Bench) -> list[str]:
    found = storage(bench, "GET", f"storage/v1/b/{BUCKET}/o").json()
    return [item["name"] for item in found.get("items", [])]


@pytest.fixture
def may(bucket: Bench) -> Iterator[Callable[[str], None]]:
    """Grants the account one role on the bucket."""
    granted: list[str] = []

    def bind(role: str, state: str) -> None:
        member = f"serviceAccount:{ACCOUNT}"
        bucket.run("bucket_iam_member", bucket=BUCKET, role=role, member=member, state=state)

    def grant(role: str) -> None:
        bind(role, "present")
        granted.append(role)

    yield grant
    for role in granted:
        bind(role, "absent")


def test_it_writes_reads_and_deletes_and_leaves_the_artifacts_alone(
    bucket: Bench, check: Any, may: Callable[[str], None]
) -> None:
    may("roles/storage.objectUser")
    with bucket.recorded() as seen:
        assert check.use_bucket(URI, write=True) == {step: {"reason": ""} for step in ("write", "read", "delete")}
    assert objects(bucket) == [ARTIFACT]
    changed = [request["path"] for request in seen if request["mutating"]]
    assert [path for path in changed if "mlflow-artifacts/1/" in path or "mlflow-artifacts%2F1" in path] == []
    # What it wrote lies where no experiment's artifacts can.
    assert any("mlflow-artifacts%2Fmlflow-health%2F" in path for path in changed)


def test_to_read_alone_writes_nothing(bucket: Bench, check: Any, may: Callable[[str], None]) -> None:
    may("roles/storage.objectViewer")
    with bucket.recorded() as seen:
        assert check.use_bucket(URI, write=False) == {"read": {"reason": ""}}
    assert [request for request in seen if request["mutating"]] == []


def test_a_bucket_that_may_only_be_read(check: Any, may: Callable[[str], None]) -> None:
    may("roles/storage.objectViewer")
    steps = check.use_bucket(URI, write=True)
    assert "storage.objects.create" in steps["write"]["reason"]
    assert "\n" not in steps["write"]["reason"]
    assert steps.keys() == {"write", "read"}
    assert steps["read"] == {"reason": ""}


def test_no_access_at_all(check: Any) -> None:
    steps = check.use_bucket(URI, write=True)
    assert steps.keys() == {"write", "read"}
    assert "storage.objects.create" in steps["write"]["reason"]
    assert "storage.objects.list" in steps["read"]["reason"]


def test_what_cannot_be_read_is_deleted_all_the_same(
    bucket: Bench, check: Any, may: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    may("roles/storage.objectUser")

    def broken(_: Any) -> None:
        raise OSError("cut off")

    monkeypatch.setattr(check, "read_back", broken)
    steps = check.use_bucket(URI, write=True)
    assert steps == {"write": {"reason": ""}, "read": {"reason": "cut off"}, "delete": {"reason": ""}}
    assert objects(bucket) == [ARTIFACT]


def test_another_content_is_told(bucket: Bench, check: Any, may: Callable[[str], None]) -> None:
    may("roles/storage.objectUser")
    assert bucket
    other = check.Client().bucket(BUCKET).blob(ARTIFACT)
    assert "came back different: b'artifact'" in check.attempt(lambda: check.read_back(other))["reason"]


def test_who_may_not_delete_is_told(check: Any, may: Callable[[str], None]) -> None:
    may("roles/storage.objectCreator")
    may("roles/storage.objectViewer")
    steps = check.use_bucket(URI, write=True)
    assert (steps["write"], steps["read"]) == ({"reason": ""}, {"reason": ""})
    assert "storage.objects.delete" in steps["delete"]["reason"]


def test_what_a_killed_look_left_is_deleted_by_a_later_one(
    bucket: Bench, check: Any, may: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    may("roles/storage.objectUser")
    upload(bucket, "mlflow-artifacts/mlflow-health/left")
    check.use_bucket(URI, write=True)
    # Another look's, which may be under way.
    assert objects(bucket) == [ARTIFACT, "mlflow-artifacts/mlflow-health/left"]
    monkeypatch.setattr(check, "LEFT_BEHIND", dt.timedelta(0))
    check.use_bucket(URI, write=True)
    assert objects(bucket) == [ARTIFACT]


def test_no_credentials(check: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "key.json"
    broken.write_text(json.dumps({"type": "service_account"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(broken))
    steps = check.use_bucket(URI, write=True)
    assert steps["write"]["reason"]
    assert steps["write"] == steps["read"]
