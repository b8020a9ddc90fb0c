"""The emulator's process: started detached, kept while its code and arguments stay, restarted when they change."""

import json
import subprocess
import sys
import time
from pathlib import Path

import requests

from sandbox.machine import files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import CHECKOUT, Sandbox
from sandbox.machine.network import Addresses
from sandbox.machine.progress import Progress

PROJECT = "mlflow-sandbox"
PROJECT_NUMBER = "415104041262"
REGION = "europe-west3"
API_PORT = 9010
MANAGEMENT_PORT = 9011
HTTPS_PROXY_PORT = 9443
OPERATOR = f"operator@{PROJECT}.iam.gserviceaccount.com"
ATTACHED_ACCOUNT = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"

_ROLE = "emulator"
_START_SECONDS = 60
_NOT_ITS_CODE = {"machine", "tests", "cli.py", "demo.py", "plays.py", "training.py"}


def ensure(
    sandbox: Sandbox, addresses: Addresses, postgres: Path | None, operation_seconds: float, progress: Progress
) -> None:
    """A running, healthy emulator of the code and the arguments of now."""
    with progress.step("Emulator of the Google APIs") as step:
        arguments = _arguments(sandbox, addresses, postgres, operation_seconds)
        description = files.fingerprint([*arguments, *_code()])
        record = sandbox.private / "emulator.json"
        known = json.loads(record.read_text()) if record.exists() else {}
        running = _find(sandbox)
        same = known.get("description") == description and known.get("pid") in running
        if same and is_healthy(management_url(addresses)):
            step.outcome = management_url(addresses)
            return
        stop(sandbox)
        pid = _start(sandbox, arguments)
        files.write(record, json.dumps({"pid": pid, "description": description}))
        _wait(sandbox, addresses, pid)
        step.outcome = f"{management_url(addresses)}, {'restarted' if known else 'started'}"


def stop(sandbox: Sandbox) -> int:
    """Stop the emulator, which stops its PostgreSQL servers; returns how many processes there were."""
    return processes.stop(_find(sandbox), patience=15)


def stop_orphans(sandbox: Sandbox) -> int:
    """Stop PostgreSQL servers that a killed emulator left running (a new one would adopt them)."""
    return processes.stop(processes.find_program("postgres", sandbox.state), first=processes.FAST_SHUTDOWN)


def _find(sandbox: Sandbox) -> list[int]:
    # Its PostgreSQL servers inherit the mark.
    return [pid for pid in processes.find(sandbox.id, _ROLE) if "serve" in processes.arguments(pid)]


def management_url(addresses: Addresses) -> str:
    """Base of the management port."""
    return f"http://{addresses.loopback}:{MANAGEMENT_PORT}"


def url(addresses: Addresses) -> str:
    """Base of the emulated APIs, the same for the host, the target and containers."""
    return f"http://{addresses.gateway}:{API_PORT}"


def is_healthy(management: str) -> bool:
    """Whether an emulator answers at a management port."""
    with requests.Session() as session:
        session.trust_env = False  # a proxy of the environment is not for loopback
        try:
            return session.get(f"{management}/health", timeout=5).ok
        except requests.RequestException:
            return False


def log_of(sandbox: Sandbox) -> Path:
    """The emulator's log."""
    return sandbox.private / "emulator.log"


def _arguments(sandbox: Sandbox, addresses: Addresses, postgres: Path | None, operation_seconds: float) -> list[str]:
    return [
        *["--state", str(sandbox.state)],
        *["--address", addresses.gateway],
        *["--loopback", addresses.loopback],
        *["--target-address", addresses.target],
        *["--attached-account", ATTACHED_ACCOUNT],
        *(["--postgres-home", str(postgres)] if postgres else []),
        *["--operation-seconds", str(operation_seconds)],
    ]


def _code() -> list[Path]:
    package = CHECKOUT / "sandbox"
    return [path for path in sorted(package.rglob("*.py")) if path.relative_to(package).parts[0] not in _NOT_ITS_CODE]


def _start(sandbox: Sandbox, arguments: list[str]) -> int:
    with log_of(sandbox).open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "sandbox", "serve", *arguments],
            cwd=CHECKOUT,
            env=processes.environment(sandbox.id, _ROLE),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ).pid


def _wait(sandbox: Sandbox, addresses: Addresses, pid: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if is_healthy(management_url(addresses)):
            return
        if not processes.alive(pid):
            last = log_of(sandbox).read_text(errors="replace").strip().splitlines()[-1:] or ["it said nothing"]
            raise SandboxError(f"The emulator ended at its start: {last[0]} (log: {log_of(sandbox)})")
        time.sleep(0.1)
    raise SandboxError(f"The emulator is not healthy after {_START_SECONDS} s: see {log_of(sandbox)}")
