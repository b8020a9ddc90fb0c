"""What site.yml asked of the cloud, from the cloud's own record and from what Ansible printed."""

import re
from typing import Any

import pytest

OPERATOR = "operator@"
# Which module sends a write: method and path of the APIs, as the record has them.
WRITES = {
    "sql_instance": r"POST /(sql/)?v1(beta4)?/projects/[^/]+/instances$",
    "sql_database": r"POST /(sql/)?v1(beta4)?/projects/[^/]+/instances/[^/]+/databases$",
    "sql_user": r"POST /(sql/)?v1(beta4)?/projects/[^/]+/instances/[^/]+/users$",
    "secret": r"POST /v1/projects/[^/]+/secrets(/[^/]+:addVersion)?$",
    "service_account": r"POST /v1/projects/[^/]+/serviceAccounts$",
    "project_iam_member": r"POST /v[13]/projects/[^/:]+:setIamPolicy$",
    "project_service": r"POST /v1/projects/[^/]+/services(:batchEnable|/[^/]+:enable)$",
    "bucket": r"POST /storage/v1/b$",
    "bucket_iam_member": r"PUT /storage/v1/b/[^/]+/iam$",
}


def module_of(request: dict[str, Any]) -> str:
    call = f"{request['method']} {request['path'].split('?')[0]}"
    return next((module for module, pattern in WRITES.items() if re.match(pattern, call)), call)


def runs(log: str) -> list[str]:
    """The log, cut where a playbook starts: each ends with its recap."""
    parts = re.split(r"PLAY RECAP \*+", log)
    return [part for part in parts if "TASK [" in part]


def shown_in_the_cloud(run: str) -> set[str]:
    """Each cloud resource whose change a run shows in its diffs, as `module name: before -> after`."""
    found = set()
    for module, name, diff in re.findall(
        r"\+\+\+ after: (\w+) ([^\n]+)\n(.*?)(?=\n[^\n]*(?:changed|ok): \[)", run, re.DOTALL
    ):
        if module in WRITES:
            action = "create" if re.search(r"-\s+\{\}", diff) else "update"
            found.add(f"{action} {module} {name}")
    return found


@pytest.fixture(scope="module")
def site_runs(log: str) -> list[str]:
    """Check, converge and idempotence: the runs that planned Google Cloud."""
    return [run for run in runs(log) if "TASK [Plan Google Cloud]" in run]


def test_the_check_predicted_what_the_real_run_changed(site_runs: list[str]) -> None:
    check, converge, again = site_runs
    assert shown_in_the_cloud(check) == shown_in_the_cloud(converge)
    assert {change.split()[1] for change in shown_in_the_cloud(check)} == set(WRITES)
    assert shown_in_the_cloud(again) == set()


def test_the_record_was_judged_after_check_and_after_idempotence(log: str) -> None:
    """Molecule skips side effects in silence; these must have run."""
    assert log.count("TASK [Judge what came after]") == 2
    assert log.count("TASK [Judge the machine]") == 1


def test_the_operator_wrote_what_the_modules_are_for_and_nothing_else(requests: list[dict[str, Any]]) -> None:
    """Every kind of write that the plan announces was sent and answered well; no other was sent."""
    sent = [r for r in requests if r["mutating"] and (r["principal"] or "").startswith(OPERATOR)]
    assert {module_of(request) for request in sent if request["status"] < 300} == set(WRITES)
    assert {module_of(request) for request in sent} == set(WRITES)


def test_no_request_was_refused_for_want_of_a_permission(requests: list[dict[str, Any]]) -> None:
    """Disabled services are read as absent; everything else that the operator needs is granted."""
    refused = [r for r in requests if r["status"] in (401, 403) and r["mutating"]]
    assert refused == []
