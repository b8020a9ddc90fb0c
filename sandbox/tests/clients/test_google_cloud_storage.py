"""google-cloud-storage, as MLflow uses it: API_ENDPOINT_OVERRIDE moves the address and keeps the account."""

import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import exceptions, storage

BUCKET = "df_traffic_cyclist1"
MIB = 1 << 20


@pytest.fixture
def client(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """As the operator, by application default credentials."""
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", sandbox.url)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(sandbox.key_file))
    return storage.Client(project=PROJECT)


@pytest.fixture
def bucket(client: Any) -> Any:
    """The bucket, made once."""
    try:
        return client.get_bucket(BUCKET)
    except exceptions.NotFound:
        return client.create_bucket(BUCKET, location="europe-west3")


def test_small_and_resumable_uploads_come_back_whole(bucket: Any, tmp_path: Path) -> None:
    for name, size in (
        ("mlflow-artifacts/1/a/naive name+%/é.json", 11),
        ("mlflow-artifacts/1/a/model.bin", 9 * MIB + 7),
    ):
        source, target = tmp_path / "source", tmp_path / "target"
        source.write_bytes(os.urandom(size))
        blob = bucket.blob(name, chunk_size=MIB if size > MIB else None)
        blob.upload_from_filename(str(source))
        bucket.blob(name).download_to_filename(str(target))
        assert target.read_bytes() == source.read_bytes()
        assert bucket.get_blob(name).size == size
    assert bucket.blob("mlflow-artifacts/1/a/model.bin").download_as_bytes(start=5, end=9) == source.read_bytes()[5:10]


def test_listing_deleting_and_conditions(client: Any, bucket: Any) -> None:
    for name in ("tree/x/1", "tree/x/2", "tree/y"):
        bucket.blob(name).upload_from_string(name)
    found = client.list_blobs(BUCKET, prefix="tree/", delimiter="/")
    assert [blob.name for blob in found] == ["tree/y"]
    assert found.prefixes == {"tree/x/"}
    assert [blob.name for blob in client.list_blobs(BUCKET, prefix="tree/", page_size=1)] == [
        "tree/x/1",
        "tree/x/2",
        "tree/y",
    ]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("tree/y").upload_from_string("again", if_generation_match=0)
    with pytest.raises(exceptions.Conflict):
        bucket.delete()
    bucket.delete_blobs([blob.name for blob in client.list_blobs(BUCKET)])
    assert list(client.list_blobs(BUCKET)) == []


def test_policies_and_settings(bucket: Any) -> None:
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.iam_configuration.public_access_prevention = "enforced"
    bucket.labels = {"app": "mlflow"}
    bucket.patch()
    bucket.reload()
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled is True
    assert bucket.labels == {"app": "mlflow"}
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectUser", "members": {"domain:example.com"}})
    bucket.set_iam_policy(policy)
    assert "roles/storage.objectUser" in [binding["role"] for binding in bucket.get_iam_policy().bindings]
    assert bucket.test_iam_permissions(["storage.buckets.get"]) == ["storage.buckets.get"]


def test_without_the_permission_the_client_names_it(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox.operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": BUCKET})
    key = sandbox.key_of(sandbox.account("storage-outsider").email)
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", sandbox.url)
    outsider = storage.Client.from_service_account_info(key, project=PROJECT)
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
        outsider.bucket(BUCKET).blob("x").upload_from_string("x")
