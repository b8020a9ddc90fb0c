"""Secret Manager: versions and their states, checksums, names with the number, policies on secrets."""

import base64
import time
from urllib.parse import quote

import pytest

from sandbox.core.checksums import crc32c
from sandbox.core.documents import Json
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
    assert empty.message == f"Secret [projects/{NUMBER}/secrets/{SECRET}] not found or has no versions."
    missing = operator.call("GET", f"secrets/{SECRET}/versions/7")
    assert missing.message == f"Secret Version [projects/{NUMBER}/secrets/{SECRET}/versions/7] not found."
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
    assert refused.message == f"Secret Version [projects/{NUMBER}/secrets/{SECRET}/versions/2] is in DISABLED state."
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


def make(client: Client, name: str, **fields: object) -> Json:
    """A secret with one version."""
    secret = client.must("POST", f"secrets?secretId={name}", {"replication": {"automatic": {}}, **fields})
    client.must("POST", f"secrets/{name}:addVersion", {"payload": {"data": encoded(b"x")}})
    return secret


def test_an_etag_guards_secrets_and_versions(operator: Client) -> None:
    secret = make(operator, "guarded")
    version = operator.get("secrets/guarded/versions/1")
    assert "clientSpecifiedPayloadChecksum" not in version
    for path, body in (("disable", {"etag": "stale"}), ("enable", {"etag": "stale"}), ("destroy", {"etag": "stale"})):
        refused = operator.call("POST", f"secrets/guarded/versions/1:{path}", body)
        assert (refused.status, refused.body["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert operator.call("PATCH", "secrets/guarded?updateMask=labels", {"labels": {}, "etag": "stale"}).status == 400
    assert operator.call("DELETE", "secrets/guarded?etag=stale").status == 400
    assert operator.get("secrets/guarded") == secret
    moved = operator.must("POST", "secrets/guarded/versions/1:disable", {"etag": version["etag"]})
    assert moved["etag"] != version["etag"]
    changed = operator.must(
        "PATCH", "secrets/guarded?updateMask=labels", {"labels": {"a": "b"}, "etag": secret["etag"]}
    )
    operator.must("DELETE", f"secrets/guarded?etag={quote(changed['etag'])}")


def test_an_alias_addresses_a_version(operator: Client) -> None:
    make(operator, "aliased")
    body = {"versionAliases": {"current": 1}, "annotations": {"tool": "mlflow"}}
    changed = operator.must("PATCH", "secrets/aliased?updateMask=version_aliases,annotations", body)
    assert (changed["versionAliases"], changed["annotations"]) == ({"current": "1"}, {"tool": "mlflow"})
    assert operator.get("secrets/aliased/versions/current:access")["name"].endswith("/versions/1")
    assert operator.call("POST", "secrets/aliased/versions/current:disable", {}).status == 404, "aliases only read"
    for alias in ("latest", "NEW", "1st"):
        bad = {"versionAliases": {alias: 1}}
        assert operator.call("PATCH", "secrets/aliased?updateMask=versionAliases", bad).status == 400
    capital = operator.call("PATCH", "secrets/aliased?updateMask=labels", {"labels": {"Capital": "x"}})
    assert (capital.status, "Capital" in capital.message) == (400, True)
    assert (
        operator.call("PATCH", "secrets/aliased?updateMask=versionAliases", {"versionAliases": {"x": 9}}).status == 400
    )
    cleared = operator.must("PATCH", "secrets/aliased?updateMask=versionAliases", {})
    assert "versionAliases" not in cleared


def test_a_delayed_destruction_can_be_called_off_until_its_time_comes(operator: Client) -> None:
    make(operator, "delayed", versionDestroyTtl="86400s")
    path = "secrets/delayed/versions/1"
    scheduled = operator.must("POST", f"{path}:destroy", {})
    assert (scheduled["state"], "destroyTime" in scheduled) == ("DISABLED", False)
    assert scheduled["scheduledDestroyTime"] > scheduled["createTime"]
    back = operator.must("POST", f"{path}:enable", {})
    assert (back["state"], "scheduledDestroyTime" in back) == ("ENABLED", False)
    assert operator.get(f"{path}:access")["payload"]["data"] == encoded(b"x")
    operator.must("PATCH", "secrets/delayed?updateMask=versionDestroyTtl", {"versionDestroyTtl": "0.2s"})
    due = operator.must("POST", f"{path}:destroy", {})["scheduledDestroyTime"]
    time.sleep(0.3)
    destroyed = operator.get(path)
    assert (destroyed["state"], destroyed["destroyTime"]) == ("DESTROYED", due)
    assert "is in DESTROYED state." in operator.call("GET", f"{path}:access").message


def test_a_secret_expires_with_all_it_has(operator: Client) -> None:
    secret = make(operator, "fleeting", ttl="0.5s")
    assert ("ttl" in secret, secret["expireTime"] > secret["createTime"]) == (False, True)
    time.sleep(0.6)
    assert operator.call("GET", "secrets/fleeting").status == 404
    assert operator.call("GET", "secrets/fleeting/versions/1:access").status == 404
    assert "fleeting" not in str(operator.get("secrets"))
    make(operator, "fleeting")
    assert operator.get("secrets/fleeting/versions")["totalSize"] == 1
    for bad in ({"expireTime": "soon"}, {"expireTime": "2020-01-01T00:00:00Z"}, {"ttl": "1 day"}):
        assert operator.call("PATCH", f"secrets/fleeting?updateMask={next(iter(bad))}", bad).status == 400
    later = operator.must("PATCH", "secrets/fleeting?updateMask=expireTime", {"expireTime": "2035-01-01T00:00:00Z"})
    assert later["expireTime"] == "2035-01-01T00:00:00Z"
    assert "expireTime" not in operator.must("PATCH", "secrets/fleeting?updateMask=expireTime", {})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name:findable", ["findable-b", "findable-a"]),
        ("name:findable AND labels.env=prod", ["findable-a"]),
        ("name:findable NOT labels.env=prod", ["findable-b"]),
        ("labels.env:pr", ["findable-a"]),
        ("name=findable-b", ["findable-b"]),
    ],
)
def test_secrets_are_found_by_name_and_label(operator: Client, query: str, found: list[str]) -> None:
    if operator.call("GET", "secrets/findable-a").status == 404:
        make(operator, "findable-a", labels={"env": "prod"})
        make(operator, "findable-b", labels={"env": "dev"})
    answer = operator.get(f"secrets?filter={query}")
    assert [secret["name"].rpartition("/")[2] for secret in answer["secrets"]] == found
    assert "totalSize" not in answer
    assert operator.call("GET", "secrets?filter=create_time>0").status == 400


def test_replicas_are_kept_and_the_version_names_them(operator: Client) -> None:
    replication = {"userManaged": {"replicas": [{"location": "europe-west3"}, {"location": "europe-west1"}]}}
    created = operator.must("POST", "secrets?secretId=replicated", {"replication": replication})
    assert created["replication"] == replication
    version = operator.must("POST", "secrets/replicated:addVersion", {"payload": {"data": encoded(b"x")}})
    assert version["replicationStatus"] == replication
    empty: Json = {"replication": {"userManaged": {"replicas": []}}}
    assert operator.call("POST", "secrets?secretId=empty", empty).status == 400


def test_rest_clients_of_google_get_numbers_for_states(operator: Client) -> None:
    make(operator, "numbered")
    path = "secrets/numbered/versions/1"
    assert operator.get(f"{path}?$alt=json;enum-encoding=int")["state"] == 1
    assert operator.must("POST", f"{path}:disable?$alt=json;enum-encoding=int", {})["state"] == 2
    listed = operator.get("secrets/numbered/versions?$alt=json;enum-encoding=int")["versions"]
    assert [version["state"] for version in listed] == [2]


@pytest.mark.parametrize("field", [{"rotation": {"rotationPeriod": "3600s"}}, {"topics": [{"name": "t"}]}])
def test_what_is_not_emulated_is_refused(operator: Client, field: Json) -> None:
    body = {"replication": {"automatic": {}}, **field}
    refused = operator.call("POST", "secrets?secretId=unheard-of", body)
    assert (refused.status, "does not emulate" in refused.message) == (400, True)
    assert operator.call("GET", "secrets/unheard-of").status == 404
