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
                    "tasks_from": "check_once.yml",
                    "rolespec_validate": False,
                }
            },
            {"ansible.builtin.debug": {"msg": "found {{ tracking_server__check.stdout | from_json }}"}},
        ],
    }
]
# Stands in for the one-shot container: the bucket can be listed from the n-th time on.
LOOK = """import json, pathlib, sys
calls = pathlib.Path(sys.argv[1])
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
print(json.dumps({"login": True, "bucket": len(calls.read_text()) >= int(sys.argv[2]), "bucket_reason": "403"}))
"""


@pytest.mark.parametrize(
    ("deployed", "listed_from", "attempts", "found"),
    [(["up mlflow"], 2, 2, True), (["up mlflow"], 9, 2, False), ([], 2, 1, False), ([], 1, 1, True)],
)
def test_only_a_new_binding_is_waited_for(
    tmp_path: Path, deployed: list[str], listed_from: int, attempts: int, *, found: bool
) -> None:
    (tmp_path / "look.py").write_text(LOOK)
    (tmp_path / "play.yml").write_text(yaml.safe_dump(PLAY, sort_keys=False))
    calls = tmp_path / "calls"
    given = {
        "tracking_server__one_shot": [sys.executable, str(tmp_path / "look.py"), str(calls), str(listed_from)],
        "tracking_server__missing": deployed,
        # Two attempts: one, and one more after five seconds.
        "tracking_server_start_timeout": 5,
    }
    program = str(Path(sys.executable).parent / "ansible-playbook")
    command = [program, "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(calls.read_text()) == attempts
    assert f"'bucket': {found}" in done.stdout
