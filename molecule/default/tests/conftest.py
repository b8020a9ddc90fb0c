"""The machine and the cloud of this scenario, as the sandbox's connection card names them."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import requests as http
import testinfra
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[3]


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
