"""gcloud secrets: secrets with labels, annotations and aliases, their versions and policies."""

import json
from concurrent.futures import Future
from pathlib import Path

import pytest

from sandbox.core.checksums import crc32c
from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import NUMBER, Sandbox

pytestmark = NEEDED

PARENT = f"projects/{NUMBER}/secrets"
ACCESSOR = "roles/secretmanager.secretAccessor"


def secrets(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Made, changed under its etag, deleted."""
    created = gcloud(
        "secrets create", "gcloud-secret", "--replication-policy=user-managed", "--locations=europe-west3,europe-west1"
    )
    replicas = [{"location": "europe-west3"}, {"location": "europe-west1"}]
    assert (created["name"], created["replication"]) == (
        f"{PARENT}/gcloud-secret",
        {"userManaged": {"replicas": replicas}},
    )
    assert gcloud("secrets describe", "gcloud-secret") == created
    sandbox.operator.must("POST", "secrets/gcloud-secret:addVersion", {"payload": {"data": "eA=="}})
    changed = gcloud(
        "secrets update",
        "gcloud-secret",
        "--update-labels=app=mlflow",
        "--update-annotations=tool=ansible",
        "--update-version-aliases=current=1",
        "--version-destroy-ttl=86400s",
        f"--etag={created['etag']}",
    )
    told = {"labels": {"app": "mlflow"}, "annotations": {"tool": "ansible"}, "versionAliases": {"current": "1"}}
    assert changed == created | told | {"versionDestroyTtl": "86400s", "etag": changed["etag"]}
    assert changed["etag"] != created["etag"]
    stale = gcloud.refused("secrets update", "gcloud-secret", "--remove-labels=app", f"--etag={created['etag']}")
    assert "FAILED_PRECONDITION" in stale
    assert gcloud("secrets list", "--filter=labels.app=mlflow") == [changed]
    assert gcloud("secrets replication get", "gcloud-secret") == created["replication"]
    gcloud("secrets delete", "gcloud-secret", f"--etag={changed['etag']}")
    gone = gcloud.refused("secrets describe", "gcloud-secret")
    assert f"NOT_FOUND: Secret [{PARENT}/gcloud-secret] not found." in gone


def versions(gcloud: Gcloud, _: Sandbox, folder: Path) -> None:
    """Their states, and what `latest` says about each."""
    gcloud("secrets create", "gcloud-versions", "--data-file=-", given="first")
    second = gcloud("secrets versions add", "gcloud-versions", "--data-file=-", given="second")
    assert (second["name"], second["state"]) == (f"{PARENT}/gcloud-versions/versions/2", "ENABLED")
    assert (second["clientSpecifiedPayloadChecksum"], second["replicationStatus"]) == (True, {"automatic": {}})
    accessed = gcloud("secrets versions access", "latest", "--secret=gcloud-versions")
    assert accessed == {"name": second["name"], "payload": {"data": "c2Vjb25k", "dataCrc32c": str(crc32c(b"second"))}}
    file = folder / "first"
    gcloud.text("secrets versions access", "1", "--secret=gcloud-versions", f"--out-file={file}")
    assert file.read_text() == "first"
    disabled = gcloud("secrets versions disable", "2", "--secret=gcloud-versions")
    assert disabled == second | {"state": "DISABLED", "etag": disabled["etag"]}
    refused = gcloud.refused("secrets versions access", "latest", "--secret=gcloud-versions")
    assert f"FAILED_PRECONDITION: Secret Version [{second['name']}] is in DISABLED state." in refused
    (enabled,) = gcloud("secrets versions list", "gcloud-versions", "--filter=state=ENABLED")
    assert enabled["name"] == f"{PARENT}/gcloud-versions/versions/1"
    assert gcloud("secrets versions enable", "2", "--secret=gcloud-versions")["state"] == "ENABLED"
    destroyed = gcloud("secrets versions destroy", "2", "--secret=gcloud-versions")
    assert (destroyed["state"], destroyed["destroyTime"] > destroyed["createTime"]) == ("DESTROYED", True)
    assert gcloud("secrets versions describe", "latest", "--secret=gcloud-versions") == destroyed
    assert "is in DESTROYED state." in gcloud.refused("secrets versions enable", "2", "--secret=gcloud-versions")


def policies(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """Who may read one secret."""
    email = sandbox.operator.must("POST", "serviceAccounts", {"accountId": "gcloud-reader"})["email"]
    member = f"serviceAccount:{email}"
    gcloud("secrets create", "gcloud-shared")
    assert gcloud("secrets get-iam-policy", "gcloud-shared").keys() == {"etag"}
    added = gcloud("secrets add-iam-policy-binding", "gcloud-shared", f"--member={member}", f"--role={ACCESSOR}")
    assert (added["bindings"], added["version"]) == ([{"role": ACCESSOR, "members": [member]}], 1)
    file = folder / "policy.json"
    file.write_text(json.dumps(added))
    written = gcloud("secrets set-iam-policy", "gcloud-shared", str(file))
    assert written == added | {"etag": written["etag"]}
    assert "There were concurrent policy changes." in gcloud.refused(
        "secrets set-iam-policy", "gcloud-shared", str(file)
    )
    removed = gcloud("secrets remove-iam-policy-binding", "gcloud-shared", f"--member={member}", f"--role={ACCESSOR}")
    assert "bindings" not in removed
    assert gcloud("secrets get-iam-policy", "gcloud-shared") == removed


CHAINS = (secrets, versions, policies)


@pytest.mark.parametrize("chain", [chain.__name__ for chain in CHAINS])
def test_gcloud_secrets(running: dict[str, Future[None]], chain: str) -> None:
    running[chain].result()
