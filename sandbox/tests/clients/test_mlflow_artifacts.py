"""MLflow's own client of Cloud Storage, with a service account's key, as the tracking server uses it."""

import importlib
import os
from pathlib import Path
from typing import Any

import pytest

from sandbox.tests.emulator.stored import Bucket
from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import exceptions, storage

# Imported here, not there: it takes two seconds.
gcs_artifact_repo: Any = importlib.import_module("mlflow.store.artifact.gcs_artifact_repo")

ROOT = "gs://df_traffic_cyclist1/mlflow-artifacts/1/run/artifacts"
PREFIX = "mlflow-artifacts/1/run/artifacts"
CHUNK = 2 << 20
# The client uploads in chunks what is bigger than 8 MiB.
BIG = 9 << 20


@pytest.fixture(scope="module")
def bucket(sandbox: Sandbox) -> Bucket:
    """The bucket as the role makes it, with a role on it for the server's account."""
    uniform = {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"}
    made = Bucket(sandbox.operator, "df_traffic_cyclist1", location="europe-west3", iamConfiguration=uniform)
    server = sandbox.account("mlflow-server")
    policy = sandbox.operator.get(f"{made.path}/iam")
    policy["bindings"].append({"role": "roles/storage.objectUser", "members": [f"serviceAccount:{server.email}"]})
    sandbox.operator.must("PUT", f"{made.path}/iam", policy)
    return made


def repository(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, account: str) -> Any:
    """MLflow's repository, as an account by its key; chunks of 2 MiB."""
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", sandbox.url)
    monkeypatch.setenv("MLFLOW_GCS_UPLOAD_CHUNK_SIZE", str(CHUNK))
    monkeypatch.setenv("MLFLOW_GCS_DOWNLOAD_CHUNK_SIZE", str(CHUNK))
    key = sandbox.key_of(f"{account}@{PROJECT}.iam.gserviceaccount.com")
    client = storage.Client.from_service_account_info(key, project=PROJECT)
    return gcs_artifact_repo.GCSArtifactRepository(ROOT, client=client)


@pytest.fixture
def server(bucket: Bucket, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The repository as the server's account."""
    assert bucket.name in ROOT
    return repository(sandbox, monkeypatch, "mlflow-server")


def test_artifacts_go_up_are_listed_come_back_and_go(
    server: Any, sandbox: Sandbox, bucket: Bucket, tmp_path: Path
) -> None:
    tree = tmp_path / "model"
    (tree / "data" / "deep").mkdir(parents=True)
    (tree / "MLmodel").write_text("flavors: {}\n")
    (tree / "data" / "deep" / "ünï code +%.json").write_text("{}")
    big = tree / "data" / "model.bin"
    big.write_bytes(os.urandom(BIG + 7))
    server.log_artifacts(str(tree), "model")
    server.log_artifact(str(tree / "MLmodel"))
    listed = {(one.path, one.is_dir, one.file_size) for one in server.list_artifacts()}
    assert listed == {("MLmodel", False, 12), ("model", True, None)}
    inside = [(one.path, one.is_dir) for one in server.list_artifacts("model/data")]
    assert inside == [("model/data/deep", True), ("model/data/model.bin", False)]
    assert [one.path for one in server.list_artifacts("model/data/deep")] == ["model/data/deep/ünï code +%.json"]
    assert server.list_artifacts("nothing") == []
    assert server.list_artifacts("MLmodel") == []
    chunks = [one for one in sandbox.requests() if one["method"] == "PUT" and "/upload/" in one["path"]]
    assert [one["status"] for one in chunks if one["principal"].startswith("mlflow-server@")][-5:] == [
        308,
        308,
        308,
        308,
        200,
    ]
    back = Path(server.download_artifacts("model", str(tmp_path)))
    assert (back / "data" / "model.bin").read_bytes() == big.read_bytes()
    assert (back / "data" / "deep" / "ünï code +%.json").read_text() == "{}"
    server.delete_artifacts("model")
    assert bucket.names() == [f"{PREFIX}/MLmodel"]
    server.delete_artifacts()
    assert bucket.names() == []


def test_an_artifact_is_replaced(server: Any, bucket: Bucket, tmp_path: Path) -> None:
    file = tmp_path / "metrics.json"
    for text in ("first", "second"):
        file.write_text(text)
        server.log_artifact(str(file), "evaluation")
    assert bucket.read(f"{PREFIX}/evaluation/metrics.json".replace("/", "%2F")) == b"second"
    server.delete_artifacts("evaluation")


def test_without_the_role_google_says_which_permission_is_missing(
    bucket: Bucket, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    outsider = sandbox.account("mlflow-outsider")
    theirs = repository(sandbox, monkeypatch, "mlflow-outsider")
    (tmp_path / "x").write_text("x")
    bucket.put(f"{PREFIX}/kept".replace("/", "%2F"), b"1")
    text = f"{outsider.email} does not have storage.objects.{{}} access to the Google Cloud Storage object. "
    with pytest.raises(exceptions.Forbidden) as upload:
        theirs.log_artifact(str(tmp_path / "x"))
    assert text.format("create") in str(upload.value)
    with pytest.raises(exceptions.Forbidden) as listing:
        theirs.list_artifacts()
    assert text.format("list") in str(listing.value)
    with pytest.raises(exceptions.Forbidden) as download:
        theirs._download_file("kept", str(tmp_path / "kept"))
    assert text.format("get") in str(download.value)
    assert bucket.read(f"{PREFIX}/kept".replace("/", "%2F")) == b"1"
