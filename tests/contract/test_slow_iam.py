"""Changes of IAM that take their time, and other writers: the modules wait and try again instead of failing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests

from tests.contract.bench import PROJECT, Bench

MEMBER = f"serviceAccount:slow-account@{PROJECT}.iam.gserviceaccount.com"
BINDING: dict[str, Any] = {"role": "roles/cloudsql.client", "member": MEMBER}


def configure(bench: Bench, **settings: float) -> None:
    """How IAM behaves from now on."""
    requests.post(f"{bench.management_url}propagation", json=settings, timeout=10).raise_for_status()


@pytest.fixture
def slow(fresh: Bench) -> Iterator[Bench]:
    """A project whose IAM can be slowed down."""
    fresh.enable_all()
    yield fresh
    configure(fresh, seconds=0, other_writers=0, unseen_account=404)


def answers(seen: list[dict[str, Any]], ending: str) -> list[int]:
    """The statuses of requests whose path ends so."""
    return [request["status"] for request in seen if request["path"].endswith(ending)]


@pytest.mark.parametrize("status", [404, 403])
def test_a_new_account_is_there_when_the_module_ends(slow: Bench, status: int) -> None:
    configure(slow, seconds=1.5, unseen_account=status)
    with slow.recorded() as seen:
        assert slow.run("service_account", account_id="slow-account")["changed"]
        assert slow.run("project_iam_member", **BINDING)["changed"]
    looked_up = answers(seen, "iam.gserviceaccount.com")
    assert (status in looked_up[1:], looked_up[-1]) == (True, 200)
    assert answers(seen, ":setIamPolicy") == [200]


def test_a_member_that_is_not_seen_yet_is_tried_again(slow: Bench) -> None:
    configure(slow, seconds=1.5)
    slow.google().write("POST", "iam", f"v1/projects/{PROJECT}/serviceAccounts", {"accountId": "slow-account"})
    with slow.recorded() as seen:
        assert slow.run("project_iam_member", **BINDING)["changed"]
    tried = answers(seen, ":setIamPolicy")
    assert (400 in tried[:-1], tried[-1]) == (True, 200)
    assert not slow.run("project_iam_member", **BINDING)["changed"]


def test_a_lost_race_is_run_again_and_all_changes_survive(slow: Bench) -> None:
    slow.run("service_account", account_id="slow-account")
    configure(slow, other_writers=2)
    with slow.recorded() as seen:
        assert slow.run("project_iam_member", **BINDING)["changed"]
    assert answers(seen, ":setIamPolicy") == [409, 409, 200]
    policy = slow.google().query("cloudresourcemanager", f"v1/projects/{PROJECT}:getIamPolicy", {})
    members = [member for binding in policy["bindings"] for member in binding["members"]]
    assert {MEMBER, "user:other-writer-1@example.com", "user:other-writer-2@example.com"} <= set(members)
