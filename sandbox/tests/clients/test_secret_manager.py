"""google-cloud-secret-manager over REST, at Google's own address through the HTTPS proxy.

It reads enums as numbers, sends checksums, and signs its tokens itself.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from sandbox.core.checksums import crc32c
from sandbox.tests.clients.fixed_addresses import through_the_proxy
from sandbox.tests.running import NUMBER, PROJECT, Sandbox
from sandbox.tests.untyped import credentials_of, exceptions, secretmanager

PARENT = f"projects/{PROJECT}"
NAME = f"projects/{NUMBER}/secrets/rest-secret"


def connect(sandbox: Sandbox, email: str) -> Any:
    """The client as an account."""
    credentials = credentials_of(sandbox.key_of(email))
    return secretmanager.SecretManagerServiceClient(transport="rest", credentials=credentials)


@pytest.fixture(scope="module")
def client(sandbox: Sandbox) -> Iterator[Any]:
    """As the operator."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in through_the_proxy(sandbox.management).items():
            patch.setenv(name, value)
        yield connect(sandbox, sandbox.operator.email)


@pytest.fixture
def secret(client: Any) -> Iterator[Any]:
    """A secret with automatic replication, for one test."""
    body = {"replication": {"automatic": {}}, "labels": {"app": "mlflow"}}
    yield client.create_secret(request={"parent": PARENT, "secret_id": "rest-secret", "secret": body})
    client.delete_secret(request={"name": NAME})


def add(client: Any, data: bytes) -> Any:
    """A version, with its checksum."""
    payload = {"data": data, "data_crc32c": crc32c(data)}
    return client.add_secret_version(request={"parent": NAME, "payload": payload})


def test_a_version_comes_back_whole(client: Any, secret: Any) -> None:
    assert (secret.name, dict(secret.labels)) == (NAME, {"app": "mlflow"})
    version = add(client, b"first")
    assert (version.name, version.state.name) == (f"{NAME}/versions/1", "ENABLED")
    assert version.client_specified_payload_checksum is True
    for address in ("latest", "1"):
        answer = client.access_secret_version(request={"name": f"{PARENT}/secrets/rest-secret/versions/{address}"})
        assert (answer.name, answer.payload.data) == (version.name, b"first")
        assert answer.payload.data_crc32c == crc32c(b"first")
    with pytest.raises(exceptions.BadRequest, match="checksum"):
        client.add_secret_version(request={"parent": NAME, "payload": {"data": b"x", "data_crc32c": 1}})


def test_the_newest_version_decides(client: Any, secret: Any) -> None:
    del secret
    first, second = add(client, b"first"), add(client, b"second")
    disabled = client.disable_secret_version(request={"name": second.name, "etag": second.etag})
    assert disabled.state.name == "DISABLED"
    latest = {"name": f"{NAME}/versions/latest"}
    with pytest.raises(exceptions.BadRequest, match=r"versions/2\] is in DISABLED state"):
        client.access_secret_version(request=latest)
    with pytest.raises(exceptions.BadRequest, match="etag"):
        client.enable_secret_version(request={"name": second.name, "etag": second.etag})
    assert client.enable_secret_version(request={"name": second.name}).state.name == "ENABLED"
    destroyed = client.destroy_secret_version(request={"name": first.name})
    assert (destroyed.state.name, destroyed.destroy_time > destroyed.create_time) == ("DESTROYED", True)
    pages = client.list_secret_versions(request={"parent": NAME, "page_size": 1})
    assert [version.name.rpartition("/")[2] for version in pages] == ["2", "1"]
    enabled = client.list_secret_versions(request={"parent": NAME, "filter": "state:ENABLED"})
    assert [version.name for version in enabled] == [second.name]
    assert client.get_secret_version(request=latest).name == second.name


def test_labels_change_under_their_etag(client: Any, secret: Any) -> None:
    change = {"name": NAME, "labels": {"app": "other"}, "etag": secret.etag}
    request = {"secret": change, "update_mask": {"paths": ["labels"]}}
    changed = client.update_secret(request=request)
    assert (dict(changed.labels), changed.etag != secret.etag) == ({"app": "other"}, True)
    with pytest.raises(exceptions.BadRequest, match="does not match the current etag"):
        client.update_secret(request=request)
    assert [one.name for one in client.list_secrets(request={"parent": PARENT, "filter": "labels.app=other"})] == [NAME]
    assert client.get_secret(request={"name": NAME}).etag == changed.etag


def test_access_is_given_on_one_secret(sandbox: Sandbox, client: Any, secret: Any) -> None:
    del secret
    add(client, b"shared")
    email = sandbox.operator.must("POST", "serviceAccounts", {"accountId": "rest-reader"})["email"]
    reader, latest = connect(sandbox, email), {"name": f"{NAME}/versions/latest"}
    with pytest.raises(exceptions.Forbidden, match=r"secretmanager\.versions\.access"):
        reader.access_secret_version(request=latest)
    policy = client.get_iam_policy(request={"resource": NAME})
    policy.bindings.add(role="roles/secretmanager.secretAccessor", members=[f"serviceAccount:{email}"])
    client.set_iam_policy(request={"resource": NAME, "policy": policy})
    assert reader.access_secret_version(request=latest).payload.data == b"shared"
    asked = ["secretmanager.versions.access", "secretmanager.versions.add"]
    held = reader.test_iam_permissions(request={"resource": NAME, "permissions": asked})
    assert list(held.permissions) == asked[:1]
    with pytest.raises(exceptions.Conflict, match="concurrent policy changes"):
        client.set_iam_policy(request={"resource": NAME, "policy": policy})


def test_what_is_not_there_is_not_found(client: Any) -> None:
    with pytest.raises(exceptions.NotFound, match=rf"Secret \[projects/{NUMBER}/secrets/nope\] not found\."):
        client.get_secret(request={"name": f"{PARENT}/secrets/nope"})
