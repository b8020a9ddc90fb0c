"""Eventual consistency on demand: changes that take their time, over a kill too, and writers who get in between."""

import time
from collections.abc import Iterator

import pytest
import requests

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Client, Sandbox

POLICY = f"/v1/projects/{PROJECT}"
ROLE = "roles/cloudsql.viewer"
DELAY, PATIENCE = 1.5, 15


def configure(sandbox: Sandbox, **settings: float) -> requests.Response:
    return requests.post(f"{sandbox.management}/propagation", json=settings, timeout=10)


@pytest.fixture(autouse=True)
def at_once_again(sandbox: Sandbox) -> Iterator[None]:
    yield
    configure(sandbox, seconds=0, other_writers=0, unseen_account=404).raise_for_status()


def policy_of(client: Client) -> Json:
    return client.must("POST", f"{POLICY}:getIamPolicy", {"options": {"requestedPolicyVersion": 3}})


def binding_of(email: str) -> Json:
    return {"role": ROLE, "members": [f"serviceAccount:{email}"]}


def until(wanted: int, client: Client, path: str) -> float:
    """How long it took until the path answered so."""
    started = time.monotonic()
    while client.call("GET", path).status != wanted:
        assert time.monotonic() < started + PATIENCE
        time.sleep(0.05)
    return time.monotonic() - started


def test_a_policy_reads_back_at_once_and_counts_later(sandbox: Sandbox, operator: Client) -> None:
    guest = sandbox.account("propagation-guest")
    configure(sandbox, seconds=DELAY).raise_for_status()
    operator.bind(ROLE, guest.email)
    assert binding_of(guest.email) in policy_of(operator)["bindings"]
    assert guest.call("GET", "instances").status == 403
    until(200, guest, "instances")
    policy = policy_of(operator)
    kept = [one for one in policy["bindings"] if one != binding_of(guest.email)]
    operator.must("POST", f"{POLICY}:setIamPolicy", {"policy": policy | {"bindings": kept}})
    assert guest.call("GET", "instances").status == 200, "a revocation takes its time too"
    until(403, guest, "instances")


def test_a_kill_neither_hastens_nor_loses_a_change(sandbox: Sandbox, operator: Client) -> None:
    guest = sandbox.account("propagation-survivor")
    configure(sandbox, seconds=4).raise_for_status()
    operator.bind(ROLE, guest.email)
    sandbox.kill()
    sandbox.restart()
    assert requests.get(f"{sandbox.management}/propagation", timeout=10).json()["seconds"] == 4
    assert guest.call("GET", "instances").status == 403
    until(200, guest, "instances")


@pytest.mark.parametrize("status", [404, 403])
def test_a_new_account_is_not_seen_at_once(sandbox: Sandbox, operator: Client, status: int) -> None:
    configure(sandbox, seconds=DELAY, unseen_account=status).raise_for_status()
    name = f"late-riser-{status}"
    email = operator.must("POST", "serviceAccounts", {"accountId": name})["email"]
    seen = operator.call("GET", f"serviceAccounts/{email}")
    assert seen.status == status
    if status == 403:
        assert seen.message == "Permission 'iam.serviceAccounts.get' denied on resource (or it may not exist)."
    assert operator.call("POST", f"serviceAccounts/{email}/keys", {}).status == status
    assert operator.call("POST", "serviceAccounts", {"accountId": name}).status == 409, "the name is taken at once"
    listed = operator.get("serviceAccounts?pageSize=100")["accounts"]
    assert email not in [account["email"] for account in listed]
    policy = policy_of(operator)
    wanted = {"policy": policy | {"bindings": [*policy["bindings"], binding_of(email)]}}
    refused = operator.call("POST", f"{POLICY}:setIamPolicy", wanted)
    assert (refused.status, refused.message) == (400, f"Service account {email} does not exist.")
    until(200, operator, f"serviceAccounts/{email}")
    operator.must("POST", f"{POLICY}:setIamPolicy", wanted)


def test_a_new_role_cannot_be_bound_at_once(sandbox: Sandbox, operator: Client) -> None:
    operator.bind("roles/iam.roleAdmin", operator.email)
    configure(sandbox, seconds=DELAY).raise_for_status()
    role = operator.must("POST", "roles", {"roleId": "fresh", "role": {"title": "Fresh"}})["name"]
    policy = policy_of(operator)
    binding = {"role": role, "members": [f"serviceAccount:{operator.email}"]}
    wanted = {"policy": policy | {"bindings": [*policy["bindings"], binding]}}
    refused = operator.call("POST", f"{POLICY}:setIamPolicy", wanted)
    assert (refused.status, refused.message) == (400, f"Role ({role}) does not exist in the resource's hierarchy.")
    time.sleep(DELAY)
    operator.must("POST", f"{POLICY}:setIamPolicy", wanted)


def test_another_writer_gets_in_between_and_both_changes_survive(sandbox: Sandbox, operator: Client) -> None:
    email = sandbox.account("lost-race").email
    configure(sandbox, other_writers=2).raise_for_status()
    for _ in range(2):
        policy = policy_of(operator)
        wanted = {"policy": policy | {"bindings": [*policy["bindings"], binding_of(email)]}}
        refused = operator.call("POST", f"{POLICY}:setIamPolicy", wanted)
        assert (refused.status, refused.body["error"]["status"]) == (409, "ABORTED")
    policy = policy_of(operator)
    written = operator.must(
        "POST", f"{POLICY}:setIamPolicy", {"policy": policy | {"bindings": [*policy["bindings"], binding_of(email)]}}
    )
    members = [member for binding in written["bindings"] for member in binding["members"]]
    assert {f"serviceAccount:{email}", "user:other-writer-1@example.com", "user:other-writer-2@example.com"} <= set(
        members
    )


def test_a_deleted_account_does_not_come_alive_in_a_policy_that_is_only_still_in_force(
    sandbox: Sandbox, operator: Client
) -> None:
    first = sandbox.account("twice-born", ROLE)
    assert first.call("GET", "instances").status == 200
    configure(sandbox, seconds=PATIENCE).raise_for_status()
    operator.bind("roles/browser", operator.email)
    configure(sandbox, seconds=0).raise_for_status()
    operator.must("DELETE", f"serviceAccounts/{first.email}")
    assert sandbox.account("twice-born").call("GET", "instances").status == 403


@pytest.mark.parametrize(
    "settings", [{"minutes": 1}, {"seconds": -1}, {"unseen_account": 500}, {"other_writers": True}]
)
def test_a_setting_that_makes_no_sense_is_refused(sandbox: Sandbox, settings: dict[str, float]) -> None:
    before = requests.get(f"{sandbox.management}/propagation", timeout=10).json()
    refused = configure(sandbox, **settings)
    assert (refused.status_code, "error" in refused.json()) == (400, True)
    assert requests.get(f"{sandbox.management}/propagation", timeout=10).json() == before
