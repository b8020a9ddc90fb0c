"""gcloud projects: the project itself, and its policy with and without conditions."""

import json
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
import requests

from sandbox.core.documents import Json
from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import NUMBER, PROJECT, Sandbox

pytestmark = NEEDED

CLIENT, VIEWER = "roles/cloudsql.client", "roles/cloudsql.viewer"
CONDITION = {
    "title": "until-2035",
    "description": "for now",
    "expression": "request.time < timestamp('2035-01-01T00:00:00Z')",
}
CONDITION_FLAG = "--condition=" + ",".join(f"{name}={value}" for name, value in CONDITION.items())


def bindings_of(policy: Json, role: str) -> list[Json]:
    """What a policy holds about a role."""
    return [binding for binding in policy["bindings"] if binding["role"] == role]


def the_project(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Found, described and refused."""
    sandbox.operator.bind("roles/browser", sandbox.operator.email)
    described = gcloud("projects describe", PROJECT)
    assert described == {
        "projectId": PROJECT,
        "projectNumber": NUMBER,
        "name": PROJECT,
        "lifecycleState": "ACTIVE",
        "createTime": "2026-01-01T00:00:00.000Z",
    }
    assert gcloud("projects describe", NUMBER) == described
    assert gcloud("projects list") == [described]
    assert gcloud("projects list", f"--filter=projectId={PROJECT}") == [described]
    assert gcloud("projects get-ancestors", PROJECT) == [{"id": PROJECT, "type": "project"}]
    refused = gcloud.refused("projects describe", "somebody-elses")
    assert "does not have permission to access projects instance [somebody-elses]" in refused


def the_policy(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """Bindings come and go, the others stay."""
    email = sandbox.operator.must("POST", "serviceAccounts", {"accountId": "gcloud-member"})["email"]
    member = f"serviceAccount:{email}"
    before = gcloud("projects get-iam-policy", PROJECT)
    plain = {"role": CLIENT, "members": [member]}
    added = gcloud("projects add-iam-policy-binding", PROJECT, f"--member={member}", f"--role={CLIENT}")
    assert (bindings_of(added, CLIENT), added["version"]) == ([plain], 1)
    conditional = gcloud(
        "projects add-iam-policy-binding", PROJECT, f"--member={member}", f"--role={VIEWER}", CONDITION_FLAG
    )
    assert bindings_of(conditional, VIEWER) == [{"role": VIEWER, "members": [member], "condition": CONDITION}]
    read = gcloud("projects get-iam-policy", PROJECT)
    assert (read, read["version"]) == (conditional, 3)
    condition_first = gcloud.refused(
        "projects remove-iam-policy-binding", PROJECT, f"--member={member}", f"--role={VIEWER}", "--condition=None"
    )
    assert "not found" in condition_first
    removed = gcloud(
        "projects remove-iam-policy-binding", PROJECT, f"--member={member}", f"--role={VIEWER}", CONDITION_FLAG
    )
    assert (bindings_of(removed, VIEWER), bindings_of(removed, CLIENT), removed["version"]) == ([], [plain], 1)
    gcloud("projects remove-iam-policy-binding", PROJECT, f"--member={member}", f"--role={CLIENT}")
    after = gcloud("projects get-iam-policy", PROJECT)
    assert (after["bindings"], after["etag"] == before["etag"]) == (before["bindings"], False)
    set_whole(gcloud, after, folder / "policy.json")
    ghost = f"serviceAccount:ghost@{PROJECT}.iam.gserviceaccount.com"
    refused = gcloud.refused("projects add-iam-policy-binding", PROJECT, f"--member={ghost}", f"--role={CLIENT}")
    assert f"INVALID_ARGUMENT: Service account ghost@{PROJECT}.iam.gserviceaccount.com does not exist." in refused


def set_whole(gcloud: Gcloud, policy: Json, file: Path) -> None:
    """A policy from a file, once; the second time its etag is stale."""
    audit = [{"service": "allServices", "auditLogConfigs": [{"logType": "DATA_READ"}]}]
    file.write_text(json.dumps(policy | {"auditConfigs": audit}))
    written: Any = gcloud("projects set-iam-policy", PROJECT, str(file))
    assert (written["auditConfigs"], written["bindings"]) == (audit, policy["bindings"])
    assert "There were concurrent policy changes." in gcloud.refused("projects set-iam-policy", PROJECT, str(file))


CHAINS = (the_project, the_policy)


@pytest.mark.parametrize("chain", [chain.__name__ for chain in CHAINS])
def test_gcloud_projects(running: dict[str, Future[None]], chain: str) -> None:
    running[chain].result()


def test_gcloud_loses_a_race_and_wins_the_next(
    gcloud: Gcloud, sandbox: Sandbox, running: dict[str, Future[None]]
) -> None:
    for future in running.values():
        future.exception()
    email = sandbox.account("gcloud-racer", CLIENT).email
    requests.post(f"{sandbox.management}/propagation", json={"other_writers": 1}, timeout=10).raise_for_status()
    arguments = (PROJECT, f"--member=serviceAccount:{email}", f"--role={CLIENT}")
    lost = gcloud.refused("projects remove-iam-policy-binding", *arguments)
    assert "is the subject of a conflict: There were concurrent policy changes." in lost
    policy = gcloud("projects remove-iam-policy-binding", *arguments)
    assert bindings_of(policy, CLIENT) == []
    assert "user:other-writer-1@example.com" in str(bindings_of(policy, "roles/browser"))
