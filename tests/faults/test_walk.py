"""The rows of the matrix are what the real playbook sends: all of it, and nothing else."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.playbooks import ROOT, provision
from tests.faults.stage import Stage
from tests.faults.walk import NOOP, STEPS, TOKEN, sent

SANDBOX = ROOT / "inventories" / "sandbox"


def inventory(bench: Bench, folder: Path) -> Path:
    """The sandbox's inventory for this emulator."""
    group = folder / "group_vars" / "all"
    group.mkdir(parents=True)
    shutil.copy(SANDBOX / "hosts.yml", folder)
    shutil.copy(SANDBOX / "group_vars" / "all" / "mlflow.yml", group)
    connection = {**bench.common, "credentials_contents": bench.key}
    (group / "connection.yml").write_text(yaml.safe_dump({"gcp_project": PROJECT, "gcp_connection": connection}))
    # Who comes later wins.
    (group / "mlflow.yml").rename(group / "a.yml")
    return folder


def played(stage: Stage, where: Path) -> Counter[str]:
    """What a run of provision.yml sends, tokens aside: each module is a process of its own and needs one."""
    stage.forget_requests()
    done = provision(where)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = sent(stage.bench.requests())
    assert f"POST {TOKEN}" in lines
    return Counter(line for line in lines if not line.endswith(TOKEN))


def written_down(*steps: str) -> Counter[str]:
    """What walk.py says that these tasks send."""
    return Counter(line for step in steps for line in STEPS[step] if not line.endswith(TOKEN))


def test_the_rows_are_what_the_playbook_sends(stage: Stage, tmp_path: Path) -> None:
    where = inventory(stage.bench, tmp_path / "inventory")
    stage.restore("plan")
    assert played(stage, where) == written_down(*(step for step in STEPS if step != NOOP))
    assert played(stage, where) == written_down(NOOP)
    stage.check_end()
