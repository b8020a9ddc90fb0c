"""Service Usage: what is on in a fresh project, and switching."""

import time

import requests

from sandbox.tests.running import NUMBER, Sandbox

FIRST = {
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage-component.googleapis.com",
    "storage.googleapis.com",
}


def test_a_fresh_project_has_the_least_on_and_switching_takes_an_operation(running_sandbox: Sandbox) -> None:
    requests.post(f"{running_sandbox.management}/reset", timeout=30).raise_for_status()
    operator = running_sandbox.operator
    found = operator.get("services?filter=state:ENABLED")["services"]
    assert {service["config"]["name"] for service in found} == FIRST
    assert operator.call("POST", "/v1/projects/mlflow-sandbox:getIamPolicy", {}).status == 403
    operation = operator.must("POST", "services/cloudresourcemanager.googleapis.com:enable", {})
    assert "done" not in operation
    while not (operation := operator.get(f"/v1/{operation['name']}")).get("done"):
        time.sleep(0.01)
    assert operation["response"]["service"]["state"] == "ENABLED"
    assert operation["response"]["service"]["parent"] == f"projects/{NUMBER}"
    again = operator.must("POST", "services/cloudresourcemanager.googleapis.com:enable", {})
    assert (again["name"], again["done"]) == ("operations/noop.DONE_OPERATION", True)
    assert operator.call("POST", "/v1/projects/mlflow-sandbox:getIamPolicy", {}).status == 200


def test_an_unknown_service_is_refused_by_name(running_sandbox: Sandbox) -> None:
    reply = running_sandbox.operator.call("POST", "services/nope.googleapis.com:enable", {})
    assert reply.status == 403
    assert reply.message == "Not found or permission denied for service(s): nope.googleapis.com."
