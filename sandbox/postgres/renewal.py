"""Brings a cluster's data back to a copy of them by replacing only what has changed since: most files have not."""

import os
import shutil
from pathlib import Path

# A file written shortly before it was copied may have been written again within the same tick of the clock.
TOO_FRESH_NS = 1_000_000_000


def renew_folder(source: Path, target: Path) -> None:
    """Make the folder like its copy. PostgreSQL must not run on it; interrupted, it can be done again."""
    wanted = {entry.name: entry for entry in os.scandir(source)}
    for entry in list(os.scandir(target)):
        original = wanted.get(entry.name)
        if original is None or _kind(original) != _kind(entry):
            _remove(Path(entry.path))
    for name, original in wanted.items():
        place = target / name
        if original.is_dir(follow_symlinks=False):
            if not place.exists():
                place.mkdir(mode=0o700)
            renew_folder(Path(original.path), place)
            _give_like(original, place)
        elif not _is_same(original, place):
            place.unlink(missing_ok=True)
            shutil.copy2(original.path, place, follow_symlinks=False)
            _give_like(original, place)


def _is_same(original: os.DirEntry[str], place: Path) -> bool:
    """Whether a file is still what was copied. The copy bears the file's own time, and was made at its own ctime."""
    if not place.exists() or not original.is_file(follow_symlinks=False):
        return False
    copied, current = original.stat(follow_symlinks=False), place.stat()
    is_settled = copied.st_ctime_ns - copied.st_mtime_ns > TOO_FRESH_NS
    return is_settled and (copied.st_size, copied.st_mtime_ns) == (current.st_size, current.st_mtime_ns)


def _kind(entry: os.DirEntry[str]) -> tuple[bool, bool]:
    return entry.is_dir(follow_symlinks=False), entry.is_symlink()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _give_like(original: os.DirEntry[str], place: Path) -> None:
    status = original.stat(follow_symlinks=False)
    os.chown(place, status.st_uid, status.st_gid, follow_symlinks=False)
