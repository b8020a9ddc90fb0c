"""Where a run has deployed something, the proof waits for a new binding on the bucket; else it tells at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.contract.test_playbook import environment

PLAY = [
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "ansible.builtin.include_role": {
                    "name": "mlflow_ops.gcp.tracking_server",
                    "tasks_from": "verify.yml",
                    "rolespec_validate": False,
                }
            },
        ],
    }
]
# Stands in for mlflow-health: the layer works from the n-th time on.
LOOK = """#!{python}
import json, pathlib, sys
calls = pathlib.Path({calls!r})
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
assert sys.argv[1:] == ["--json"]
well = len(calls.read_text()) >= {works_from}
layer = {{"title": "T", "status": "broken", "evidence": "403.", "fix": "run site.yml"}}
print(json.dumps({{"broken": [] if well else [{layer!r}], "layers": [] if well else [layer]}}))
sys.exit(0 if well else 1)
"""


@pytest.mark.parametrize(
    ("deployed", "layer", "works_from", "attempts", "well"),
    [
        (["up mlflow"], "bucket-write", 2, 2, True),
        (["up mlflow"], "bucket-write", 9, 2, False),
        (["up mlflow"], "login", 2, 1, False),
        ([], "bucket-write", 2, 1, False),
        ([], "bucket-write", 1, 1, True),
    ],
)
def test_only_a_new_binding_is_waited_for(
    tmp_path: Path, deployed: list[str], layer: str, works_from: int, attempts: int, *, well: bool
) -> None:
    look, calls = tmp_path / "look", tmp_path / "calls"
    look.write_text(LOOK.format(python=sys.executable, calls=str(calls), works_from=works_from, layer=layer))
    look.chmod(0o755)
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    given = {
        "tracking_server__health_command": str(look),
        "tracking_server_round_trip": True,
        "tracking_server__missing": deployed,
        # Two attempts: one, and one more after five seconds.
        "tracking_server_start_timeout": 5,
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False, timeout=120)
    assert len(calls.read_text()) == attempts
    assert (done.returncode == 0) == well, done.stdout + done.stderr
    assert ("localhost: T: 403. run site.yml" in done.stdout) != well


def test_a_machine_without_the_command_is_told_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    given = {"tracking_server__health_command": "/nowhere/mlflow-health", "tracking_server_round_trip": True}
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False, timeout=120)
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 2, said
    assert "localhost could not be looked at: there is no /nowhere/mlflow-health. Has playbooks/deploy.yml run" in said
