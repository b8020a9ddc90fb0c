"""What the cloud roles want in Google Cloud, rendered by Ansible from their variables and an inventory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.contract.bench import PROJECT
from tests.contract.test_playbook import environment

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "sandbox" / "group_vars" / "all" / "mlflow.yml"
ROLES = ("identities", "backend_store", "artifact_store")
Entry = dict[str, Any]


@cache
def declared() -> list[Entry]:
    """The resources of all cloud roles, in the order of applying, as provision.yml gives them to the module plan."""
    wanted = " + ".join(f"{role}__resources" for role in ROLES)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        render = {"ansible.builtin.copy": {"content": f"{{{{ ({wanted}) | to_json }}}}", "dest": str(folder / "out")}}
        play = {
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "vars_files": [str(INVENTORY)],
            # Variables of roles that a play lists are visible before the roles begin.
            "pre_tasks": [render, {"ansible.builtin.meta": "end_play"}],
            "roles": [f"mlflow_ops.gcp.{role}" for role in ROLES],
        }
        command = ["ansible-playbook", "-i", "localhost,", "-e", f"gcp_project={PROJECT}", str(folder / "play.yml")]
        (folder / "play.yml").write_text(yaml.safe_dump([play]))
        program = str(Path(sys.executable).parent / command[0])
        done = subprocess.run(
            [program, *command[1:]], env=environment(folder), text=True, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        entries: list[Entry] = json.loads((folder / "out").read_text())
    return entries
