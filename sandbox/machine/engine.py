"""The Docker engine: used where one runs, installed and started where root on Debian has none."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from pathlib import Path

import docker
from docker.errors import DockerException

from sandbox.machine import apt, files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox
from sandbox.machine.progress import Progress, Step

_RUN = Path("/run/mlflow-sandbox")
_PID = _RUN / "dockerd.pid"
_LOG = _RUN / "dockerd.log"
_OWNER = "the-engine"
_START_SECONDS = 60
_CALL_SECONDS = 900


def connect() -> docker.DockerClient | None:
    """A client of the running engine (DOCKER_HOST or the usual socket), None when none answers."""
    try:
        client = docker.from_env(timeout=_CALL_SECONDS)
        client.ping()
    except (DockerException, OSError) as error:
        if "Permission denied" in str(error):
            raise SandboxError(
                "The Docker engine refuses this user: add yourself to its group "
                "(`sudo usermod -aG docker $USER`, then log in again) or run this as root."
            ) from error
        return None
    return client


def ensure(sandbox: Sandbox, progress: Progress) -> docker.DockerClient:
    """A client of a running engine, installed and started when that is needed."""
    with progress.step("Docker engine") as step, files.lock(sandbox.cache / "locks" / "engine.lock"):
        client = connect()
        if client:
            step.outcome = f"{_version(client)}, running"
            return client
        if os.environ.get("DOCKER_HOST"):
            raise SandboxError(
                f"No Docker engine answers at DOCKER_HOST={os.environ['DOCKER_HOST']}: start it or unset it."
            )
        if os.geteuid() != 0:
            raise SandboxError(
                "No Docker engine is running: start it (`sudo systemctl start docker`) or run this as root."
            )
        ways = []
        if not shutil.which("dockerd"):
            step.doing = "installing from Debian"
            apt.install(["docker.io", "iptables"], sandbox.id, "Running containers")
            ways.append("installed from Debian")
        client = _start(step)
        step.outcome = ", ".join([_version(client), *ways, "started"])
        return client


def in_use(sandbox: Sandbox) -> AbstractContextManager[bool]:
    """Held by whoever works with the engine, with or without a container in it, so that nobody else stops it."""
    return files.lock(_use(sandbox), shared=True)


def stop_if_ours(sandbox: Sandbox, progress: Progress) -> None:
    """Stop the engine that `ensure` started, unless a container or another sandbox still needs it."""
    with files.lock(_use(sandbox), wait=False) as idle:
        pid = _own_pid() if idle else None
        client = connect() if pid else None
        if pid is None or client is None or client.api.containers() or client.networks.list(filters={"label": LABEL}):
            return
        _stop(pid, progress)


def _use(sandbox: Sandbox) -> Path:
    return sandbox.cache / "locks" / "engine-in-use.lock"


def _stop(pid: int, progress: Progress) -> None:
    with progress.step("Docker engine") as step:
        processes.stop([pid], signal.SIGTERM, patience=30)
        shutil.rmtree(_RUN, ignore_errors=True)
        step.outcome = "stopped (this sandbox had started it)"


def _start(step: Step) -> docker.DockerClient:
    step.doing = "starting"
    if Path("/run/systemd/system").is_dir():
        subprocess.run(["systemctl", "start", "docker"], check=False)
    elif not processes.find(_OWNER):
        _start_plain()
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if client := connect():
            return client
        time.sleep(0.2)
    last = _LOG.read_text().strip().splitlines()[-1:] if _LOG.exists() else ["see `journalctl -u docker`"]
    raise SandboxError(f"The Docker engine did not start within {_START_SECONDS} s: {' '.join(last)}")


def _start_plain() -> None:
    _RUN.mkdir(exist_ok=True)
    with _LOG.open("wb") as log:
        process = subprocess.Popen(
            ["dockerd"],
            env=processes.environment(_OWNER, "engine"),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    files.write(_PID, f"{process.pid}\n")


def _own_pid() -> int | None:
    # The mark in the environment, not the pid file, is the truth: a pid may have been given to somebody else.
    daemons = [pid for pid in processes.find(_OWNER) if processes.program_of(pid) == "dockerd"]
    return daemons[0] if daemons else None


def _version(client: docker.DockerClient) -> str:
    return f"Docker {client.version()['Version']}"
