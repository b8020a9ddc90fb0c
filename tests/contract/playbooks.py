"""Runs a playbook of the checkout as its user would, with nothing of the user's own Google settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROVISION = "playbooks/provision.yml"
_SECONDS = 180


def provision(inventory: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """provision.yml with an inventory."""
    return run(PROVISION, inventory, *options, **environment)


def run(playbook: str, inventory: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A playbook with an inventory."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "CLOUDSDK_"))}
    settings = {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **environment}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), playbook, *options]
    return subprocess.run(
        command, cwd=ROOT, env=known | settings, text=True, capture_output=True, check=False, timeout=_SECONDS
    )
