"""Real emulators for tests, as many at once as one likes, each with an address and a state of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from sandbox.core.routing import collect
from sandbox.tests.conformance.exchanges import findings, read
from tests.contract.bench import Bench

ROOT = Path(__file__).resolve().parents[2]
_STARTUP_SECONDS = 120


def _address(number: int) -> str:
    """A loopback address of our own, so that other emulators and other test runs don't matter."""
    return f"127.{77 + number}.{os.getpid() // 250 % 250 + 1}.{os.getpid() % 250 + 1}"


@contextmanager
def running(number: int, *, observed: bool = True) -> Iterator[Bench]:
    """An emulator; a failure to start fails the tests, it does not skip them.

    In the end, all that the modules sent and were answered must fit Google's discovery documents (unless not observed).
    """
    address = _address(number)
    # The emulator's PostgreSQL runs unprivileged and must be able to enter the folder.
    with tempfile.TemporaryDirectory(prefix="contract-", ignore_cleanup_errors=True) as folder:
        state = Path(folder) / "state"
        Path(folder).chmod(0o711)
        exchanges = Path(folder) / "exchanges"
        program = ["sandbox.tests.conformance.observed", str(exchanges)] if observed else ["sandbox.serve"]
        command = [sys.executable, "-m", *program, "--state", str(state)]
        command += ["--address", address, "--loopback", address, "--operation-seconds", "0.05"]
        log = Path(folder) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait(process, f"http://{address}:9011/health", log)
            key = json.loads((state / "operator.json").read_text())
            yield Bench(f"http://{address}:9010/", f"http://{address}:9011/", key)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)
        found = findings(read(exchanges), collect("sandbox.apis")) if observed else []
        assert not found, "Google would not exchange this:\n" + "\n".join(found)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _STARTUP_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"the emulator ended with {process.returncode}:\n{log.read_text()}")
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail(f"the emulator did not answer within {_STARTUP_SECONDS} s:\n{log.read_text()}")
