"""Service Usage: what is on in a fresh project, and switching."""

import time

import pytest
import requests

from sandbox.core.documents import Json
from sandbox.tests.running import NUMBER, Client, Sandbox

FIRST = {
    "serviceusage.googleapis.com",
    "storage-api.googleapis.com",
    "storage-component.googleapis.com",
    "storage.googleapis.com",
}


def finished(client: Client, operation: Json) -> Json:
    """The operation, once it is done."""
    while not operation.get("done"):
        time.sleep(0.01)
        operation = client.get(f"/v1/{operation['name']}")
    return operation


def states(client: Client, *services: str) -> list[str]:
    """The services' states."""
    names = "&".join(f"names=projects/{NUMBER}/services/{service}.googleapis.com" for service in services)
    return [service["state"] for service in client.get(f"services:batchGet?{names}")["services"]]


def test_a_fresh_project_has_the_least_on_and_switching_takes_an_operation(running_sandbox: Sandbox) -> None:
    requests.post(f"{running_sandbox.management}/reset", timeout=30).raise_for_status()
    operator = running_sandbox.operator
    found = operator.get("services?filter=state:ENABLED")["services"]
    assert {service["config"]["name"] for service in found} == FIRST
    assert operator.call("POST", "/v1/projects/mlflow-sandbox:getIamPolicy", {}).status == 403
    operation = operator.must("POST", "services/cloudresourcemanager.googleapis.com:enable", {})
    assert "done" not in operation
    service = f"projects/{NUMBER}/services/cloudresourcemanager.googleapis.com"
    assert operation["metadata"]["resourceNames"] == [service]
    operation = finished(operator, operation)
    assert operation["response"]["service"]["state"] == "ENABLED"
    assert operation["response"]["service"]["parent"] == f"projects/{NUMBER}"
    again = operator.must("POST", "services/cloudresourcemanager.googleapis.com:enable", {})
    assert (again["name"], again["done"]) == ("operations/noop.DONE_OPERATION", True)
    assert operator.call("POST", "/v1/projects/mlflow-sandbox:getIamPolicy", {}).status == 200


def test_an_unknown_service_is_refused_by_name(running_sandbox: Sandbox) -> None:
    reply = running_sandbox.operator.call("POST", "services/nope.googleapis.com:enable", {})
    assert reply.status == 403
    assert reply.message == "Not found or permission denied for service(s): nope.googleapis.com."
    assert [detail["@type"].rpartition(".")[2] for detail in reply.body["error"]["details"]] == [
        "PreconditionFailure",
        "ErrorInfo",
    ]


def test_what_a_service_needs_comes_along_and_what_needs_it_is_asked_for(operator: Client) -> None:
    chain = ("oslogin", "compute", "container")
    finished(operator, operator.must("POST", "services/container.googleapis.com:enable", {}))
    assert states(operator, *chain) == ["ENABLED"] * 3
    refused = operator.call("POST", "services/compute.googleapis.com:disable", {"checkIfServiceHasUsage": "CHECK"})
    assert (refused.status, refused.body["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert refused.message == (
        "The service compute.googleapis.com is depended on by the following active service: container.googleapis.com; "
        "Please specify disable_dependent_services=true if you want to proceed with disabling all services."
    )
    plural = operator.call("POST", "services/oslogin.googleapis.com:disable", {}).message
    assert "following active services: compute.googleapis.com,container.googleapis.com;" in plural
    body = {"disableDependentServices": True}
    done = finished(operator, operator.must("POST", "services/compute.googleapis.com:disable", body))
    assert done["response"]["service"]["name"].endswith("/compute.googleapis.com")
    assert states(operator, *chain) == ["ENABLED", "DISABLED", "DISABLED"]


def test_lists_come_filtered_and_in_pages(operator: Client) -> None:
    found, token = [], ""
    while True:
        page = operator.get(f"services?filter=state:ENABLED&pageSize=2&pageToken={token}")
        found += [service["config"]["name"] for service in page["services"]]
        if not (token := page.get("nextPageToken", "")):
            break
    assert found == sorted(found)
    assert {*FIRST, "sqladmin.googleapis.com"} <= set(found)
    off = [service["config"]["name"] for service in operator.get("services?filter=state:DISABLED")["services"]]
    assert not set(off) & set(found)
    assert operator.call("GET", "services?filter=name:x").status == 400
    assert operator.call("GET", "services?pageToken=x").status == 400


@pytest.mark.parametrize("services", [[], ["compute.googleapis.com"] * 21])
def test_a_batch_has_its_limits(operator: Client, services: list[str]) -> None:
    assert operator.call("POST", "services:batchEnable", {"serviceIds": services}).status == 400


def test_a_batch_is_one_operation(operator: Client) -> None:
    services = ["monitoring.googleapis.com", "logging.googleapis.com"]
    done = finished(operator, operator.must("POST", "services:batchEnable", {"serviceIds": services}))
    assert [one["config"]["name"] for one in done["response"]["services"]] == services
    assert states(operator, "monitoring", "logging") == ["ENABLED"] * 2
    assert operator.get("services/logging.googleapis.com")["config"]["title"] == "Cloud Logging API"


def test_a_refusal_names_service_and_permission(sandbox: Sandbox) -> None:
    nobody = sandbox.account("switches-nothing")
    refused = nobody.call("POST", "services/compute.googleapis.com:enable", {})
    assert refused.message == "Permission denied to enable service [compute.googleapis.com]"
    info = refused.body["error"]["details"][1]
    assert (info["reason"], info["metadata"]["permission"]) == (
        "AUTH_PERMISSION_DENIED",
        "serviceusage.services.enable",
    )
    listed = nobody.call("GET", f"/v1/projects/{NUMBER}/services")
    assert listed.message == f"Permission denied to list services for consumer container [projects/{NUMBER}]"
