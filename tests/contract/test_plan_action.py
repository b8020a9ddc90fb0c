"""The module plan in Ansible's own process says what the module says that Ansible packs and starts."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.test_playbook import PROGRAMS, environment

# Only a module has an environment of its own.
MODULE = {"environment": {"ANY": "thing"}}
HERE: dict[str, Any] = {}
RESOURCES = [
    {"owner": "o", "module": "project_service", "params": {"name": "sqladmin.googleapis.com"}},
    {"owner": "o", "module": "sql_instance", "params": Bench.INSTANCE},
    {"owner": "p", "module": "bucket", "params": {"name": "plan-action", "labels": {"team": "x"}}},
]


def plan(bench: Bench, folder: Path, *options: str, **keywords: Any) -> tuple[dict[str, Any], str]:
    """The result of one task as its play sees it, and all that was printed."""
    given = {"resources": RESOURCES, **keywords.pop("given", {})}
    task = {"mlflow_ops.gcp.plan": given, "register": "planned", "ignore_errors": True, **keywords}
    kept = folder / "planned.json"
    keep = {"ansible.builtin.copy": {"content": "{{ planned | to_json }}", "dest": str(kept), "mode": "0600"}}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "module_defaults": {"group/mlflow_ops.gcp.all": {**bench.common, "credentials_contents": bench.key}},
        "tasks": [task, keep | {"check_mode": False, "diff": False}],
    }
    (folder / "play.yml").write_text(yaml.safe_dump([play]))
    command = [
        str(PROGRAMS / "ansible-playbook"),
        "-i",
        "localhost,",
        "-c",
        "local",
        *options,
        str(folder / "play.yml"),
    ]
    variables = environment(folder) | {"ANSIBLE_PYTHON_INTERPRETER": str(PROGRAMS / "python")}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(kept.read_text())
    return result, done.stdout + done.stderr


def packed(printed: str) -> bool:
    """Whether Ansible packed a module (it says so with -vvv)."""
    return "Using module file" in printed and "/plan.py" in printed


@pytest.mark.parametrize("check", [False, True])
def test_both_say_the_same(fresh: Bench, tmp_path: Path, check: bool) -> None:
    options = ["-vvv", "--diff", *(["--check"] if check else [])]
    here, printed = plan(fresh, tmp_path, *options, **HERE)
    there, elsewhere = plan(fresh, tmp_path, *options, **MODULE)
    assert (packed(printed), packed(elsewhere)) == (False, True)
    assert here == there
    assert here["plans"][1]["action"] == "create"
    diff = [line for line in printed.splitlines() if line.startswith("create ")]
    assert diff == [line for line in elsewhere.splitlines() if line.startswith("create ")]
    assert len(diff) == len(RESOURCES)
    secret = fresh.key["private_key"].splitlines()[1]
    assert secret not in printed + elsewhere


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"project": "No Project"}, "project 'No Project' is no project id"),
        ({"resources": [{"owner": "o", "module": "none", "params": {}}]}, "no such module"),
        ({"check_permissions": "perhaps"}, "check_permissions"),
        ({"access_token": "t0ken"}, "mutually exclusive"),
        ({"unknown": 1}, "Unsupported parameters"),
    ],
)
def test_both_refuse_the_same(fresh: Bench, tmp_path: Path, given: dict[str, Any], says: str) -> None:
    here, _ = plan(fresh, tmp_path, given=given, **HERE)
    there, _ = plan(fresh, tmp_path, given=given, **MODULE)
    assert here["failed"], here
    assert says in here["msg"]
    assert says in there["msg"]


def test_a_failure_names_the_same_permissions(fresh: Bench, tmp_path: Path) -> None:
    fresh.enable_all()
    mine = f"serviceAccount:{fresh.key['client_email']}"
    fresh.run("project_iam_member", role="roles/storage.admin", member=mine, state="absent")
    here, _ = plan(fresh, tmp_path, **HERE)
    there, _ = plan(fresh, tmp_path, **MODULE)
    assert here["failed"]
    assert (here["msg"], PROJECT in here["msg"]) == (there["msg"], True)
