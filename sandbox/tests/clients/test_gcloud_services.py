"""gcloud services: what is on, switching it, and what depends on what."""

from sandbox.core.documents import Json
from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import NUMBER

pytestmark = NEEDED


def resource(name: str, title: str, state: str) -> Json:
    """A service as it is listed."""
    parent = f"projects/{NUMBER}"
    described = {"config": {"name": name, "title": title}, "parent": parent, "state": state}
    return described | {"name": f"{parent}/services/{name}"}


def test_services_are_switched_on_and_off(gcloud: Gcloud) -> None:
    compute = ("compute.googleapis.com", "Compute Engine API")
    gcloud("services enable", "container.googleapis.com")
    assert resource(*compute, "ENABLED") in gcloud("services list")
    refused = gcloud.refused("services disable", compute[0])
    assert "is depended on by the following active service: container.googleapis.com;" in refused
    assert "Provide the --force flag" in refused
    gcloud("services disable", compute[0], "--force")
    names = [service["config"]["name"] for service in gcloud("services list", "--enabled")]
    assert {"sqladmin.googleapis.com", "storage.googleapis.com"} <= set(names)
    assert not {compute[0], "container.googleapis.com"} & set(names)
    assert resource(*compute, "DISABLED") in gcloud("services list", "--available")


def test_an_unknown_service_is_refused_by_name(gcloud: Gcloud) -> None:
    refused = gcloud.refused("services enable", "nope.googleapis.com")
    assert "Not found or permission denied for service(s): nope.googleapis.com." in refused
