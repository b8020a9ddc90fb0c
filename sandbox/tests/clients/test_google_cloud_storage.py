"""google-cloud-storage, as MLflow uses it: API_ENDPOINT_OVERRIDE moves the address and keeps the account."""

import gzip
import io
import os
import time
from pathlib import Path
from typing import Any

import pytest

from sandbox.tests.conformance.discovery import FOLDER
from sandbox.tests.faults import faults
from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import (
    build_from_document,
    credentials_of,
    exceptions,
    media_file_upload,
    storage,
    storage_retry,
    transfer,
)

BUCKET = "df_traffic_cyclist1"
MIB = 1 << 20
UPLOADS = f"/upload/storage/v1/b/{BUCKET}/o"
PATIENCE = 30
# The client uploads resumably what is bigger than 8 MiB.
RESUMABLE = 9 * MIB


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
    blob = bucket.blob("mlflow-artifacts/1/a/model.bin")
    assert blob.download_as_bytes(start=5, end=9) == source.read_bytes()[5:10]
    assert blob.download_as_bytes(start=9 * MIB) == source.read_bytes()[9 * MIB :]
    assert blob.download_as_bytes(start=-3) == source.read_bytes()[-3:]
    with pytest.raises(exceptions.RequestRangeNotSatisfiable):
        blob.download_as_bytes(start=10 * MIB)


@pytest.mark.parametrize("at", ["before", "after"])
def test_an_upload_goes_on_after_a_dropped_connection(sandbox: Sandbox, bucket: Any, at: str) -> None:
    data = os.urandom(RESUMABLE + 3)
    blob = bucket.blob(f"dropped-{at}", chunk_size=2 * MIB)
    rule = {"method": "PUT", "path": UPLOADS, "nth": 2, "action": {"reset": True, "at": at}}
    with faults(sandbox, rule):
        blob.upload_from_file(io.BytesIO(data), size=len(data))
    assert bucket.blob(f"dropped-{at}").download_as_bytes() == data
    chunks = [one for one in sandbox.requests() if one["method"] == "PUT"]
    [dropped] = [number for number, one in enumerate(chunks) if one["fault"]][-1:]
    assert len(chunks) > dropped + 1, "the client went on after its connection was dropped"


def test_an_upload_goes_on_after_the_sandbox_was_killed(sandbox: Sandbox, bucket: Any) -> None:
    data = os.urandom(RESUMABLE)
    stream = KillingStream(data, 4 * MIB + 1, sandbox)
    blob = bucket.blob("survivor", chunk_size=2 * MIB)
    blob.upload_from_file(stream, size=len(data))
    assert stream.killed
    assert bucket.blob("survivor").download_as_bytes() == data


class KillingStream(io.BytesIO):
    """Bytes that kill and restart the sandbox once, when they are read beyond a place: between two chunks."""

    def __init__(self, data: bytes, place: int, sandbox: Sandbox) -> None:
        super().__init__(data)
        self._place, self._sandbox, self.killed = place, sandbox, False

    def read(self, size: int | None = -1) -> bytes:
        """As a file's."""
        if self.tell() + (size or 0) > self._place and not self.killed:
            self.killed = True
            self._sandbox.kill()
            self._sandbox.restart()
        return super().read(size)


def test_a_download_goes_on_after_a_cut_connection(sandbox: Sandbox, bucket: Any) -> None:
    data = os.urandom(2 * MIB)
    bucket.blob("cut").upload_from_string(data)
    with faults(sandbox, {"path": f"/download/storage/v1/b/{BUCKET}/o/cut", "nth": 1, "action": {"truncate": MIB}}):
        assert bucket.blob("cut").download_as_bytes() == data


def test_the_clients_retries_are_its_own(sandbox: Sandbox, bucket: Any) -> None:
    path = f"/storage/v1/b/{BUCKET}"
    flaky = {"method": "GET", "path": path, "times": 2, "action": {"status": 503}}
    with faults(sandbox, flaky):
        bucket.reload(retry=storage_retry.DEFAULT_RETRY.with_delay(initial=0.1).with_timeout(PATIENCE))
    with faults(sandbox, flaky), pytest.raises(exceptions.ServiceUnavailable):
        bucket.reload(retry=None)
    # A patch without a condition is not repeated by default, one with a condition is.
    failing = {"method": "PATCH", "path": path, "times": 1, "action": {"status": 503}}
    bucket.labels = {"app": "mlflow"}
    with faults(sandbox, failing), pytest.raises(exceptions.ServiceUnavailable):
        bucket.patch()
    with faults(sandbox, failing):
        bucket.patch(if_metageneration_match=bucket.metageneration)
    assert bucket.labels == {"app": "mlflow"}


def test_a_call_that_took_effect_is_not_done_twice(sandbox: Sandbox, bucket: Any) -> None:
    lost = {"method": "POST", "path": UPLOADS, "times": 1, "action": {"reset": True, "at": "after"}}
    with faults(sandbox, lost), pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("once").upload_from_string("first", if_generation_match=0)
    assert bucket.blob("once").download_as_bytes() == b"first"


def test_listing_deleting_and_conditions(client: Any, bucket: Any) -> None:
    for name in ("tree/x/1", "tree/x/2", "tree/y"):
        bucket.blob(name).upload_from_string(name)
    found = client.list_blobs(BUCKET, prefix="tree/", delimiter="/")
    assert [blob.name for blob in found] == ["tree/y"]
    assert found.prefixes == {"tree/x/"}
    everything = ["tree/x/1", "tree/x/2", "tree/y"]
    assert [blob.name for blob in client.list_blobs(BUCKET, prefix="tree/", page_size=1)] == everything
    assert [blob.name for blob in client.list_blobs(BUCKET, match_glob="tree/*/2")] == ["tree/x/2"]
    from_there = client.list_blobs(BUCKET, prefix="tree/", start_offset="tree/x/2", end_offset="tree/y")
    assert [blob.name for blob in from_there] == ["tree/x/2"]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.blob("tree/y").upload_from_string("again", if_generation_match=0)
    with pytest.raises(exceptions.NotFound, match=f"No such object: {BUCKET}/missing"):
        bucket.blob("missing").download_as_bytes()
    with pytest.raises(exceptions.Conflict, match="The bucket you tried to delete is not empty"):
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
    assert bucket.iam_configuration.uniform_bucket_level_access_locked_time.year > time.gmtime().tm_year - 1
    assert bucket.labels == {"app": "mlflow"}
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings.append({"role": "roles/storage.objectUser", "members": {"domain:example.com"}})
    bucket.set_iam_policy(policy)
    assert "roles/storage.objectUser" in [binding["role"] for binding in bucket.get_iam_policy().bindings]
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(policy)
    assert bucket.test_iam_permissions(["storage.buckets.get"]) == ["storage.buckets.get"]


def test_lifecycle_retention_and_holds(client: Any) -> None:
    bucket = client.bucket("kept-a-while")
    bucket.add_lifecycle_delete_rule(age=30, is_live=False)
    bucket.add_lifecycle_set_storage_class_rule("COLDLINE", age=7)
    bucket.retention_period = 3600
    client.create_bucket(bucket)
    again = client.get_bucket("kept-a-while")
    assert [rule["action"]["type"] for rule in again.lifecycle_rules] == ["Delete", "SetStorageClass"]
    blob = again.blob("entry")
    blob.upload_from_string("1")
    assert (blob.retention_expiration_time - blob.time_created).total_seconds() == again.retention_period
    with pytest.raises(exceptions.Forbidden, match="is subject to bucket's retention policy"):
        blob.delete()
    again.retention_period = None
    again.patch()
    blob.temporary_hold = True
    blob.patch()
    with pytest.raises(exceptions.Forbidden, match="is under active Temporary hold"):
        blob.delete()
    blob.temporary_hold = False
    blob.patch()
    again.delete(force=True)


def test_versions(client: Any) -> None:
    bucket = client.create_bucket("versions")
    bucket.versioning_enabled = True
    bucket.patch()
    for text in ("one", "two"):
        bucket.blob("x").upload_from_string(text)
    old, new = client.list_blobs(bucket, versions=True)
    assert (old.time_deleted is None, new.time_deleted) == (False, None)
    assert [blob.download_as_text() for blob in (old, new)] == ["one", "two"]
    bucket.copy_blob(old, bucket, "x", source_generation=old.generation)
    assert bucket.blob("x").download_as_text() == "one"
    bucket.delete_blob("x")
    assert bucket.get_blob("x") is None
    assert bucket.get_blob("x", generation=new.generation).metageneration == 1
    bucket.delete(force=True)
    assert client.lookup_bucket("versions") is None


def test_a_deleted_object_is_restored(client: Any, bucket: Any) -> None:
    blob = bucket.blob("deleted by mistake")
    blob.upload_from_string("precious")
    generation = blob.generation
    blob.delete()
    [kept] = client.list_blobs(bucket, prefix="deleted by", soft_deleted=True)
    assert (kept.generation, kept.hard_delete_time > kept.soft_delete_time) == (generation, True)
    restored = bucket.restore_blob("deleted by mistake", generation=generation)
    assert (restored.download_as_text(), restored.generation != generation) == ("precious", True)


def test_compose_and_rewrite(client: Any, bucket: Any) -> None:
    parts = [bucket.blob(f"part-{number}") for number in range(3)]
    for number, part in enumerate(parts):
        part.upload_from_string(str(number) * MIB)
    whole = bucket.blob("whole")
    whole.content_type = "text/plain"
    whole.compose(parts, if_generation_match=0)
    assert (whole.component_count, whole.md5_hash, whole.size) == (3, None, 3 * MIB)
    assert whole.download_as_bytes() == b"0" * MIB + b"1" * MIB + b"2" * MIB
    elsewhere = client.create_bucket("elsewhere", location="us-central1")
    target, token, calls = elsewhere.blob("copy"), None, 0
    while True:
        token, rewritten, total = target.rewrite(whole, token=token)
        calls += 1
        if token is None:
            break
    assert (calls, rewritten, total) == (1, 3 * MIB, 3 * MIB)
    assert (target.content_type, target.crc32c) == ("text/plain", whole.crc32c)
    target.update_storage_class("NEARLINE")
    assert (elsewhere.get_blob("copy").storage_class, elsewhere.get_blob("copy").content_type) == (
        "NEARLINE",
        "text/plain",
    )
    assert bucket.rename_blob(parts[0], "renamed").download_as_bytes() == b"0" * MIB
    assert not parts[0].exists()


def test_a_batch(client: Any, bucket: Any) -> None:
    blobs = [bucket.blob(f"batched-{number}") for number in range(3)]
    for blob in blobs:
        blob.upload_from_string("x")
    with client.batch():
        for number, blob in enumerate(blobs):
            blob.metadata = {"number": str(number)}
            blob.patch()
    assert [bucket.get_blob(blob.name).metadata for blob in blobs] == [{"number": str(number)} for number in range(3)]
    with pytest.raises(exceptions.NotFound), client.batch():
        bucket.delete_blob("batched-0")
        bucket.delete_blob("missing")
    assert not bucket.blob("batched-0").exists()
    with client.batch(raise_exception=False) as batch:
        bucket.delete_blob("batched-1")
        bucket.delete_blob("missing")
    assert [response.status_code for response in batch._responses] == [204, 404]


def test_many_files_at_once(bucket: Any, tmp_path: Path) -> None:
    data = os.urandom(4 * MIB)
    (tmp_path / "a").write_bytes(data)
    (tmp_path / "b").write_bytes(b"b")
    results = transfer.upload_many_from_filenames(bucket, ["a", "b"], str(tmp_path), worker_type=transfer.THREAD)
    assert results == [None, None]
    transfer.download_chunks_concurrently(
        bucket.blob("a"), str(tmp_path / "back"), chunk_size=MIB, worker_type=transfer.THREAD
    )
    assert (tmp_path / "back").read_bytes() == data
    # The XML API is not there.
    with pytest.raises(Exception, match="404"):
        transfer.upload_chunks_concurrently(
            str(tmp_path / "a"), bucket.blob("xml"), chunk_size=5 * MIB, worker_type=transfer.THREAD
        )


def test_compressed_content(bucket: Any) -> None:
    blob = bucket.blob("log.gz")
    blob.content_encoding = "gzip"
    blob.upload_from_string(gzip.compress(b"line\n" * 100), content_type="text/plain")
    assert bucket.blob("log.gz").download_as_bytes() == b"line\n" * 100
    assert gzip.decompress(bucket.blob("log.gz").download_as_bytes(raw_download=True)) == b"line\n" * 100


def test_damaged_content_is_refused(bucket: Any) -> None:
    blob = bucket.blob("damaged")
    blob.md5_hash = "AAAAAAAAAAAAAAAAAAAAAA=="
    with pytest.raises(exceptions.BadRequest, match="doesn't match calculated MD5 hash"):
        blob.upload_from_string("x")
    assert not blob.exists()


def test_without_the_permission_the_client_names_it(
    sandbox: Sandbox, bucket: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = sandbox.key_of(sandbox.account("storage-outsider").email)
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", sandbox.url)
    outsider = storage.Client.from_service_account_info(key, project=PROJECT)
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.create"):
        outsider.bucket(bucket.name).blob("x").upload_from_string("x")


def test_googles_generic_client(sandbox: Sandbox, bucket: Any, tmp_path: Path) -> None:
    document = (FOLDER / "storage.v1.json").read_text().replace("https://storage.googleapis.com/", f"{sandbox.url}/")
    credentials = credentials_of(sandbox.key_of(sandbox.operator.email))
    service = build_from_document(document, credentials=credentials)
    assert service.buckets().get(bucket=bucket.name).execute()["location"] == "EUROPE-WEST3"
    media = tmp_path / "media.bin"
    media.write_bytes(os.urandom(3 * MIB))
    upload = media_file_upload(str(media), chunksize=MIB, resumable=True)
    request = service.objects().insert(bucket=bucket.name, name="generic", media_body=upload)
    response = None
    while response is None:
        _, response = request.next_chunk()
    assert response["size"] == str(3 * MIB)
    assert service.objects().get_media(bucket=bucket.name, object="generic").execute() == media.read_bytes()
    objects = service.objects()
    page = objects.list(bucket=bucket.name, prefix="gen", maxResults=1)
    assert [item["name"] for item in page.execute()["items"]] == ["generic"]
