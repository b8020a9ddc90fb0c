"""A second machine, where nobody is root, trains through the server and straight to the bucket; the rest is refused.

In order, each test on what the last one left; after test_iam_login.py, so the server has no password either.
"""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests as http
import testinfra
from testinfra.host import Host

from sandbox.machine import engine, evidence
from sandbox.machine.identity import sandbox
from sandbox.machine.progress import Progress
from sandbox.training import TrainingMachine

ROOT = Path(__file__).resolve().parents[3]
LOCK = ROOT / "roles" / "trainer" / "files" / "requirements.txt"
TRAIN = "playbooks/train.yml"
BY_IAM = ("--extra-vars", "mlflow_database_authentication=iam", "--extra-vars", "tracking_server_round_trip=false")
DIRECT = ("--extra-vars", "mlflow_artifact_mode=direct")
DIRECT_EXPERIMENT = "written-directly"


@pytest.fixture(scope="module")
def second(card: dict[str, Any]) -> dict[str, Any]:
    """The card of this scenario's sandbox once it has a training machine."""
    subprocess.check_call([sys.executable, "-m", "sandbox", "up", "--trainer", "--operation-seconds", "0.1"], cwd=ROOT)
    content: dict[str, Any] = json.loads((ROOT / ".sandbox" / f"{os.environ['SANDBOX_NAME']}.json").read_text())
    assert content | {"trainer": None} == card
    return content


@pytest.fixture(scope="module")
def trainer(second: dict[str, Any]) -> Host:
    """The machine as somebody who trains reaches it."""
    where = second["trainer"]
    return testinfra.get_host(
        f"ssh://{where['user']}@{where['host']}:{where['port']}",
        ssh_identity_file=where["private_key_file"],
        ssh_extra_args=f"-o UserKnownHostsFile={where['known_hosts_file']} -o StrictHostKeyChecking=yes",
    )


@pytest.fixture(scope="module")
def machine(second: dict[str, Any]) -> TrainingMachine:
    client = engine.connect()
    assert client
    return TrainingMachine(client, sandbox(os.environ["SANDBOX_NAME"]), second)


def writes(card: dict[str, Any]) -> int:
    recorded: list[dict[str, Any]] = http.get(f"{card['management_url']}/requests", timeout=30).json()
    return sum(request["mutating"] for request in recorded)


def trains(machine: TrainingMachine, experiment: str = "") -> tuple[dict[str, Any], str]:
    """A run of the example, compared with PostgreSQL and the bucket; and what was seen of it."""
    with Progress() as progress:
        result, _ = machine.train(progress, "trains", experiment)
        return result, progress.outcomes["trains"]


def changed(output: str) -> int:
    counts = re.findall(r"training-machine : ok=\d+ changed=(\d+)", output)
    assert len(counts) == 1, output
    return int(counts[0])


def test_a_check_of_a_bare_machine_writes_nothing(operator: Any, trainer: Host) -> None:
    returncode, output = operator.plays(TRAIN, "--check", "--diff")
    assert returncode == 0, output
    assert "Would make /home/debian/mlflow/environment" in output
    assert not trainer.file("/home/debian/mlflow").exists


def test_it_is_made_ready_by_a_user_who_cannot_become_root(operator: Any, trainer: Host) -> None:
    assert trainer.run("sudo -n true").failed
    assert trainer.run("python3 -m pip --version").failed
    assert trainer.run("python3 -m ensurepip --version").failed
    returncode, output = operator.plays(TRAIN)
    assert returncode == 0, output
    assert ". /home/debian/mlflow/activate && python /home/debian/mlflow/example.py" in output
    folder = trainer.check_output("ls /home/debian/mlflow").split()
    assert [name for name in folder if not name.startswith("environment-")] == ["activate", "environment", "example.py"]


def test_the_environment_is_the_locks(trainer: Host) -> None:
    frozen = trainer.check_output("mlflow/environment/bin/python -m pip freeze --all").lower().replace("_", "-").split()
    pins = re.findall(r"^(\S+==\S+)", LOCK.read_text(), re.MULTILINE)
    assert sorted(frozen) == sorted(pin.lower().replace("_", "-") for pin in pins)
    trainer.check_output("mlflow/environment/bin/python -m pip check")


def test_again_it_changes_nothing(operator: Any, card: dict[str, Any]) -> None:
    before = writes(card)
    returncode, output = operator.plays(TRAIN)
    assert (returncode, changed(output), writes(card)) == (0, 0, before), output


def test_what_somebody_has_broken_is_put_right_and_what_they_made_stays(operator: Any, trainer: Host) -> None:
    trainer.check_output("mlflow/environment/bin/python -m pip uninstall --quiet --yes cloudpickle")
    trainer.check_output(
        "sed -i 's/^export MLFLOW_TRACKING_URI.*//' mlflow/activate; echo '# mine' >> mlflow/example.py"
    )
    returncode, output = operator.plays(TRAIN, "--check")
    assert (returncode, changed(output)) == (0, 2), output
    assert trainer.run("ls -d mlflow/environment/lib/*/site-packages/cloudpickle").failed
    returncode, output = operator.plays(TRAIN)
    assert returncode == 0, output
    assert trainer.check_output("ls -d mlflow/environment/lib/*/site-packages/cloudpickle")
    assert trainer.file("/home/debian/mlflow/activate").contains("MLFLOW_TRACKING_URI")
    assert trainer.check_output("tail -n 1 mlflow/example.py") == "# mine"


@pytest.mark.parametrize(
    ("playbook", "setting", "line"),
    [
        (TRAIN, "trainer_python=python2.7", "python2.7 does not run on training-machine:"),
        (TRAIN, f"trainer_requirements={LOCK.parents[2]}/tracking_server/files/image/requirements.txt", "locks no pip"),
        (TRAIN, "trainer_credentials={}", "trainer_credentials: it is of type 'none', not the key of a service"),
        ("site.yml", "mlflow_artifact_mode=Direct", "is Direct, and artifacts go to the bucket proxied or direct."),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_changes(
    operator: Any, card: dict[str, Any], playbook: str, setting: str, line: str
) -> None:
    before = writes(card)
    returncode, output = operator.plays(playbook, "--extra-vars", setting)
    assert returncode != 0
    assert line in output
    assert "Nothing was changed." in output
    assert not re.search(r"changed=[1-9]", output)
    assert writes(card) == before


def test_a_server_that_does_not_answer_is_named(operator: Any) -> None:
    returncode, output = operator.plays(TRAIN, "--check", "--extra-vars", "trainer_tracking_uri=http://127.0.0.1:5999")
    assert returncode == 0, output
    returncode, output = operator.plays(TRAIN, "--extra-vars", "trainer_tracking_uri=http://127.0.0.1:5999")
    assert returncode != 0
    assert "training-machine does not reach MLflow at http://127.0.0.1:5999 (trainer_tracking_uri)" in output
    assert operator.plays(TRAIN)[0] == 0


def test_through_the_server_it_needs_no_google_account(machine: TrainingMachine, trainer: Host) -> None:
    assert "GOOGLE_APPLICATION_CREDENTIALS" not in trainer.check_output("cat mlflow/activate")
    result, outcome = trains(machine)
    assert result["artifact_uri"].startswith("mlflow-artifacts:/")
    assert outcome.startswith("artifacts written by mlflow-server;")


def test_straight_to_the_bucket_it_needs_an_account(operator: Any, stage: Any) -> None:
    returncode, output = operator.plays("site.yml", *BY_IAM, *DIRECT)
    assert returncode == 0, output
    returncode, output = operator.plays(TRAIN, *DIRECT)
    assert returncode != 0
    assert (
        "training-machine cannot list gs://df_traffic_cyclist1/mlflow-artifacts/ (attach mlflow_trainer_account"
        in output
    )
    stage.finds_nothing(*BY_IAM, *DIRECT)


def test_with_its_own_account_it_writes_by_itself(operator: Any, machine: TrainingMachine) -> None:
    machine.attach(machine.account)
    returncode, output = operator.plays(TRAIN, *DIRECT)
    assert (returncode, changed(output)) == (0, 0), output
    result, outcome = trains(machine, DIRECT_EXPERIMENT)
    assert result["artifact_uri"].startswith("gs://df_traffic_cyclist1/mlflow-artifacts/")
    assert outcome.startswith("artifacts written by mlflow-trainer;")


def test_older_experiments_stay_as_they_were_made(machine: TrainingMachine) -> None:
    result, outcome = trains(machine)
    assert result["artifact_uri"].startswith("mlflow-artifacts:/")
    assert outcome.startswith("artifacts written by mlflow-server;")


def test_the_account_is_refused_everything_else(machine: TrainingMachine, card: dict[str, Any]) -> None:
    with Progress() as progress:
        machine.is_refused(progress)
    recorded: list[dict[str, Any]] = http.get(f"{card['management_url']}/requests", timeout=30).json()
    refused = [one for one in recorded if one["principal"] == machine.account and one["status"] == 403]
    assert [one for one in refused if "/storage/" in one["path"]]
    assert [one for one in refused if "connectSettings" in one["path"] or "generateEphemeralCert" in one["path"]]


def test_a_key_takes_the_place_of_an_attached_account(
    operator: Any, machine: TrainingMachine, trainer: Host, card: dict[str, Any], tmp_path: Path
) -> None:
    """And it goes when it is not used any more."""
    machine.attach(None)
    administrator = f"serviceAccount:{card['operator']['email']}"
    operator.breaks("project_iam_member", role="roles/iam.serviceAccountKeyAdmin", member=administrator)
    url = f"{card['url']}/v1/projects/{card['project']}/serviceAccounts/{machine.account}/keys"
    token = evidence.token(Path(card["operator"]["key_file"]))
    made = http.post(url, headers={"Authorization": f"Bearer {token}"}, timeout=30).json()
    given = tmp_path / "key.json"
    given.touch(mode=0o600)
    key = base64.b64decode(made["privateKeyData"]).decode()
    given.write_text(json.dumps({"trainer_credentials": key}))
    for changes in (2, 0):
        returncode, output = operator.plays(TRAIN, *DIRECT, "--diff", "--extra-vars", f"@{given}")
        assert (returncode, changed(output)) == (0, changes), output
        assert json.loads(key)["private_key"][40:80] not in output
    file = trainer.file("/home/debian/mlflow/credentials.json")
    assert (file.mode, file.user) == (0o600, "debian")
    assert trains(machine, DIRECT_EXPERIMENT)[1].startswith("artifacts written by mlflow-trainer;")
    returncode, output = operator.plays(TRAIN)
    assert (returncode, changed(output)) == (0, 2), output
    assert not file.exists
