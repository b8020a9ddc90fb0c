"""Copies of a cluster's files: whole folders with their owners, sharing blocks where the file system can."""

import os
import shutil
import subprocess
from pathlib import Path

from sandbox.postgres.processes import ClusterError

GONE = "No such file or directory"


def copy_folder(source: Path, target: Path, *, live: bool = False) -> None:
    """Copy a folder to a name that is there only when the copy is whole.

    From a `live` cluster files may vanish meanwhile: its write-ahead log makes up for them.
    """
    unfinished = target.with_name(f"{target.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    copy_into(source, unfinished, live=live)
    unfinished.rename(target)


def copy_into(source: Path, target: Path, *, live: bool = False) -> None:
    """Copy a folder to a name that is not there yet."""
    command = ["cp", "--archive", "--reflink=auto", str(source), str(target)]
    environment = os.environ | {"LC_ALL": "C"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    problems = [line for line in done.stderr.splitlines() if not (live and GONE in line)]
    if problems:
        raise ClusterError(f"cp: {problems[0]}")


def link_folder(source: Path, target: Path) -> None:
    """A copy of files that nobody changes any more: hard links, or real copies on another file system."""
    command = ["cp", "--archive", "--link", str(source), str(target)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        shutil.rmtree(target, ignore_errors=True)
        copy_into(source, target)


def size_of(folder: Path) -> int:
    """Bytes on the disk of a folder that nobody changes."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
