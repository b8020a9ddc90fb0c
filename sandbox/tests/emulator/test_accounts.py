"""Service accounts, keys, tokens, impersonation, and the metadata server's answer to who is asking."""

import base64
import json
import time

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sandbox.core.documents import Json
from sandbox.tests.running import ATTACHED, PROJECT, Client, Sandbox
from sandbox.tests.untyped import SCOPE, crypt, jwt

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture(scope="module")
def key(sandbox: Sandbox) -> Json:
    """A key of a fresh account."""
    email = sandbox.operator.must("POST", "serviceAccounts", {"accountId": "key-holder"})["email"]
    return sandbox.key_of(email)


def exchange(sandbox: Sandbox, key: Json, **changes: object) -> tuple[int, Json]:
    """POST /token with a JWT signed by the key, its claims changed."""
    now = int(time.time())
    claims = {"iss": key["client_email"], "scope": SCOPE, "aud": key["token_uri"], "iat": now, "exp": now + 3600}
    signer = crypt.RSASigner.from_service_account_info(key)
    assertion = jwt.encode(signer, claims | changes).decode()
    form = {"grant_type": GRANT, "assertion": assertion}
    reply = requests.post(f"{sandbox.url}/token", data=form, timeout=10)
    return reply.status_code, reply.json()


def test_a_signed_jwt_becomes_a_token_that_works(sandbox: Sandbox, key: Json) -> None:
    status, answer = exchange(sandbox, key)
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 3599)
    reply = sandbox.operator.call("GET", "instances", Authorization=f"Bearer {answer['access_token']}")
    assert reply.status == 403, "known, but without a role"


def bearer(key: Json, **changes: object) -> str:
    """A JWT that an account signs for itself, as Google's newer clients send it instead of a token."""
    now = int(time.time())
    claims = {"iss": key["client_email"], "sub": key["client_email"], "iat": now, "exp": now + 3600}
    signer = crypt.RSASigner.from_service_account_info(key)
    signed: bytes = jwt.encode(signer, claims | {"aud": "https://sqladmin.googleapis.com/"} | changes)
    return f"Bearer {signed.decode()}"


def test_an_account_may_sign_its_own_token(sandbox: Sandbox, key: Json, operator: Client) -> None:
    assert operator.call("GET", "instances", Authorization=bearer(key)).status == 403, "known, but without a role"
    assert sandbox.requests()[-1]["principal"] == key["client_email"]
    scoped = bearer(key, aud="", scope=SCOPE)
    assert operator.call("GET", "instances", Authorization=scoped).status == 403
    for wrong in ({"aud": "https://example.com/"}, {"sub": "user@example.com"}, {"exp": int(time.time()) - 600}):
        assert operator.call("GET", "instances", Authorization=bearer(key, **wrong)).status == 401
    forged = key | {"private_key": sandbox.key_of(operator.email)["private_key"]}
    assert operator.call("GET", "instances", Authorization=bearer(forged)).status == 401


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"iss": f"ghost@{PROJECT}.iam.gserviceaccount.com"}, "account not found"),
        ({"aud": "https://example.com/token"}, "does not match the expected audience"),
        ({"iat": 1_000_000_000, "exp": 1_000_003_600}, "short-lived token"),
        ({"exp": 9_999_999_999}, "short-lived token"),
        ({"sub": "user@example.com"}, "unauthorized to retrieve access tokens"),
    ],
)
def test_a_wrong_claim_is_refused(sandbox: Sandbox, key: Json, changes: Json, fragment: str) -> None:
    status, answer = exchange(sandbox, key, **changes)
    assert status == 400
    assert fragment in answer["error_description"]


def test_another_keys_signature_is_refused(sandbox: Sandbox, key: Json, operator: Client) -> None:
    forged = sandbox.key_of(operator.email) | {name: key[name] for name in ("client_email", "private_key_id")}
    status, answer = exchange(sandbox, forged)
    assert (status, answer) == (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})


def test_a_deleted_key_is_refused(sandbox: Sandbox, key: Json, operator: Client) -> None:
    other = sandbox.key_of(key["client_email"])
    assert exchange(sandbox, other)[0] == 200
    operator.must("DELETE", f"serviceAccounts/{key['client_email']}/keys/{other['private_key_id']}")
    assert exchange(sandbox, other) == (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."})
    kept = operator.get(f"serviceAccounts/{key['client_email']}/keys")["keys"]
    assert [one["name"].rpartition("/")[2] for one in kept] == [key["private_key_id"]]


def test_a_disabled_key_is_refused_until_it_is_enabled(sandbox: Sandbox, key: Json, operator: Client) -> None:
    path = f"serviceAccounts/{key['client_email']}/keys/{key['private_key_id']}"
    operator.must("POST", f"{path}:disable", {})
    refused = {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
    assert exchange(sandbox, key) == (400, refused)
    assert operator.get(path)["disabled"] is True
    operator.must("POST", f"{path}:enable", {})
    assert "disabled" not in operator.get(path)
    assert exchange(sandbox, key)[0] == 200
    assert operator.call("POST", f"{path}0:disable", {}).status == 404


def test_a_disabled_account_has_no_tokens(sandbox: Sandbox, operator: Client) -> None:
    email = operator.must("POST", "serviceAccounts", {"accountId": "sleeper"})["email"]
    key = sandbox.key_of(email)
    client = Client(sandbox.url, key)
    operator.must("POST", f"serviceAccounts/{email}:disable", {})
    assert client.call("GET", "instances").status == 401
    assert exchange(sandbox, key)[1]["error_description"] == "Invalid grant: account disabled"
    operator.must("POST", f"serviceAccounts/{email}:enable", {})
    assert client.call("GET", "instances").status == 403
    assert exchange(sandbox, key)[0] == 200


def test_accounts_are_created_read_changed_and_listed(operator: Client) -> None:
    body = {"accountId": "trainer", "serviceAccount": {"displayName": "Trainer"}}
    created = operator.must("POST", "serviceAccounts", body)
    assert created["email"] == f"trainer@{PROJECT}.iam.gserviceaccount.com"
    assert operator.call("POST", "serviceAccounts", body).body["error"]["status"] == "ALREADY_EXISTS"
    for address in (created["email"], created["uniqueId"]):
        assert operator.get(f"/v1/projects/-/serviceAccounts/{address}") == created
    change = {"serviceAccount": {"displayName": "Runs training"}, "updateMask": "display_name"}
    changed = operator.must("PATCH", f"serviceAccounts/{created['email']}", change)
    assert changed == {"name": created["name"], "displayName": "Runs training"}
    assert created["email"] in [account["email"] for account in operator.get("serviceAccounts")["accounts"]]
    nobody = "serviceAccounts/nobody@x.iam.gserviceaccount.com"
    assert operator.call("GET", nobody).status == 404
    assert operator.call("GET", f"/v1/projects/-/{nobody}").status == 403, "as Google's reference warns"
    short = operator.call("POST", "serviceAccounts", {"accountId": "bad"})
    assert short.message == 'The account ID "bad" does not have a length between 6 and 30.'
    assert operator.call("POST", "serviceAccounts", {"accountId": "Bad-account"}).status == 400
    empty = operator.call("PATCH", f"serviceAccounts/{created['email']}", {"serviceAccount": {}})
    assert empty.message == "Invalid field mask for ServiceAccount. Field mask paths cannot be empty."
    put = operator.must("PUT", f"serviceAccounts/{created['email']}", {"displayName": "Put"})
    assert put == created | {"displayName": "Put"}


def test_accounts_come_in_pages(operator: Client) -> None:
    for number in range(3):
        operator.must("POST", "serviceAccounts", {"accountId": f"paged-account-{number}"})
    found, token = [], ""
    while True:
        page = operator.get(f"serviceAccounts?pageSize=2&pageToken={token}")
        assert len(page["accounts"]) <= 2
        found += [account["email"].partition("@")[0] for account in page["accounts"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert {f"paged-account-{number}" for number in range(3)} <= set(found)
    assert len(found) == len(set(found))


def test_keys_are_listed_by_type_and_show_their_public_half(operator: Client) -> None:
    email = operator.must("POST", "serviceAccounts", {"accountId": "many-keys"})["email"]
    path = f"serviceAccounts/{email}/keys"
    created = operator.must("POST", path, {"privateKeyType": "TYPE_GOOGLE_CREDENTIALS_FILE"})
    private = json.loads(base64.b64decode(created["privateKeyData"]))["private_key"]
    public = serialization.load_pem_private_key(private.encode(), None).public_key()
    one = f"/v1/{created['name']}"
    raw = base64.b64decode(operator.get(f"{one}?publicKeyType=TYPE_RAW_PUBLIC_KEY")["publicKeyData"])
    assert serialization.load_pem_public_key(raw) == public
    certificate = base64.b64decode(operator.get(f"{one}?publicKeyType=TYPE_X509_PEM_FILE")["publicKeyData"])
    assert x509.load_pem_x509_certificate(certificate).public_key() == public
    assert "publicKeyData" not in operator.get(one)
    assert len(operator.get(f"{path}?keyTypes=USER_MANAGED")["keys"]) == 1
    assert operator.get(f"{path}?keyTypes=SYSTEM_MANAGED") == {}
    operator.must("POST", f"{one}:disable", {})
    assert operator.get(one)["disableReason"] == "SERVICE_ACCOUNT_KEY_DISABLE_REASON_USER_INITIATED"
    for _ in range(9):
        operator.must("POST", path, {})
    full = operator.call("POST", path, {})
    assert (full.status, full.message) == (400, "Precondition check failed.")
    assert operator.call("POST", path, {"privateKeyType": "TYPE_PKCS12_FILE"}).status == 400


def test_bindings_of_a_deleted_account_stay_dead(sandbox: Sandbox, operator: Client) -> None:
    first = sandbox.account("phoenix-account", "roles/cloudsql.viewer")
    assert first.call("GET", "instances").status == 200
    old = operator.get(f"serviceAccounts/{first.email}")
    operator.must("DELETE", f"serviceAccounts/{first.email}")
    assert first.call("GET", "instances").status == 401
    members = [
        m for b in operator.must("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})["bindings"] for m in b["members"]
    ]
    assert f"deleted:serviceAccount:{first.email}?uid={old['uniqueId']}" in members
    second = sandbox.account("phoenix-account")
    assert second.call("GET", "instances").status == 403
    assert first.call("GET", "instances").status == 401, "an old token does not speak for the new account"
    refused = operator.call("POST", f"serviceAccounts/{old['uniqueId']}:undelete", {})
    assert (refused.status, refused.body["error"]["details"][0]["resourceName"]) == (409, old["name"])


def test_an_undeleted_account_has_everything_back(sandbox: Sandbox, operator: Client) -> None:
    client = sandbox.account("lazarus-account", "roles/cloudsql.viewer")
    path = f"serviceAccounts/{client.email}"
    account, keys = operator.get(path), operator.get(f"{path}/keys")
    bindings = [{"role": "roles/iam.serviceAccountUser", "members": [f"serviceAccount:{operator.email}"]}]
    policy = operator.must("POST", f"{path}:setIamPolicy", {"policy": {"bindings": bindings}})
    operator.must("DELETE", path)
    assert client.call("GET", "instances").status == 401
    assert operator.call("GET", path).status == 404
    restored = operator.must("POST", f"serviceAccounts/{account['uniqueId']}:undelete", {})
    assert restored == {"restoredAccount": account}
    assert (operator.get(path), operator.get(f"{path}/keys")) == (account, keys)
    assert operator.must("POST", f"{path}:getIamPolicy", {}) == policy
    assert client.call("GET", "instances").status == 200
    project = operator.must("POST", f"/v1/projects/{PROJECT}:getIamPolicy", {})
    assert not [m for b in project["bindings"] for m in b["members"] if "lazarus" in m and m.startswith("deleted:")]
    assert operator.call("POST", f"serviceAccounts/{account['uniqueId']}:undelete", {}).status == 404


def test_impersonation_needs_the_token_creator(sandbox: Sandbox, operator: Client, key: Json) -> None:
    path = f"/v1/projects/-/serviceAccounts/{key['client_email']}:generateAccessToken"
    assert operator.call("POST", path, {"scope": [SCOPE]}).status == 403
    creator = sandbox.account("impersonator", "roles/iam.serviceAccountTokenCreator")
    answer = creator.must("POST", path, {"scope": [SCOPE], "lifetime": "600s"})
    reply = operator.call(
        "POST", f"/v1/projects/{PROJECT}:testIamPermissions", {}, Authorization=f"Bearer {answer['accessToken']}"
    )
    assert reply.status == 200
    assert sandbox.requests()[-1]["principal"] == key["client_email"]


def test_impersonation_granted_on_the_account_itself(sandbox: Sandbox, operator: Client) -> None:
    target, other = (
        operator.must("POST", "serviceAccounts", {"accountId": name})["email"] for name in ("target-one", "target-two")
    )
    caller = sandbox.account("caller-of-one")
    mint = "/v1/projects/-/serviceAccounts/{}:generateAccessToken"
    assert caller.call("POST", mint.format(target), {"scope": [SCOPE]}).status == 403
    policy = operator.must("POST", f"serviceAccounts/{target}:getIamPolicy?options.requestedPolicyVersion=3", {})
    assert "bindings" not in policy
    member, role = f"serviceAccount:{caller.email}", "roles/iam.serviceAccountTokenCreator"
    wanted = {"policy": {**policy, "bindings": [{"role": role, "members": [member]}]}}
    written = operator.must("POST", f"serviceAccounts/{target}:setIamPolicy", wanted)
    assert operator.must("POST", f"serviceAccounts/{target}:getIamPolicy", {}) == written
    assert operator.call("POST", f"serviceAccounts/{target}:setIamPolicy", wanted).status == 409, "a stale etag"
    token = caller.must("POST", mint.format(target), {"scope": [SCOPE]})["accessToken"]
    assert caller.call("POST", mint.format(other), {"scope": [SCOPE]}).status == 403, "on this account only"
    assert operator.call("GET", "instances", Authorization=f"Bearer {token}").status == 403, "a token without roles"
    asked = {"permissions": ["iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.delete"]}
    held = caller.must("POST", f"serviceAccounts/{target}:testIamPermissions", asked)
    assert held == {"permissions": ["iam.serviceAccounts.getAccessToken"]}
    assert caller.must("POST", f"serviceAccounts/{other}:testIamPermissions", asked) == {}


def test_impersonation_through_others_needs_each_link(sandbox: Sandbox, operator: Client) -> None:
    names = ("chain-middle", "chain-target")
    middle, target = (operator.must("POST", "serviceAccounts", {"accountId": name})["email"] for name in names)
    caller = sandbox.account("chain-caller")
    body = {"scope": [SCOPE], "delegates": [f"projects/-/serviceAccounts/{middle}"]}
    mint = f"/v1/projects/-/serviceAccounts/{target}:generateAccessToken"

    def allow(account: str, *members: str) -> None:
        role = "roles/iam.serviceAccountTokenCreator"
        bindings = [{"role": role, "members": [f"serviceAccount:{member}" for member in members]}]
        operator.must("POST", f"serviceAccounts/{account}:setIamPolicy", {"policy": {"bindings": bindings}})

    allow(middle, caller.email)
    assert "getAccessToken" in caller.call("POST", mint, body).message, "the second link is missing"
    allow(target, middle)
    assert caller.call("POST", mint, {"scope": [SCOPE]}).status == 403, "not without the one between"
    token = caller.must("POST", mint, body)["accessToken"]
    operator.call("GET", "instances", Authorization=f"Bearer {token}")
    assert sandbox.requests()[-1]["principal"] == target
    allow(middle)
    assert "implicitDelegation" in caller.call("POST", mint, body).message, "the first link is missing"


def test_google_auths_background_look_up_gets_404(operator: Client) -> None:
    reply = operator.call("GET", f"/v1/projects/-/serviceAccounts/{operator.email}/allowedLocations", Authorization="")
    assert reply.status == 404


def test_the_metadata_server_knows_the_caller_by_address(sandbox: Sandbox, operator: Client) -> None:
    email = "/computeMetadata/v1/instance/service-accounts/default/email"
    assert sandbox.metadata(email, sandbox.target_address)[0] == 404, "the attached account does not exist yet"
    operator.must("POST", "serviceAccounts", {"accountId": ATTACHED.partition("@")[0]})
    assert sandbox.metadata(email, sandbox.target_address)[:2] == (200, ATTACHED)
    assert sandbox.metadata(email, sandbox.address)[:2] == (200, operator.email)
    status, text, headers = sandbox.metadata("/computeMetadata/v1/project/project-id", sandbox.target_address)
    assert (status, text, headers["Metadata-Flavor"]) == (200, PROJECT, "Google")
    refused = sandbox.metadata(email, sandbox.target_address, flavor=False)
    assert (refused[0], refused[2]["Metadata-Flavor"]) == (403, "Google")


def test_another_machine_has_the_account_that_is_attached_to_it(sandbox: Sandbox, operator: Client) -> None:
    machine = sandbox.address.rpartition(".")[0] + ".201"
    account = operator.must("POST", "serviceAccounts", {"accountId": "attached-later"})["email"]
    email = "/computeMetadata/v1/instance/service-accounts/default/email"

    def attach(**body: str | None) -> int:
        return requests.put(f"{sandbox.management}/machines", json=body, timeout=5).status_code

    assert sandbox.metadata(email, machine)[1] == operator.email, "a loopback address is this machine's"
    assert attach(address=machine, account=account) == 200
    assert sandbox.metadata(email, machine)[:2] == (200, account)
    assert sandbox.metadata(email, sandbox.target_address)[1] != account
    assert attach(address=machine, account=None) == 200
    assert sandbox.metadata(email, machine)[1] == operator.email
    assert attach(address="training", account=account) == 400
    assert attach(address=machine, account="nobody") == 400
