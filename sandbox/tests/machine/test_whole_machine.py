"""The commands on a real Docker engine: up, up again, whatever may be killed, side by side, and nothing left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from sandbox.machine import card, emulator, engine, files, processes
from sandbox.machine.identity import CHECKOUT, LABEL, Sandbox, sandbox

pytestmark = pytest.mark.docker

NAME = f"pytest-{os.getpid()}"
WARM_SECONDS = 25


def command(place: Sandbox, *words: str) -> str:
    """Run a command of the sandbox in its checkout; returns what it printed."""
    line = [sys.executable, "-m", "sandbox", *words, "--name", place.name]
    done = subprocess.run(line, cwd=place.checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def place() -> Iterator[Sandbox]:
    """A running sandbox of this module's own."""
    own = sandbox(NAME)
    try:
        command(own, "up")
        yield own
    finally:
        command(own, "down")


@pytest.fixture(scope="module")
def client(place: Sandbox) -> docker.DockerClient:
    found = engine.connect()
    assert found, place
    return found


def target(client: docker.DockerClient, place: Sandbox) -> Any:
    return client.containers.get(f"{place.id}-target")


def on_target(place: Sandbox, line: str) -> subprocess.CompletedProcess[str]:
    """Run a shell line on the target over SSH, with nothing but what the card says."""
    where = card.read(place)["target"]
    options = [
        *["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"],
        *["-o", f"UserKnownHostsFile={where['known_hosts_file']}", "-i", where["private_key_file"]],
    ]
    words = ["ssh", *options, f"{where['user']}@{where['host']}", line]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def healthy(place: Sandbox) -> bool:
    return emulator.is_healthy(card.read(place)["management_url"])


def left_of(client: docker.DockerClient, place: Sandbox) -> list[object]:
    """Everything on this machine that belongs to a sandbox."""
    mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={place.id}"}
    paths = [place.state, place.card, place.vault]
    return [
        *client.containers.list(all=True, filters=mine),
        *client.networks.list(filters=mine),
        *client.volumes.list(filters=mine),
        *processes.find(place.id),
        *processes.find_program("postgres", place.state),
        *[path for path in paths if path.exists()],
    ]


def test_the_target_is_a_bare_debian_that_ansible_can_use(place: Sandbox) -> None:
    facts = on_target(place, ". /etc/os-release; echo $ID $VERSION_ID; sudo id -u; systemctl is-system-running")
    assert facts.stdout.split() == ["debian", "13", "0", "running"], facts.stderr
    assert on_target(place, "command -v docker").returncode == 1


def test_the_registry_answers_for_the_real_names_and_nothing_leaves(place: Sandbox) -> None:
    mlflow = on_target(place, "curl -sS https://ghcr.io/v2/mlflow/mlflow/tags/list")
    assert "v2.22.0" in mlflow.stdout, mlflow.stderr
    proxy = on_target(place, "curl -sS https://gcr.io/v2/cloud-sql-connectors/cloud-sql-proxy/tags/list")
    assert "2.25.3" in proxy.stdout, proxy.stderr
    google = on_target(place, "curl -sS https://iamcredentials.googleapis.com/")
    assert "no alternative certificate subject name" in google.stderr


def test_again_it_builds_and_changes_nothing(place: Sandbox, client: docker.DockerClient) -> None:
    before = target(client, place).attrs["State"]["StartedAt"], processes.find(place.id, "emulator")
    vault = place.vault.read_bytes()
    started = time.monotonic()
    said = command(place, "up")
    assert time.monotonic() - started < WARM_SECONDS
    assert not [word for word in ("built", "created", "started", "done") if word in said]
    assert (target(client, place).attrs["State"]["StartedAt"], processes.find(place.id, "emulator")) == before
    assert place.vault.read_bytes() == vault


def test_a_killed_target_comes_back_with_its_content(place: Sandbox, client: docker.DockerClient) -> None:
    on_target(place, "echo kept > content; sudo touch /var/lib/docker/volume-content")
    target(client, place).kill()
    assert "started" in command(place, "up")
    assert on_target(place, "cat content; sudo ls /var/lib/docker").stdout.split() == ["kept", "volume-content"]


def test_a_removed_target_comes_back_empty(place: Sandbox, client: docker.DockerClient) -> None:
    target(client, place).remove(force=True)
    assert "created" in command(place, "up")
    assert on_target(place, "sudo ls /var/lib/docker").stdout == ""


def test_a_killed_emulator_comes_back(place: Sandbox) -> None:
    for pid in processes.find(place.id, "emulator"):
        os.kill(pid, signal.SIGKILL)
    line = [sys.executable, "-m", "sandbox", "env", "--name", place.name]
    refused = subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "is not running any more" in refused.stderr
    assert "restarted" in command(place, "up")
    assert "export SANDBOX_URL=" in command(place, "env")


@pytest.mark.parametrize("seconds", [0.8, 1.6, 3.0])
def test_a_killed_up_converges_and_down_misses_nothing(client: docker.DockerClient, seconds: float) -> None:
    other = sandbox(f"{NAME}-killed")
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "up", "--name", other.name], cwd=CHECKOUT, stdout=subprocess.DEVNULL
    ) as running:
        time.sleep(seconds)
        running.kill()
    try:
        if seconds > 1:
            command(other, "up")
            assert healthy(other)
    finally:
        command(other, "down")
    assert left_of(client, other) == []


def test_two_checkouts_side_by_side(place: Sandbox, client: docker.DockerClient, tmp_path: Path) -> None:
    shutil.copytree(CHECKOUT / "sandbox", tmp_path / "sandbox", ignore=shutil.ignore_patterns("__pycache__", "tests"))
    second = sandbox(NAME, tmp_path)
    try:
        command(second, "up", "--no-target")
        assert healthy(second)
        assert healthy(place)
        assert card.read(second)["url"] != card.read(place)["url"]
    finally:
        command(second, "down")
    assert left_of(client, second) == []
    assert healthy(place)


def test_a_second_command_waits_for_nobody(place: Sandbox) -> None:
    with files.lock(place.lock):
        line = [sys.executable, "-m", "sandbox", "down", "--name", place.name]
        refused = subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith("sandbox: Another command is working on sandbox")
    assert healthy(place)
