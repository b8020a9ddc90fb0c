"""gcloud iam: service accounts, their keys and policies, roles."""

import json
from concurrent.futures import Future
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import PROJECT, Sandbox

pytestmark = NEEDED

DOMAIN = f"{PROJECT}.iam.gserviceaccount.com"
USER = "roles/iam.serviceAccountUser"


def service_accounts(gcloud: Gcloud, *_: object) -> None:
    """From its creation to its return from deletion."""
    created = gcloud(
        "iam service-accounts create", "gcloud-trainer", "--display-name=Trainer", "--description=Runs training"
    )
    email = f"gcloud-trainer@{DOMAIN}"
    unique_id = created["uniqueId"]
    assert created == {
        "name": f"projects/{PROJECT}/serviceAccounts/{email}",
        "projectId": PROJECT,
        "email": email,
        "uniqueId": unique_id,
        "oauth2ClientId": unique_id,
        "displayName": "Trainer",
        "description": "Runs training",
        "etag": "MDEwMjE5MjA=",
    }
    assert gcloud("iam service-accounts describe", email) == created
    changed = gcloud("iam service-accounts update", email, "--display-name=Second trainer")
    assert changed == {"name": created["name"], "displayName": "Second trainer"}
    renamed = created | {"displayName": "Second trainer"}
    assert gcloud("iam service-accounts list", f"--filter=email={email}") == [renamed | {"disabled": False}]
    gcloud("iam service-accounts disable", email)
    assert gcloud("iam service-accounts describe", email) == renamed | {"disabled": True}
    gcloud("iam service-accounts enable", email)
    gcloud("iam service-accounts delete", email)
    gone = gcloud.refused("iam service-accounts describe", email)
    assert "PERMISSION_DENIED: Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist)." in gone
    assert gcloud("iam service-accounts undelete", unique_id) == {"restoredAccount": renamed}
    taken = gcloud.refused("iam service-accounts create", "gcloud-trainer")
    assert f"Service account gcloud-trainer already exists within project projects/{PROJECT}." in taken


def keys(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """A key works until it is disabled or deleted."""
    email = sandbox.operator.must("POST", "serviceAccounts", {"accountId": "gcloud-keys"})["email"]
    account, file, public = f"--iam-account={email}", folder / "key.json", folder / "public"
    gcloud("iam service-accounts keys create", str(file), account)
    credentials = json.loads(file.read_text())
    key = credentials["private_key_id"]
    assert (credentials["client_email"], credentials["type"]) == (email, "service_account")
    (listed,) = gcloud("iam service-accounts keys list", account)
    assert listed["name"] == f"projects/{PROJECT}/serviceAccounts/{email}/keys/{key}"
    assert (listed["keyType"], listed["keyOrigin"], listed["keyAlgorithm"]) == (
        "USER_MANAGED",
        "GOOGLE_PROVIDED",
        "KEY_ALG_RSA_2048",
    )
    gcloud("beta iam service-accounts keys get-public-key", key, account, f"--output-file={public}")
    own = serialization.load_pem_private_key(credentials["private_key"].encode(), None).public_key()
    assert x509.load_pem_x509_certificate(public.read_bytes()).public_key() == own
    gcloud("iam service-accounts keys disable", key, account)
    (disabled,) = gcloud("iam service-accounts keys list", account)
    assert (disabled["disabled"], disabled["name"]) == (True, listed["name"])
    refused = gcloud.refused("auth activate-service-account", f"--key-file={file}")
    assert "Invalid JWT Signature" in refused
    gcloud("iam service-accounts keys enable", key, account)
    assert gcloud("iam service-accounts keys list", account) == [listed]
    gcloud("iam service-accounts keys delete", key, account)
    assert gcloud("iam service-accounts keys list", account) == []
    gone = gcloud.refused("iam service-accounts keys delete", key, account)
    assert f"Service account key {key} does not exist." in gone


def policies(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """Who may act as an account."""
    target, other = (
        sandbox.operator.must("POST", "serviceAccounts", {"accountId": name})["email"]
        for name in ("gcloud-target", "gcloud-actor")
    )
    member = f"--member=serviceAccount:{other}"
    assert gcloud("iam service-accounts get-iam-policy", target).keys() == {"etag"}
    added = gcloud("iam service-accounts add-iam-policy-binding", target, member, f"--role={USER}")
    assert added["bindings"] == [{"role": USER, "members": [f"serviceAccount:{other}"]}]
    assert gcloud("iam service-accounts get-iam-policy", target) == added
    removed = gcloud("iam service-accounts remove-iam-policy-binding", target, member, f"--role={USER}")
    assert removed.keys() == {"etag", "version"}
    file = folder / "policy.json"
    file.write_text(json.dumps({"bindings": added["bindings"], "etag": removed["etag"]}))
    written = gcloud("iam service-accounts set-iam-policy", target, str(file))
    assert written["bindings"] == added["bindings"]


def roles(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Google's own, and one of the project."""
    sandbox.operator.bind("roles/iam.roleAdmin", sandbox.operator.email)
    client = gcloud("iam roles describe", "roles/cloudsql.client")
    assert client == {
        "name": "roles/cloudsql.client",
        "title": "Cloud SQL Client",
        "stage": "GA",
        "etag": "AA==",
        "includedPermissions": ["cloudsql.instances.connect", "cloudsql.instances.get"],
    }
    (listed,) = gcloud("iam roles list", "--filter=name:roles/cloudsql.client")
    assert listed == {name: value for name, value in client.items() if name != "includedPermissions"}
    own = (f"--project={PROJECT}",)
    created = gcloud(
        "iam roles create", "reader", *own, "--title=Reader", "--stage=GA", "--permissions=cloudsql.instances.get"
    )
    assert created["name"] == f"projects/{PROJECT}/roles/reader"
    assert (created["title"], created["stage"], created["includedPermissions"]) == (
        "Reader",
        "GA",
        ["cloudsql.instances.get"],
    )
    updated = gcloud("iam roles update", "reader", *own, "--add-permissions=cloudsql.users.list", "--title=Reader two")
    assert updated["title"] == "Reader two"
    assert sorted(updated["includedPermissions"]) == ["cloudsql.instances.get", "cloudsql.users.list"]
    assert [role["name"] for role in gcloud("iam roles list", *own)] == [created["name"]]
    assert gcloud("iam roles delete", "reader", *own)["deleted"] is True
    assert gcloud("iam roles list", *own) == []
    assert "deleted" not in gcloud("iam roles undelete", "reader", *own)
    (permission,) = gcloud(
        "iam list-testable-permissions",
        f"//cloudresourcemanager.googleapis.com/projects/{PROJECT}",
        "--filter=name=secretmanager.versions.access",
    )
    assert permission == {"name": "secretmanager.versions.access", "stage": "GA"}


CHAINS = (service_accounts, keys, policies, roles)


@pytest.mark.parametrize("chain", [chain.__name__ for chain in CHAINS])
def test_gcloud_iam(running: dict[str, Future[None]], chain: str) -> None:
    running[chain].result()
