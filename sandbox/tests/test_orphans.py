"""What a killed sandbox left running is found by what it works on, and nobody else's is touched."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.postgres import orphans

# A program that waits and takes any words: it plays the others. As PostgreSQL does, it minds SIGQUIT even where a shell
# that started the tests in its background has it ignored.
PLAYER = [sys.executable, "-c", "import signal, time; signal.signal(signal.SIGQUIT, signal.SIG_DFL); time.sleep(60)"]


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Processes of a test, ended after it."""
    started: list[subprocess.Popen[bytes]] = []
    yield started
    for process in started:
        process.kill()
        process.wait()


def start(running: list[subprocess.Popen[bytes]], name: str, *words: str) -> subprocess.Popen[bytes]:
    """A process of this name with these words, reaped as soon as it ends."""
    process = subprocess.Popen([name, *PLAYER[1:], *words], executable=PLAYER[0])
    running.append(process)
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def test_unfinished_work_below_the_folder_ends_and_the_rest_goes_on(
    tmp_path: Path, running: list[subprocess.Popen[bytes]]
) -> None:
    mine, others = tmp_path / "mine", tmp_path / "others"
    copy, begun = start(running, "/usr/bin/cp", str(mine / "a")), start(running, "pg_ctl", "-D", str(mine / "data"))
    kept = [start(running, "cp", str(others / "a")), start(running, "vi", str(mine / "a"))]
    orphans.settle(mine)
    assert [process.wait(timeout=5) for process in (copy, begun)] == [-9, -9]
    assert [process.poll() for process in kept] == [None, None]


def test_a_server_that_is_starting_is_waited_for(tmp_path: Path, running: list[subprocess.Popen[bytes]]) -> None:
    data = tmp_path / "cluster" / "data"
    data.mkdir(parents=True)
    server = start(running, "postgres", "-D", str(data))
    threading.Timer(0.3, (data / "postmaster.pid").touch).start()
    started = time.monotonic()
    orphans.settle(tmp_path)
    assert time.monotonic() - started >= 0.25
    assert server.poll() is None, "it is adopted, not ended"
    orphans.stop_servers(tmp_path)
    assert server.wait(timeout=5) != 0
