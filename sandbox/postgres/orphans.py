"""What a killed sandbox left running: programs in the middle of their work, and servers that are just starting."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

UNFINISHED = frozenset({"cp", "initdb", "pg_ctl"})
SERVER = "postgres"
PATIENCE_SECONDS = 20.0


def settle(folder: Path) -> None:
    """End copies and starts below the folder that nobody waits for; servers that have begun get to their feet."""
    _end(folder, UNFINISHED, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(not _is_up(pid) for pid in _find(folder, frozenset({SERVER}))) and time.monotonic() < deadline:
        time.sleep(0.02)


def stop_servers(folder: Path) -> None:
    """End the servers below the folder at once: their data go."""
    _end(folder, frozenset({SERVER}), signal.SIGQUIT)


def _end(folder: Path, programs: frozenset[str], how: signal.Signals) -> None:
    found = list(_find(folder, programs))
    for pid in found:
        with contextlib.suppress(ProcessLookupError):  # a copy may end by itself just now
            os.kill(pid, how)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while any(pid in found for pid in _find(folder, programs)) and time.monotonic() < deadline:
        time.sleep(0.02)


def _find(folder: Path, programs: frozenset[str]) -> Iterator[int]:
    """Processes of these programs that were given a path below the folder."""
    for entry in Path("/proc").iterdir():
        words = _words(entry) if entry.name.isdigit() else []
        if words and Path(words[0]).name in programs and any(word.startswith(f"{folder}/") for word in words[1:]):
            yield int(entry.name)


def _is_up(pid: int) -> bool:
    """Whether a server owns its data directory by now, or is gone."""
    words = _words(Path(f"/proc/{pid}"))
    data = next((word for flag, word in pairwise(words) if flag == "-D"), None)
    return data is None or (Path(data) / "postmaster.pid").exists()


def _words(process: Path) -> list[str]:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
