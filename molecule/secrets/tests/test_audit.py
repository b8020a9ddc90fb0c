"""The deployment's secrets are nowhere but where they belong, with a generated password and with the hardest given one.

Every run (see conftest.py) is watched on both machines; then each place that a secret could have leaked to is searched.
The same search must find a made-up secret, which the last runs leak in each of those places.
"""

import io
import json
import re
import shlex
from typing import Any

import pytest
from dotenv import dotenv_values
from testinfra.host import Host

from tests.audit.places import PLACES, Findings

ENV_FILE = "/opt/mlflow/.env"
PASSFILE = "/opt/mlflow/secrets/pg/passfile"
# Path, mode and uid of the only files that hold a password: the one that the last run gave to the machine.
FILES = [f"{ENV_FILE} 0600 0", f"{PASSFILE} 0600 10001"]
# Tasks that meet a secret, by run. One that was skipped proves nothing.
MET = {
    "generated": {
        "Keep a password in Secret Manager",
        "Create the database user",
        "Read the password from Secret Manager",
        "Log in with a fresh client",
        "Write the .env file",
        "Write the passfile",
    },
    "generated again": {"Set the password of the database user", "Write the .env file", "Write the passfile"},
    "rotated": {"Set the password of the database user", "Write the .env file", "Write the passfile"},
    "check of the canary": {"Set the password of the database user", "Write the .env file", "Write the passfile"},
    "cannot be written": {"Set the password of the database user", "Say which file could not be written"},
    "canary": {"Log in with a fresh client", "Write the .env file", "Write the passfile"},
}


def tasks_in_json(output: str) -> set[str]:
    """Names of the tasks that ran, from what the JSON callback printed after the chatter of -vvvvv."""
    report, _ = json.JSONDecoder().raw_decode(output[output.index('\n{\n    "custom_stats"') + 1 :])
    tasks = [task for play in report["plays"] for task in play["tasks"]]
    ran = [task for task in tasks if any(not result.get("skipped") for result in task["hosts"].values())]
    return {task["task"]["name"].rpartition(" : ")[2] for task in ran}


def tasks_in_text(output: str) -> set[str]:
    """Names of the tasks that ran, from Ansible's usual output."""
    parts = re.split(r"^TASK \[(?:[\w.]+ : )?(.+)\] \*+$", output, flags=re.MULTILINE)
    results = zip(parts[1::2], parts[2::2], strict=True)
    return {name for name, result in results if re.search(r"^(ok|changed|fatal|included): ", result, re.MULTILINE)}


@pytest.mark.parametrize("run", MET)
def test_the_run_met_the_secret(run: str, found: Findings, audit: Any) -> None:
    assert found  # all runs are over
    output = audit.output[run]
    assert MET[run] <= (tasks_in_text(output) if "\nTASK [" in output else tasks_in_json(output))


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_in(place: str, found: Findings) -> None:
    leaked = {secret: places[place] for secret, places in found.items() if secret != "planted" and place in places}
    if place == "files on the machine":
        assert sorted(leaked.pop("canary")) == FILES
    assert leaked == {}


@pytest.mark.parametrize("place", PLACES)
def test_a_leak_is_caught_in(place: str, found: Findings) -> None:
    assert found["planted"].get(place)


def test_only_its_reader_may_enter_the_passfiles_folder(found: Findings, host: Host) -> None:
    assert found
    folder = host.file(PASSFILE.rpartition("/")[0])
    assert (folder.mode, folder.uid) == (0o700, 10001)


@pytest.fixture(scope="module")
def values(found: Findings, host: Host, audit: Any) -> dict[str, str | None]:
    """The .env file as python-dotenv reads it, after the run that was given the canary."""
    assert found  # all runs are over
    read = dotenv_values(stream=io.StringIO(host.file(ENV_FILE).content_string))
    assert read["MLFLOW_DB_PASSWORD"] == audit.secrets["canary"]
    return read


def test_sh_reads_the_same_values(host: Host, values: dict[str, str | None]) -> None:
    printed = "; ".join(f"printf '%s\\n' \"${key}\"" for key in values)
    assert host.check_output(f"set -a; . {ENV_FILE}; {printed}").splitlines() == list(values.values())


def test_compose_reads_the_same_values(host: Host, values: dict[str, str | None]) -> None:
    project = {"services": {"x": {"image": "x", "environment": {key: f"${{{key}}}" for key in values}}}}
    command = f"docker compose --project-name x --env-file {ENV_FILE} --file - config --format json"
    read = json.loads(host.check_output(f"echo {shlex.quote(json.dumps(project))} | {command}"))
    # Compose prints its configuration to be read again, so it doubles the dollars.
    assert read["services"]["x"]["environment"] == {key: str(value).replace("$", "$$") for key, value in values.items()}


def test_the_four_values_are_enough_to_log_in(host: Host, values: dict[str, str | None]) -> None:
    """On the machine itself, through the proxy's published port; the password travels by environment, not by argv."""
    query = (
        "import psycopg2; c = psycopg2.connect('').cursor(); c.execute('select current_user'); print(c.fetchone()[0])"
    )
    image = host.check_output("docker ps --filter name=mlflow-mlflow --format '{{.Image}}'")
    output = host.check_output(
        f"set -a; . {ENV_FILE}; PGHOST=127.0.0.1 PGUSER=$MLFLOW_DB_USER PGPASSWORD=$MLFLOW_DB_PASSWORD "
        "PGDATABASE=$MLFLOW_DB_NAME docker run --rm --network host "
        "-e PGHOST -e PGUSER -e PGPASSWORD -e PGDATABASE " + shlex.join([image, "python3", "-c", query])
    )
    assert output == values["MLFLOW_DB_USER"]


def test_mlflow_works_with_the_canary(host: Host, values: dict[str, str | None], card: dict[str, Any]) -> None:
    """The server itself reads it from the passfile: a search asks the database."""
    assert values
    url = f"http://{card['target']['host']}:5000/api/2.0/mlflow/experiments/search?max_results=1"
    answer = json.loads(host.check_output(f"curl --fail --silent {shlex.quote(url)}"))
    assert answer["experiments"][0]["name"] == "Default"
