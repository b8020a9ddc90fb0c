"""A sandbox of the benchmark's own, under Google's own addresses over TLS, and playbooks that run against it."""

import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import requests
import yaml

from sandbox.tests.clients.fixed_addresses import through_the_proxy
from sandbox.tests.running import PROJECT, Sandbox

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOKS = Path(__file__).parent / "playbooks"
PROVISION = ROOT / "playbooks" / "provision.yml"
_APIS = (
    ("token", r"/token"),
    ("Cloud SQL", r"/(sql/)?v1(beta4)?/projects/[^/]+/(instances|operations)|/v1/flags"),
    ("Service Usage", r"/v1/projects/[^/]+/services"),
    ("IAM", r"/v1/projects/[^/]+/serviceAccounts"),
    ("Secret Manager", r"/v1/projects/[^/]+/secrets"),
    ("Resource Manager", r"/v[13]/projects/[^/]+(:|$)"),
    ("Storage", r"/storage/"),
)


class BenchError(Exception):
    """The benchmark cannot go on."""


@dataclass(frozen=True)
class Run:
    """One run of a playbook: seconds by the clock and of the processors, and what it asked (method, path, query)."""

    seconds: float
    processor_seconds: float
    asked: list[tuple[str, str, str]]
    writes: list[str]

    def by_api(self) -> Counter[str]:
        """Requests for each API; the token's endpoint counts as one."""
        return Counter(api_of(path) for _, path, _ in self.asked)


def api_of(path: str) -> str:
    """The API that a path belongs to."""
    return next((name for name, pattern in _APIS if re.match(pattern, path)), f"other ({path})")


class Project:
    """The sandbox, an inventory like a production one, and the variables that lead Google's names to the sandbox."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self.sandbox = sandbox
        self._folder = folder
        self.key_file = folder / "operator.json"
        # As Google gives it: clients behind the proxy know Google's own addresses only.
        key = json.loads(sandbox.key_file.read_text()) | {"token_uri": "https://oauth2.googleapis.com/token"}
        self.key_file.touch(mode=0o600)
        self.key_file.write_text(json.dumps(key))
        others = ("GOOGLE_", "CLOUDSDK_", "GCP_", "ANSIBLE_")
        known = {name: value for name, value in os.environ.items() if not name.startswith(others)}
        self.environment = known | self._trusting(through_the_proxy(sandbox.management))
        self.environment |= {
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_NOCOLOR": "1",
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_CORE_SURVEY_DISABLE_PROMPTS": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": str(self.key_file),
        }

    def _trusting(self, variables: dict[str, str]) -> dict[str, str]:
        """The sandbox's CA beside all that a machine trusts: reading them is part of what a connection costs."""
        own = variables["REQUESTS_CA_BUNDLE"]
        bundle = self._folder / "ca.pem"
        bundle.write_text(Path(certifi.where()).read_text() + Path(own).read_text())
        return {name: str(bundle) if value == own else value for name, value in variables.items()}

    def play(self, playbook: Path, **variables: Any) -> Run:
        """Run a playbook that must succeed. Its resources are those of all processes that it started."""
        inventory = self._folder / "inventory.yml"
        inventory.write_text(yaml.safe_dump(self._inventory(variables)))
        before = len(self.sandbox.requests())
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory), str(playbook)]
        used, started = _processor_seconds(), time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=self.environment, text=True, capture_output=True, check=False)
        seconds, processor = time.monotonic() - started, _processor_seconds() - used
        if done.returncode != 0:
            raise BenchError(f"{playbook.name} failed:\n{done.stdout[-3000:]}{done.stderr[-2000:]}")
        seen = self.sandbox.requests()[before:]
        asked = [(one["method"], one["path"], str(one["query"])) for one in seen]
        return Run(seconds, processor, asked, [f"{one['method']} {one['path']}" for one in seen if one["mutating"]])

    def _inventory(self, variables: dict[str, Any]) -> dict[str, Any]:
        known = yaml.safe_load((ROOT / "inventories" / "example" / "group_vars" / "all" / "mlflow.yml").read_text())
        connection = {"project": PROJECT, "credentials_file": str(self.key_file)}
        here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        own = {"gcp_project": PROJECT, "gcp_connection": connection, "mlflow_bucket": "bench-artifacts"}
        return {"all": {"hosts": {"localhost": here}, "vars": known | own | variables}}

    @contextmanager
    def delayed(self, seconds: float) -> Iterator[None]:
        """A block in which every request, also for a token, takes so much longer at the server."""
        if seconds:
            self.strike(action={"delay": seconds})
        try:
            yield
        finally:
            requests.delete(f"{self.sandbox.management}/faults", timeout=10).raise_for_status()

    def strike(self, **rule: Any) -> None:
        """Put a fault in force."""
        requests.post(f"{self.sandbox.management}/faults", json=rule, timeout=10).raise_for_status()


@contextmanager
def running() -> Iterator[Project]:
    """A project for a while; nothing is left of it."""
    sandbox = Sandbox(observed=False)
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    try:
        yield Project(sandbox, folder)
    finally:
        sandbox.destroy()
        shutil.rmtree(folder, ignore_errors=True)


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
