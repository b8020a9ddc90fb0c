"""No process of a sandbox is lost, whoever was killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.machine import processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import CHECKOUT


@pytest.fixture
def owner() -> str:
    return f"test-{os.getpid()}-{time.monotonic_ns()}"


def test_output_and_failure(owner: str) -> None:
    assert processes.run(["echo", "hello"], owner) == "hello"
    with pytest.raises(SandboxError, match=r"sh -c ended with 3: out \| err"):
        processes.run(["sh", "-c", "echo out; echo err >&2; exit 3"], owner)


def test_children_of_a_killed_parent_are_found(owner: str) -> None:
    program = (
        "import sys; from sandbox.machine import processes\n"
        "def show(line): print(line, flush=True)\n"
        "processes.run(['sh', '-c', 'echo up; sleep 60; true'], sys.argv[1], on_line=show)"
    )
    command = [sys.executable, "-c", program, owner]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        parent.stdout.readline()
        os.kill(parent.pid, signal.SIGKILL)
    orphans = processes.find(owner, "step")
    assert orphans
    assert processes.find(owner, "emulator") == []
    processes.stop(orphans, patience=2)
    assert [pid for pid in orphans if processes.alive(pid)] == []


def test_stop_insists(owner: str) -> None:
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"],
        env=processes.environment(owner, "step"),
        stdout=subprocess.PIPE,
    )
    assert stubborn.stdout
    stubborn.stdout.readline()
    processes.stop([stubborn.pid], patience=0.2)
    assert stubborn.wait(timeout=5) == -signal.SIGKILL


def test_a_program_is_known_by_a_path_below_a_folder(tmp_path: Path) -> None:
    log = tmp_path / "default2" / "log"
    log.parent.mkdir()
    log.touch()
    with subprocess.Popen(["tail", "-f", str(log)]) as other:
        try:
            # Linux wakes the parent a moment before the child's command line is there.
            while not Path(f"/proc/{other.pid}/cmdline").read_bytes():
                time.sleep(0.01)
            assert processes.find_program("tail", tmp_path / "default") == []
            assert processes.find_program("tail", tmp_path) == [other.pid]
        finally:
            other.kill()


def test_a_process_that_ends_while_it_is_looked_at_has_no_name() -> None:
    """Docker's own come and go with every command in a container."""
    assert processes.program_of(os.getpid()) == Path("/proc/self/comm").read_text().strip()
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert processes.program_of(ended.pid) == ""


def test_connections_are_known_by_their_far_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"import socket, time; s = socket.create_connection(('127.0.0.1', {port})); time.sleep(60)"
        with subprocess.Popen([sys.executable, "-c", program]) as client:
            try:
                server.accept()
                name = Path(f"/proc/{client.pid}/comm").read_text().strip()
                assert processes.find_connected(name, "127.0.0.1", port) == [client.pid]
                assert processes.find_connected("ssh", "127.0.0.1", port) == []
            finally:
                client.kill()
