"""Data brought back by their differences are the same as a whole copy."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.postgres.renewal import renew_folder

LONG_AGO = 1_700_000_000


def content(folder: Path) -> dict[str, bytes | None]:
    """Every path below a folder with its bytes (None: a folder)."""
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Files that were written long ago."""
    folder = tmp_path / "data"
    for name in ("base/1/same", "base/1/changed", "base/1/grown", "base/2/gone", "base/3/only", "kind", "empty"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


@pytest.fixture
def saved(tmp_path: Path, data: Path) -> Path:
    """A copy of them, made as snapshots are."""
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", str(data), str(copy)], check=True)
    return copy


def test_whatever_happened_is_undone(data: Path, saved: Path) -> None:
    before = content(data)
    kept = (data / "base/1/same").stat().st_ino
    (data / "base/1/changed").write_bytes(b"base/1/CHANGED")
    (data / "base/1/grown").write_bytes(b"base/1/grown and grown")
    (data / "base/2/gone").unlink()
    shutil.rmtree(data / "base/3")
    (data / "base/4").mkdir()
    (data / "base/4/new").write_bytes(b"new")
    (data / "postmaster.pid").write_bytes(b"1")
    (data / "kind").unlink()
    (data / "kind").mkdir()
    renew_folder(saved, data)
    assert content(data) == before
    assert (data / "base/1/same").stat().st_ino == kept, "what is the same stays"
    (data / "base/1/changed").write_bytes(b"base/1/CHANGED")
    renew_folder(saved, data)
    assert content(data) == before == content(saved)


def test_a_file_that_was_just_written_is_not_trusted(data: Path, tmp_path: Path) -> None:
    """Written, copied and written again within a tick of the clock, it would look the same."""
    fresh = data / "base/1/same"
    fresh.write_bytes(b"one")
    copy = tmp_path / "copy"
    subprocess.run(["cp", "--archive", str(data), str(copy)], check=True)
    status = fresh.stat()
    fresh.write_bytes(b"two")
    os.utime(fresh, ns=(status.st_atime_ns, status.st_mtime_ns))
    renew_folder(copy, data)
    assert fresh.read_bytes() == b"one"
