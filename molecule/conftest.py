"""The machine and the cloud of a scenario, as its sandbox's connection card names them: shared by all scenarios."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests as http
import testinfra
from testinfra.host import Host

from tests.drift.rounds import LEAVE, Rounds, table
from tests.drift.stage import Stage
from tests.drift.world import World

ROOT = Path(__file__).resolve().parents[1]
ROUNDS: pytest.StashKey[Rounds] = pytest.StashKey()
CALLBACKS = Path(__file__).parent / "shared" / "callback_plugins"


class Operator:
    """Runs commands as an operator of this scenario's cloud would; the scenario's own log stays as it is."""

    def __init__(self, card: dict[str, Any]) -> None:
        exported = subprocess.check_output([sys.executable, "-m", "sandbox", "env"], cwd=ROOT, text=True)
        settings = dict(re.findall(r"^export (\w+)='?(.*?)'?$", exported, re.MULTILINE))
        self.environment = os.environ | settings | {"ANSIBLE_LOG_PATH": os.devnull, "ANSIBLE_FORCE_COLOR": "0"}
        self.project = card["project"]

    def run(self, *command: str, **environment: str) -> tuple[int, str]:
        settings = self.environment | environment
        done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, check=False, timeout=600)
        return done.returncode, done.stdout + done.stderr

    def breaks(self, module: str, **arguments: str) -> None:
        words = " ".join(f"{name}={value}" for name, value in arguments.items())
        returncode, output = self.run("ansible", "localhost", "-m", f"mlflow_ops.gcp.{module}", "-a", words)
        assert returncode == 0, output
        assert "CHANGED" in output

    def plays(self, playbook: str, *options: str) -> tuple[int, str]:
        """Exit code and output, on one line: Ansible folds long messages."""
        returncode, output = self.run("ansible-playbook", playbook, *options)
        return returncode, re.sub(r"\s+", " ", output)

    def killed_after(self, task: str, playbook: str, *options: str) -> str:
        """Run a playbook and kill it when a task (by its name, with or without its role) has finished; its output."""
        plugins = {"ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS), "ANSIBLE_CALLBACKS_ENABLED": "stop_after"}
        returncode, output = self.run("ansible-playbook", playbook, *options, MOLECULE_STOP_AFTER=task, **plugins)
        assert returncode == -signal.SIGKILL, f"was not killed after {task!r}: {output}"
        return re.sub(r"\s+", " ", output)


@pytest.fixture(scope="session")
def card() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((ROOT / ".sandbox" / f"{os.environ['SANDBOX_NAME']}.json").read_text())
    return content


@pytest.fixture(scope="session")
def host(card: dict[str, Any]) -> Host:
    """The machine as an operator reaches it: over SSH, with sudo."""
    target = card["target"]
    return testinfra.get_host(
        f"ssh://{target['user']}@{target['host']}:{target['port']}",
        ssh_identity_file=target["private_key_file"],
        ssh_extra_args=f"-o UserKnownHostsFile={target['known_hosts_file']} -o StrictHostKeyChecking=yes",
        sudo=True,
    )


@pytest.fixture(scope="session")
def requests(card: dict[str, Any]) -> list[dict[str, Any]]:
    """Every request that the cloud has answered in this scenario."""
    recorded: list[dict[str, Any]] = http.get(f"{card['management_url']}/requests", timeout=10).json()
    return recorded


@pytest.fixture(scope="session")
def log() -> str:
    """What Ansible printed in this scenario: check, converge and idempotence, with --diff."""
    return Path(os.environ["ANSIBLE_LOG_PATH"]).read_text()


@pytest.fixture(scope="session")
def stage(host: Host, operator: Operator, card: dict[str, Any]) -> Stage:
    """The machine and the cloud, to be broken and looked at."""
    return Stage(host, operator, card)


@pytest.fixture(scope="session")
def rounds(stage: Stage, card: dict[str, Any], request: pytest.FixtureRequest) -> Rounds:
    """A deployment with the settings of tests/drift, for rounds of tampering."""
    world = World(stage.host, card)
    made = request.config.stash[ROUNDS] = Rounds(stage, world, str(ROOT / "tests" / "drift" / "settings.yml"))
    deployed = made.plays(*LEAVE)
    assert deployed.returncode == 0, deployed.output
    # To keep the account's name takes more than to make the account.
    world.bind_project("roles/iam.serviceAccountAdmin", world.operator, bound=True)
    return made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What came of each tampering."""
    if ROUNDS in config.stash:
        for line in table(config.stash[ROUNDS].rows):
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def operator(card: dict[str, Any]) -> Operator:
    """Whoever runs the playbooks, and whoever works behind their back."""
    return Operator(card)
