"""Files that a kill at any moment cannot leave half-written, and locks that die with their process."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, content: str | bytes, mode: int = 0o644) -> bool:
    """Write a file at once or not at all; returns whether anything had to change."""
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and path.read_bytes() == data and path.stat().st_mode & 0o777 == mode:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), mode)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return True


@contextmanager
def folder(final: Path) -> Iterator[Path]:
    """A folder to fill that takes its final name only when the block ends well."""
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(f"{final.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed: callers hold a lock
    partial.mkdir()
    yield partial
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)


@contextmanager
def lock(path: Path, *, wait: bool = True, shared: bool = False) -> Iterator[bool]:
    """Hold a lock file, alone or with other sharers; yields False at once when `wait` is off and it is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def fingerprint(parts: Iterable[str | Path]) -> str:
    """Short hash of texts and of the contents (and modes) of files and folders."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, str):
            digest.update(b"text\0" + part.encode() + b"\0")
            continue
        for file in sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]:
            executable = b"x" if file.stat().st_mode & 0o100 else b"-"
            digest.update(file.name.encode() + b"\0" + executable + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]
