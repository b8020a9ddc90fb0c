"""The google.cloud collection, whose addresses are fixed, through the HTTPS proxy: first run changed, second ok."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sandbox.core.documents import Json
from sandbox.tests.clients.database import write_key
from sandbox.tests.clients.fixed_addresses import through_the_proxy
from sandbox.tests.running import PROJECT, Sandbox

PLAYBOOK = str(Path(sys.executable).parent / "ansible-playbook")
INSTANCE, DATABASE, USER, SECRET, BUCKET = "by-ansible", "mlflow", "mlflow_user", "db-password", "by-ansible-bucket"
MODULES: dict[str, Json] = {
    "gcp_sql_instance": {
        "name": INSTANCE,
        "region": "europe-west3",
        "database_version": "POSTGRES_14",
        "settings": {"tier": "db-f1-micro"},
    },
    "gcp_sql_database": {"name": DATABASE, "instance": INSTANCE},
    # `host` is required, though PostgreSQL's is empty (as the API answers it).
    "gcp_sql_user": {"name": USER, "host": "", "password": "correct-horse", "instance": {"name": INSTANCE}},
    "gcp_secret_manager": {"name": SECRET, "value": "correct-horse"},
    "gcp_storage_bucket": {"name": BUCKET, "location": "EUROPE-WEST3", "storage_class": "STANDARD"},
}


@dataclass(frozen=True)
class Bench:
    """How the playbook is run."""

    folder: Path
    environment: dict[str, str]

    def run(self, tasks: list[Json]) -> Json:
        """Run tasks in one play that goes on after failures; the result of each by its name."""
        play = {"hosts": "localhost", "gather_facts": False, "ignore_errors": True, "tasks": tasks}
        path = self.folder / "play.yml"
        path.write_text(yaml.safe_dump([play]))
        command = [PLAYBOOK, "-i", "localhost,", "-c", "local", str(path)]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        ran = json.loads(done.stdout)["plays"][0]["tasks"]
        return {task["task"]["name"]: task["hosts"]["localhost"] for task in ran}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """A process of the module's own: the collection sends fields and parameters that Google's schemas do not have."""
    own = Sandbox()
    own.reset()
    yield own
    own.destroy()


@pytest.fixture(scope="module")
def bench(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """ansible-playbook with the operator's key and Google's own token address, away from this project's settings."""
    folder = tmp_path_factory.mktemp("google-cloud")
    key = json.loads(sandbox.key_file.read_text()) | {"token_uri": "https://oauth2.googleapis.com/token"}
    settings = {
        "GCP_AUTH_KIND": "serviceaccount",
        "GCP_SERVICE_ACCOUNT_FILE": str(write_key(folder, key)),
        "GCP_PROJECT": PROJECT,
        "GCP_SCOPES": "https://www.googleapis.com/auth/cloud-platform",
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    environment = {**os.environ, **through_the_proxy(sandbox.management), **settings, "HOME": str(folder)}
    return Bench(folder, environment)


def tasks(**options: Json) -> list[Json]:
    """A task for each module."""
    return [{"name": name, f"google.cloud.{name}": {**MODULES[name], **options.get(name, {})}} for name in MODULES]


@pytest.fixture(scope="module")
def first(bench: Bench) -> Json:
    """The first run."""
    return bench.run(tasks())


def failures(ran: Json) -> Json:
    """What went wrong."""
    return {name: result.get("msg") for name, result in ran.items() if result.get("failed")}


def test_the_first_run_makes_everything(sandbox: Sandbox, first: Json) -> None:
    assert failures(first) == {}
    assert {name: result["changed"] for name, result in first.items()} == dict.fromkeys(MODULES, True)
    operator = sandbox.operator
    instance = operator.get(f"instances/{INSTANCE}")
    assert (instance["state"], instance["settings"]["tier"]) == ("RUNNABLE", "db-f1-micro")
    assert operator.get(f"instances/{INSTANCE}/databases/{DATABASE}")["charset"] == "UTF8"
    assert USER in [user["name"] for user in operator.get(f"instances/{INSTANCE}/users")["items"]]
    payload = operator.get(f"secrets/{SECRET}/versions/latest:access")["payload"]["data"]
    assert payload == "Y29ycmVjdC1ob3JzZQ=="
    assert operator.get(f"/storage/v1/b/{BUCKET}")["location"] == "EUROPE-WEST3"


def test_the_second_run_changes_nothing(sandbox: Sandbox, bench: Bench, first: Json) -> None:
    assert failures(first) == {}
    before = len(sandbox.requests())
    again = bench.run(tasks())
    assert failures(again) == {}
    assert {name: result["changed"] for name, result in again.items()} == dict.fromkeys(MODULES, False)
    asked = sandbox.requests()[before:]
    assert [one["path"] for one in asked if one["mutating"]] == []
    # google-auth's own look-up and the token come without an account.
    assert {one["principal"] for one in asked} - {None} == {sandbox.operator.email}


def test_its_instance_module_refuses_an_update_in_its_own_words(bench: Bench, first: Json) -> None:
    """Not the sandbox's doing: the collection sees the drift, so the sandbox showed it, and gives up."""
    assert failures(first) == {}
    bigger = {"settings": {"tier": "db-g1-small"}}
    wanted = {"name": "drift", "google.cloud.gcp_sql_instance": MODULES["gcp_sql_instance"] | bigger}
    assert failures(bench.run([wanted])) == {"drift": "SQL objects can't be updated to ensure data safety"}
