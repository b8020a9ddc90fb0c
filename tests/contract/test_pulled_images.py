"""What the role tracking_server says of a `docker pull`, however it ended."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.contract.test_playbook import PROGRAMS, ROOT, environment

MACHINE = ROOT / "roles" / "tracking_server" / "vars" / "main" / "machine.yml"
SKIPPED: dict[str, Any] = {"skipped": True}
PULLED = {"rc": 0, "stderr": ""}
UNKNOWN = {"rc": 1, "stderr": "Error response from daemon: manifest unknown."}
# What the proxy's pull and the one of MLflow's image came to, and what is said of it.
ENDS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (SKIPPED, SKIPPED, ""),
    (PULLED, {"finished": 0, "ansible_job_id": "1"}, ""),
    (SKIPPED, {"finished": 1, **PULLED}, ""),
    (
        UNKNOWN,
        SKIPPED,
        "The image proxy:1 (tracking_server_proxy_image) is not to be had on localhost: manifest unknown.",
    ),
    (SKIPPED, {"finished": 1, **UNKNOWN}, "The image mlflow:1 (tracking_server_mlflow_image) is not to be had"),
    (SKIPPED, {"finished": 1, "msg": "could not find job"}, "is not to be had on localhost: could not find job."),
    (SKIPPED, {"finished": 1}, "is not to be had on localhost: docker pull was broken off."),
]


def test_only_an_image_that_came_is_taken_for_one(tmp_path: Path) -> None:
    variables = {"tracking_server__proxy_pull": "{{ item[0] }}", "tracking_server__pulled": "{{ item[1] }}"}
    said = {
        "ansible.builtin.copy": {
            "dest": f"{tmp_path}/said-{{{{ number }}}}",
            "content": "{{ tracking_server__unpulled }}",
        }
    }
    task = {**said, "vars": variables, "loop": [[proxy, mlflow] for proxy, mlflow, _ in ENDS]}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(MACHINE)],
        "vars": {"tracking_server_proxy_image": "proxy:1", "tracking_server_mlflow_image": "mlflow:1"},
        "tasks": [{**task, "loop_control": {"index_var": "number"}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    command = [str(PROGRAMS / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.yml")]
    done = subprocess.run(command, env=environment(tmp_path), text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for number, (*ends, expected) in enumerate(ENDS):
        found = " ".join((tmp_path / f"said-{number}").read_text().split())
        assert (expected in found) if expected else found == "", json.dumps(ends)
