"""Through ansible-playbook itself: options by module_defaults, check mode with a diff, and that nothing leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.test_project import declared, with_password

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(sys.executable).parent


def environment(folder: Path) -> dict[str, str]:
    configuration = folder / "ansible.cfg"
    configuration.write_text(
        f"[defaults]\ncollections_path = {ROOT / '.ansible' / 'collections'}\ninterpreter_python = {sys.executable}\n"
        "localhost_warning = False\ninventory_unparsed_warning = False\n"
    )
    return {**os.environ, "ANSIBLE_CONFIG": str(configuration), "ANSIBLE_NOCOLOR": "1"}


def play(bench: Bench, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One plan and then every module, all with options from the action group's defaults."""
    tasks: list[dict[str, Any]] = [{"mlflow_ops.gcp.plan": {"resources": declared()}}]
    tasks += [{f"mlflow_ops.gcp.{entry['module']}": with_password(entry)} for entry in (declared()[1], declared()[4])]
    common = {**bench.common, "credentials_contents": json.dumps(bench.key)}
    playbook = [
        {
            "hosts": "localhost",
            "gather_facts": False,
            "module_defaults": {"group/mlflow_ops.gcp.all": common},
            "tasks": tasks,
        }
    ]
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump(playbook))
    command = [str(PROGRAMS / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(path), *arguments]
    return subprocess.run(command, env=environment(folder), text=True, capture_output=True, check=False)


def test_check_mode_then_a_real_run(fresh: Bench, tmp_path: Path) -> None:
    with fresh.without_writes():
        checked = play(fresh, tmp_path, "--check", "--diff", "-vvv")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "changed=2" in checked.stdout
    assert "can't be asked while cloudresourcemanager.googleapis.com is off" in " ".join(checked.stderr.split())
    assert "create service_account mlflow-server@" in checked.stdout
    assert "  display_name: MLflow (is to be created)" in checked.stdout
    assert '+    "display_name": "MLflow"' in checked.stdout
    assert fresh.key["private_key"][100:140] not in checked.stdout
    with fresh.recorded() as seen:
        real = play(fresh, tmp_path)
    assert real.returncode == 0, real.stdout + real.stderr
    assert "changed=2" in real.stdout
    assert len(writes(seen)) == 2


def test_the_account_attached_to_a_machine_and_gclouds_variables_are_enough(fresh: Bench, tmp_path: Path) -> None:
    variables = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": url for api, url in fresh.endpoints.items()}
    metadata = fresh.url.split("/")[2]
    # google-auth finds out by the address that it runs at Google, and asks the host for the token.
    variables |= {"GCE_METADATA_IP": metadata, "GCE_METADATA_HOST": metadata}
    variables |= {"GOOGLE_CLOUD_PROJECT": PROJECT, "CLOUDSDK_CONFIG": str(tmp_path)}
    command = [str(PROGRAMS / "ansible"), "localhost", "-m", "mlflow_ops.gcp.project_service"]
    command += ["-a", "name=storage.googleapis.com"]
    known = {**environment(tmp_path), **variables}
    known.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    done = subprocess.run(command, env=known, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"action": "none"' in done.stdout
