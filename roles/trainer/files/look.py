"""Print what a machine offers to training jobs, and what the given folder holds, as one line of JSON. Writes nothing.

Standard input is the lock: what the environment lacks of it is named. Lines with a marker are not asked for.
"""

from __future__ import annotations

import json
import os
import pathlib
import platform
import re
import sys
from collections.abc import Iterator

PIN = re.compile(r"^([\w.-]+)==([^\s;]+)(?= *\\?$| +--hash=)", re.MULTILINE)


def name(text: str) -> str:
    """A package's name, as all ways to write it are the same."""
    return re.sub(r"[-_.]+", "-", text).lower()


def locked(lock: str) -> set[str]:
    """NAME==VERSION of each package that every machine gets."""
    return {f"{name(package)}=={version}" for package, version in PIN.findall(lock)}


def installed(environment: pathlib.Path) -> Iterator[str]:
    """NAME==VERSION of each package that the environment has."""
    for path in environment.glob("lib/python*/site-packages/*.dist-info"):
        package, version = path.name.removesuffix(".dist-info").split("-", 1)
        yield f"{name(package)}=={version}"


def look(directory: pathlib.Path, lock: str) -> dict[str, object]:
    """What is told of the machine and of the folder."""
    library, version = platform.libc_ver()
    environment = directory / "environment"
    return {
        "python": "{}.{}".format(*sys.version_info[:2]),
        "architecture": platform.machine(),
        "glibc": int(version.split(".")[1]) if library == "glibc" else 0,
        "user": str(os.getuid()),
        "group": str(os.getgid()),
        "directory": str(directory),
        "exists": directory.is_dir(),
        "environment": environment.readlink().name if environment.is_symlink() else "",
        "missing": sorted(locked(lock) - set(installed(environment))),
        "key": (directory / "credentials.json").exists(),
    }


if __name__ == "__main__":
    print(json.dumps(look(pathlib.Path(sys.argv[1]).expanduser().absolute(), sys.stdin.read())))
