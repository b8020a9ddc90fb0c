"""What somebody breaks behind our back: verify.yml fails and names it, site.yml heals it with no hand work.

Runs last (files run in the order of their names): it changes what the other tests look at.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "mlflow-server"


class Operator:
    """Runs commands as an operator of this scenario's cloud would; the scenario's own log stays as it is."""

    def __init__(self, card: dict[str, Any]) -> None:
        exported = subprocess.check_output([sys.executable, "-m", "sandbox", "env"], cwd=ROOT, text=True)
        settings = dict(re.findall(r"^export (\w+)='?(.*?)'?$", exported, re.MULTILINE))
        self.environment = os.environ | settings | {"ANSIBLE_LOG_PATH": os.devnull, "ANSIBLE_FORCE_COLOR": "0"}
        self.project = card["project"]

    def run(self, *command: str) -> tuple[int, str]:
        done = subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=300
        )
        return done.returncode, done.stdout + done.stderr

    def breaks(self, module: str, **arguments: str) -> None:
        words = " ".join(f"{name}={value}" for name, value in arguments.items())
        returncode, output = self.run("ansible", "localhost", "-m", f"mlflow_ops.gcp.{module}", "-a", words)
        assert returncode == 0, output
        assert "CHANGED" in output

    def plays(self, playbook: str) -> tuple[int, str]:
        """Exit code and output, on one line: Ansible folds long messages."""
        returncode, output = self.run("ansible-playbook", playbook)
        return returncode, re.sub(r"\s+", " ", output)


@pytest.fixture(scope="module")
def operator(card: dict[str, Any]) -> Operator:
    return Operator(card)


def test_a_role_taken_away(operator: Operator) -> None:
    """Nothing is restarted: the running proxy still has a certificate, and yet verify.yml must notice."""
    member = f"serviceAccount:{ACCOUNT}@{operator.project}.iam.gserviceaccount.com"
    operator.breaks("project_iam_member", role="roles/cloudsql.client", member=member, state="absent")
    returncode, output = operator.plays("playbooks/verify.yml")
    assert returncode != 0
    assert "lacks roles/cloudsql.client" in output
    returncode, output = operator.plays("site.yml")  # ends with verify.yml's own checks
    assert returncode == 0, output


def test_a_password_changed(operator: Operator) -> None:
    """The database refuses the one we know; only a login can find that out."""
    operator.breaks(
        "sql_user",
        instance="mlflow-metadata",
        name="mlflow_user",
        password="Changed-Behind-Our-Back-0123456789-0123456789",
        update_password="always",
    )
    returncode, output = operator.plays("playbooks/verify.yml")
    assert returncode != 0
    assert "mlflow_user cannot log in to mlflow" in output
    assert "password authentication failed" in output
    returncode, output = operator.plays("site.yml")  # ends with verify.yml's own checks
    assert returncode == 0, output
