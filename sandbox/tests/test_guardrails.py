"""The sandbox refuses to be where others could reach it, and two processes on one state."""

import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.core.settings import Settings, UnsafeAddressError
from sandbox.core.store import StateInUseError, Store
from sandbox.tests.running import ROOT

EVERYWHERE = ".".join("0000")


@pytest.mark.parametrize("address", [EVERYWHERE, "8.8.8.8", "169.254.169.254", "172.32.0.1", "::", "localhost"])
def test_public_addresses_are_refused(address: str) -> None:
    with pytest.raises(UnsafeAddressError):
        Settings(Path("/nowhere"), address=address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "172.30.1.1", "192.168.0.5"])
def test_private_addresses_are_accepted(address: str) -> None:
    assert Settings(Path("/nowhere"), address=address).url == f"http://{address}:9010"


def test_management_stays_on_loopback() -> None:
    with pytest.raises(UnsafeAddressError, match="loopback"):
        Settings(Path("/nowhere"), loopback="172.30.1.1")


def test_the_command_says_so_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "serve", "--state", str(tmp_path), "--address", EVERYWHERE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: refusing to listen on {EVERYWHERE}")
    assert done.stderr.count("\n") == 1


def test_one_state_has_one_process(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(StateInUseError):
        Store(tmp_path)
    store.close()
    Store(tmp_path).close()
