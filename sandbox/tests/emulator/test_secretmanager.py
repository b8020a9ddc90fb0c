"""Secret Manager: versions and their states, checksums, names with the number, policies on secrets."""

import base64

import pytest

from sandbox.core.checksums import crc32c
from sandbox.tests.running import NUMBER, PROJECT, Client, Sandbox

SECRET = "mlflow-db-password"


def encoded(value: bytes) -> str:
    """As payload.data."""
    return base64.b64encode(value).decode()


@pytest.fixture(scope="module", autouse=True)
def secret(sandbox: Sandbox) -> None:
    """An empty secret."""
    sandbox.operator.must("POST", f"secrets?secretId={SECRET}", {"replication": {"automatic": {}}})


def test_names_carry_the_number_whichever_form_was_asked(operator: Client) -> None:
    name = f"projects/{NUMBER}/secrets/{SECRET}"
    assert operator.get(f"secrets/{SECRET}")["name"] == operator.get(f"/v1/{name}")["name"] == name
    reply = operator.call("GET", "secrets/nope")
    assert (reply.status, reply.message) == (404, f"Secret [projects/{NUMBER}/secrets/nope] not found.")
    again = operator.call("POST", f"secrets?secretId={SECRET}", {"replication": {"automatic": {}}})
    assert (again.status, again.body["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert operator.call("POST", "secrets?secretId=other", {}).status == 400


def test_the_newest_version_decides_even_when_disabled(operator: Client) -> None:
    empty = operator.call("GET", f"secrets/{SECRET}/versions/latest:access")
    assert empty.status == 404
    for value in (b"first", b"second"):
        payload = {"data": encoded(value), "dataCrc32c": str(crc32c(value))}
        version = operator.must("POST", f"secrets/{SECRET}:addVersion", {"payload": payload})
        assert version["clientSpecifiedPayloadChecksum"] is True
    answer = operator.get(f"secrets/{SECRET}/versions/latest:access")
    assert answer["name"].endswith("/versions/2")
    assert answer["payload"] == {"data": encoded(b"second"), "dataCrc32c": str(crc32c(b"second"))}
    operator.must("POST", f"secrets/{SECRET}/versions/2:disable", {})
    refused = operator.call("GET", f"secrets/{SECRET}/versions/latest:access")
    assert (refused.status, refused.body["error"]["status"]) == (400, "FAILED_PRECONDITION")
    enabled = operator.get(f"secrets/{SECRET}/versions?filter=state:ENABLED")["versions"]
    assert [version["name"].rpartition("/")[2] for version in enabled] == ["1"]
    everything = operator.get(f"secrets/{SECRET}/versions")
    assert [version["name"].rpartition("/")[2] for version in everything["versions"]] == ["2", "1"]
    operator.must("POST", f"secrets/{SECRET}/versions/2:enable", {})
    destroyed = operator.must("POST", f"secrets/{SECRET}/versions/1:destroy", {})
    assert (destroyed["state"], "destroyTime" in destroyed) == ("DESTROYED", True)
    assert operator.call("POST", f"secrets/{SECRET}/versions/1:enable", {}).status == 400


@pytest.mark.parametrize(
    "payload",
    [
        {"data": encoded(b"x"), "dataCrc32c": "1"},
        {"data": ""},
        {"data": "not base64!"},
        {"data": encoded(b"x" * 65537)},
    ],
)
def test_a_bad_payload_makes_no_version(operator: Client, payload: dict[str, str]) -> None:
    before = operator.get(f"secrets/{SECRET}/versions").get("totalSize")
    assert operator.call("POST", f"secrets/{SECRET}:addVersion", {"payload": payload}).status == 400
    assert operator.get(f"secrets/{SECRET}/versions").get("totalSize") == before


def test_labels_are_patched_by_mask_and_replication_is_not(operator: Client) -> None:
    changed = operator.must("PATCH", f"secrets/{SECRET}?updateMask=labels", {"labels": {"app": "mlflow"}})
    assert changed["labels"] == {"app": "mlflow"}
    assert operator.call("PATCH", f"secrets/{SECRET}?updateMask=replication", {"replication": {}}).status == 400


def test_access_can_be_given_on_one_secret(sandbox: Sandbox, operator: Client) -> None:
    operator.must("POST", f"secrets/{SECRET}:addVersion", {"payload": {"data": encoded(b"third")}})
    operator.must("POST", "secrets?secretId=other", {"replication": {"automatic": {}}})
    operator.must("POST", "secrets/other:addVersion", {"payload": {"data": encoded(b"hidden")}})
    reader = sandbox.account("secret-reader")
    denied = reader.call("GET", f"secrets/{SECRET}/versions/latest:access")
    assert denied.status == 403
    assert denied.body["error"]["details"][0]["metadata"]["permission"] == "secretmanager.versions.access"
    policy = operator.get(f"secrets/{SECRET}:getIamPolicy")
    assert policy.keys() == {"etag"}, "an untouched policy is just an etag"
    member = f"serviceAccount:{reader.email}"
    bindings = [{"role": "roles/secretmanager.secretAccessor", "members": [member]}]
    wanted = {"policy": policy | {"bindings": bindings}}
    operator.must("POST", f"secrets/{SECRET}:setIamPolicy", wanted)
    stale = operator.call("POST", f"secrets/{SECRET}:setIamPolicy", wanted)
    assert (stale.status, stale.body["error"]["status"]) == (409, "ABORTED")
    assert reader.get(f"secrets/{SECRET}/versions/latest:access")["payload"]["data"] == encoded(b"third")
    assert reader.call("GET", "secrets/other/versions/latest:access").status == 403


def test_a_deleted_secret_takes_versions_and_policy_along(operator: Client) -> None:
    path = f"/v1/projects/{PROJECT}/secrets/other"
    operator.must("DELETE", path)
    operator.must("POST", "secrets?secretId=other", {"replication": {"automatic": {}}})
    assert "versions" not in operator.get(f"{path}/versions")


def test_a_page_size_of_zero_is_none_given_and_a_word_is_refused(operator: Client) -> None:
    """gcloud sends it before it deletes a secret, and would turn the same empty page for ever."""
    operator.must("POST", "secrets?secretId=paged", {"replication": {"automatic": {}}})
    payload = {"payload": {"data": encoded(b"x")}}
    for _ in range(3):
        operator.must("POST", "secrets/paged:addVersion", payload)
    whole = operator.get("secrets/paged/versions?pageSize=0&pageToken=0")
    assert (len(whole["versions"]), "nextPageToken" in whole) == (3, False)
    assert len(operator.get("secrets/paged/versions?pageSize=2")["versions"]) == 2
    assert operator.call("GET", "secrets/paged/versions?pageSize=many").status == 400
