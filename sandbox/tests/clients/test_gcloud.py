"""gcloud, where this machine has it: the commands an operator types."""

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.tests.clients.gcloud import NEEDED, Gcloud
from sandbox.tests.running import PROJECT, Sandbox

pytestmark = NEEDED


def cloud_sql(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """Instance, database, user."""
    gcloud(
        "sql instances create metadata --database-version=POSTGRES_14 --edition=enterprise --tier=db-f1-micro "
        "--region=europe-west3 --storage-size=10"
    )
    found = gcloud("sql instances describe metadata")
    assert (found["state"], found["settings"]["dataDiskSizeGb"]) == ("RUNNABLE", "10")
    assert [one["name"] for one in gcloud("sql instances list")] == ["metadata"]
    gcloud("sql databases create mlflow --instance=metadata")
    gcloud("sql users create mlflow_user --instance=metadata --password=pw")
    users = sandbox.operator.get("instances/metadata/users")["items"]
    assert {user["name"] for user in users} == {"postgres", "mlflow_user"}


def policies_of_project_and_secret(gcloud: Gcloud, sandbox: Sandbox, _: Path) -> None:
    """A binding on the project; a secret made and read."""
    sandbox.operator.must("POST", "serviceAccounts", {"accountId": "trainer"})
    member = f"--member=serviceAccount:trainer@{PROJECT}.iam.gserviceaccount.com"
    policy = gcloud(
        f"projects add-iam-policy-binding {PROJECT} --role=roles/cloudsql.client", member, "--condition=None"
    )
    assert "roles/cloudsql.client" in [binding["role"] for binding in policy["bindings"]]
    gcloud("secrets create db-password --data-file=-", given="top secret")
    assert sandbox.operator.get("secrets/db-password/versions/latest")["state"] == "ENABLED"
    accessed = gcloud("secrets versions access latest --secret=db-password")
    assert accessed["payload"]["data"] == "dG9wIHNlY3JldA=="


def services_and_storage(gcloud: Gcloud, sandbox: Sandbox, folder: Path) -> None:
    """A service switched on; a file into a bucket and back."""
    gcloud("services enable monitoring.googleapis.com")
    assert sandbox.operator.get("services/monitoring.googleapis.com")["state"] == "ENABLED"
    gcloud("storage buckets create gs://df_traffic_cyclist1 --location=europe-west3 --uniform-bucket-level-access")
    source = folder / "model.bin"
    source.write_bytes(os.urandom(100_000))
    gcloud("storage cp", str(source), "gs://df_traffic_cyclist1/models/1/model.bin")
    gcloud("storage cp", "gs://df_traffic_cyclist1/models/1/model.bin", str(folder / "back.bin"))
    assert (folder / "back.bin").read_bytes() == source.read_bytes()


SCRIPTS = {script.__name__: script for script in (cloud_sql, policies_of_project_and_secret, services_and_storage)}


@pytest.fixture(scope="module")
def running(
    gcloud: Gcloud, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The scripts, side by side: gcloud is slow to start and sleeps between polls."""
    with ThreadPoolExecutor() as pool:
        yield {
            name: pool.submit(script, gcloud, sandbox, tmp_path_factory.mktemp(name))
            for name, script in SCRIPTS.items()
        }


@pytest.mark.parametrize("name", SCRIPTS)
def test_gcloud(running: dict[str, Future[None]], name: str) -> None:
    running[name].result()
