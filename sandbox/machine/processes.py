"""Programs that the sandbox starts: each bears the sandbox's id in its environment, so none is ever lost.

A killed `up` cannot tell anybody which children it had. `/proc` can: `find` asks it.
"""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from typing import IO

from sandbox.machine.errors import SandboxError

_MARK = "MLFLOW_SANDBOX_PROCESS_OF"
_ROLE = "MLFLOW_SANDBOX_PROCESS_ROLE"
_TAIL = 3
FAST_SHUTDOWN = signal.SIGINT
"""PostgreSQL's word for "roll back and stop now"."""

_running: dict[subprocess.Popen[str], str] = {}
_guard = threading.Lock()
_closing = threading.Event()


def environment(owner: str, role: str, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment with the mark that `find` looks for."""
    return {**os.environ, **(extra or {}), _MARK: owner, _ROLE: role}


def run(
    command: Sequence[str | Path],
    owner: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
    on_line: Callable[[str], None] | None = None,
    gently: bool = False,
) -> str:
    """Run a program to its end and return what it printed; a failure is a SandboxError with its last words.

    `output` takes stdout instead; `on_line` is told each line as it comes; `gently` leaves the processor to others.
    """
    arguments = [*(["nice", "-n", "15"] if gently else []), *map(str, command)]
    code, lines = stream(arguments, owner, env=env, cwd=cwd, output=output, on_line=on_line)
    if code:
        last = " | ".join([line for line in lines if line.strip()][-_TAIL:])
        raise SandboxError(
            f"{Path(command[0]).name} {command[1] if len(command) > 1 else ''} ended with {code}: {last}"
        )
    return "\n".join(lines)


def stream(
    command: Sequence[str],
    owner: str,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    output: IO[bytes] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> tuple[int, list[str]]:
    """Run a program in a process group of its own; returns its exit code and its lines."""
    with _guard:
        if _closing.is_set():
            raise SandboxError("Interrupted.")
        process = subprocess.Popen(
            command,
            env=environment(owner, "step", env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output or subprocess.PIPE,
            stderr=subprocess.PIPE if output else subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        _running[process] = owner
    try:
        lines = []
        for line in (process.stderr if output else process.stdout) or ():
            lines.append(line.rstrip("\n"))
            if on_line:
                on_line(lines[-1])
        return process.wait(), lines
    except BaseException:  # interrupted: the program must not outlive the wish for it
        stop_running()
        raise
    finally:
        with _guard:
            _running.pop(process, None)


def stop_running() -> None:
    """Stop what `run` has under way (used when this process is told to end)."""
    with _guard:
        _closing.set()
        for process in _running:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + 3
        for process in _running:
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.05)
            _signal_group(process.pid, signal.SIGKILL)
        for owner in set(_running.values()):  # Ansible's workers leave the process group
            stop(find(owner, "step"), patience=1)


def find(owner: str, role: str | None = None) -> list[int]:
    """Processes started for a sandbox (of one role: "step" or "emulator"), this one excepted."""
    marks = {f"{_MARK}={owner}".encode()} | ({f"{_ROLE}={role}".encode()} if role else set())
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and int(entry.name) != os.getpid() and marks <= set(_read(entry / "environ"))
    ]


def arguments(pid: int) -> list[str]:
    """A process's command line."""
    return [word.decode(errors="replace") for word in _read(Path(f"/proc/{pid}/cmdline"))]


def program_of(pid: int) -> str:
    """The name of what a process runs; empty when it has ended meanwhile."""
    return b"".join(_read(Path(f"/proc/{pid}/comm"))).decode(errors="replace").strip()


def find_program(program: str, below: Path) -> list[int]:
    """Processes of a program that were given a path below a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        # A process that is about to end has no command line any more.
        words = arguments(int(entry.name)) if entry.name.isdigit() else []
        if words and Path(words[0]).name == program and any(word.startswith(f"{below}/") for word in words[1:]):
            found.append(int(entry.name))
    return found


def find_connected(program: str, address: str, port: int) -> list[int]:
    """Processes of a program that hold a TCP connection to an address."""
    number = int.from_bytes(IPv4Address(address).packed, "little")
    remote = f"{number:08X}:{port:04X}"
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{fields[9]}]" for fields in table if fields[2] == remote}
    return [pid for pid in _pids_of(program) if sockets & set(_open_files(pid))]


def _pids_of(program: str) -> list[int]:
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [pid for pid in pids if program_of(pid) == program]


def _open_files(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):  # it may end while we look
        for link in Path(f"/proc/{pid}/fd").iterdir():
            yield str(link.readlink())


def stop(pids: Iterable[int], first: signal.Signals = signal.SIGTERM, patience: float = 10.0) -> int:
    """End processes, politely first; returns how many there were."""
    targets = list(pids)
    for pid in targets:
        _signal(pid, first)
    deadline = time.monotonic() + patience
    while any(map(alive, targets)) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in filter(alive, targets):
        _signal(pid, signal.SIGKILL)
    return len(targets)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _read(path: Path) -> list[bytes]:
    try:
        return path.read_bytes().split(b"\0")
    except OSError:
        return []


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise SandboxError(f"Process {pid} belongs to another user: run this as the user who started it.") from error


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
