"""Service accounts, keys, tokens, impersonation, and the metadata server's answer to who is asking."""

import time

import pytest
import requests

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
    assert changed == {"name": created["name"], "email": created["email"], "displayName": "Runs training"}
    assert created["email"] in [account["email"] for account in operator.get("serviceAccounts")["accounts"]]
    assert operator.call("GET", "serviceAccounts/nobody@x.iam.gserviceaccount.com").status == 404
    assert operator.call("POST", "serviceAccounts", {"accountId": "Bad"}).status == 400


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
