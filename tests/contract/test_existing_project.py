"""A team that has made its instance, database, user, role and bucket by hand: provision.yml leaves all that alone.

The project is made once (gcloud takes its time), and each test goes on from where the one before it has left it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract import playbooks
from tests.contract.bench import PROJECT, Bench, writes

GCLOUD = shutil.which("gcloud")
pytestmark = pytest.mark.skipif(
    GCLOUD is None, reason="NOT TESTED: gcloud is not installed here, so nobody has made a project by hand"
)
ACCOUNT = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
BUCKET = "df_traffic_cyclist1"
THEIRS = "Chosen-by-hand-0123456789"
LIFECYCLE = {"rule": [{"action": {"type": "Delete"}, "condition": {"age": 400}}]}
# What a team types that follows Cloud SQL's and MLflow's pages, in its own way.
BY_HAND = (
    "sql instances create mlflow-metadata --database-version=POSTGRES_15 --edition=enterprise --tier=db-f1-micro "
    "--region=europe-west3 --storage-size=20 --authorized-networks=192.0.2.0/24 --database-flags=max_connections=30",
    "sql databases create mlflow --instance=mlflow-metadata",
    f"sql users create mlflow_user --instance=mlflow-metadata --password={THEIRS}",
    "iam service-accounts create mlflow-server --display-name=Theirs",
    f"projects add-iam-policy-binding {PROJECT} --member=serviceAccount:{ACCOUNT} --role=roles/cloudsql.client",
    f"storage buckets create gs://{BUCKET} --location=US --no-uniform-bucket-level-access "
    "--lifecycle-file={lifecycle}",
)


class Team:
    """A project made by hand, and an inventory made from inventories/example."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        shutil.copytree(playbooks.ROOT / "inventories" / "example", folder / "inventory")
        (folder / "inventory" / "group_vars" / "all" / "vault.yml.example").unlink()
        key = folder / "key.json"
        key.write_text(json.dumps(bench.key))
        key.chmod(0o600)
        self.connection = {"project": PROJECT, "endpoints": bench.endpoints, "credentials_file": str(key)}

    def gcloud(self, command: str, given: str | None = None) -> Any:
        """Run a command as the operator; its JSON, or None."""
        assert GCLOUD is not None
        token = self.folder / "token"
        token.write_text(self.bench.token())
        settings = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in self.bench.endpoints.items()}
        settings |= {"CLOUDSDK_CONFIG": str(self.folder / "gcloud"), "CLOUDSDK_CORE_PROJECT": PROJECT}
        settings |= {"CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"}
        words = [GCLOUD, *command.split(), "--format=json"]
        done = subprocess.run(
            words, env=os.environ | settings, input=given, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, f"gcloud {command}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def made_by_hand(self) -> None:
        """The six commands."""
        self.bench.enable_all()
        lifecycle = self.folder / "lifecycle.json"
        lifecycle.write_text(json.dumps(LIFECYCLE))
        for command in BY_HAND:
            self.gcloud(command.format(lifecycle=lifecycle))

    def provisions(self, *options: str, **variables: Any) -> tuple[int, str, list[str]]:
        """Exit code, output on one line, and what was written."""
        given = self.folder / "variables.json"
        # As the example says of an instance that is there already.
        known = {"gcp_project": PROJECT, "gcp_connection": self.connection, "backend_store_settings": {}}
        given.write_text(json.dumps(known | variables))
        with self.bench.recorded() as seen:
            done = playbooks.provision(self.folder / "inventory", f"-e@{given}", *options)
        return done.returncode, re.sub(r"\s+", " ", done.stdout + done.stderr), writes(seen)

    def property(self) -> dict[str, Any]:
        """Everything of theirs as Google tells it, bindings and what counts versions aside."""
        found = self.bench.run("sql_instance_info", name="mlflow-metadata")
        google = self.bench.google()
        bucket = google.get("storage", f"b/{BUCKET}")
        account = google.get("iam", f"v1/projects/{PROJECT}/serviceAccounts/{ACCOUNT}")
        kept = {key: value for key, value in bucket.items() if key not in {"etag", "metageneration", "updated"}}
        return {"sql": found, "bucket": kept, "account": account}


@pytest.fixture(scope="module")
def team(emulator: Bench, tmp_path_factory: pytest.TempPathFactory) -> Team:
    emulator.reset()
    made = Team(emulator, tmp_path_factory.mktemp("team"))
    made.made_by_hand()
    return made


BINDING = f"PUT /storage/v1/b/{BUCKET}/iam"


def test_a_user_whose_password_nobody_has_told_us_is_refused_with_both_ways_out(team: Team) -> None:
    returncode, output, written = team.provisions()
    assert returncode != 0, output
    assert "The database user mlflow_user of mlflow-metadata exists" in output
    assert "Give the password it has as backend_store_password (from a vault)" in output
    assert "set backend_store_take_over_user to true" in output
    assert written == []


def test_with_their_password_nothing_changes_but_the_missing_binding(team: Team) -> None:
    before = team.property()
    assert (before["bucket"]["location"], before["bucket"]["lifecycle"]) == ("US", LIFECYCLE)
    returncode, output, written = team.provisions(backend_store_password=THEIRS)
    assert returncode == 0, output
    assert written == [BINDING]
    assert team.property() == before
    assert "changed=0" in team.provisions(backend_store_password=THEIRS)[1]


def test_with_their_password_in_secret_manager_neither(team: Team) -> None:
    team.gcloud("secrets create mlflow-db-password --data-file=-", given=THEIRS)
    before = team.property()
    returncode, output, written = team.provisions()
    assert returncode == 0, output
    assert written == []
    assert team.property() == before
    team.gcloud("secrets delete mlflow-db-password")


def test_a_user_is_taken_over_only_on_their_word(team: Team) -> None:
    before = team.property()
    returncode, output, written = team.provisions(backend_store_take_over_user=True)
    assert returncode == 0, output
    secrets = f"POST /v1/projects/{PROJECT}/secrets"
    assert written == [secrets, f"{secrets}/mlflow-db-password:addVersion"]
    assert team.property() == before


def test_their_instance_as_variables_is_kept_as_it_is(team: Team) -> None:
    variables = team.bench.run("sql_instance_info", name="mlflow-metadata")["as_variables"]
    assert (variables["mlflow_database"], variables["mlflow_database_user"]) == ("mlflow", "mlflow_user")
    assert variables["backend_store_settings"]["database_version"] == "POSTGRES_15"
    given = {**variables, "backend_store_password": THEIRS}
    returncode, output, written = team.provisions(**given)
    assert (returncode, written) == (0, []), output
    assert "changed=0" in output
    team.gcloud("sql instances patch mlflow-metadata --authorized-networks=198.51.100.0/24")
    returncode, output, written = team.provisions("--check", "--diff", **given)
    assert (returncode, written) == (0, []), output
    assert "198.51.100.0/24" in output


def test_a_restart_that_waits_for_leave_keeps_nothing_else_from_being_corrected(team: Team) -> None:
    """The bucket comes after the instance, and the failure at the end."""
    member = f"--member=serviceAccount:{ACCOUNT} --role=roles/storage.objectUser"
    team.gcloud(f"storage buckets remove-iam-policy-binding gs://{BUCKET} {member}")
    given: dict[str, Any] = {"backend_store_settings": {"database_flags": {"track_commit_timestamp": "on"}}}
    given |= {"backend_store_password": THEIRS}
    for options, expected in ((["--check"], []), ([], [BINDING])):
        returncode, output, written = team.provisions(*options, **given)
        assert (returncode, written) == (2, expected), output
        assert "TASK [Fail for what was left]" in output
        assert "sql_instance mlflow-metadata: refused: database_flags.track_commit_timestamp: None -> 'on'" in output
        assert "backend_store_allow_restart (option allow_restart)" in output


@pytest.mark.parametrize(
    "wish",
    [
        {"gcp_region": "us-central1"},
        {"mlflow_tier": "db-g1-small"},
        {"backend_store_settings": {"database_flags": {"max_connections": "60"}}},
    ],
)
def test_what_the_rest_relies_on_ends_the_run_where_it_is(team: Team, wish: dict[str, Any]) -> None:
    """Such as more connections, which the server would be made for."""
    returncode, output, written = team.provisions(**wish, backend_store_password=THEIRS)
    assert (returncode, written) == (2, []), output
    assert "sql_instance mlflow-metadata: refused: " in output
    assert "Fail for what was left" not in output
