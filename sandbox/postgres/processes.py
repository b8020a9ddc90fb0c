"""PostgreSQL's programs as the user they accept (never root), and files given to that user."""

import os
import pwd
import subprocess
from pathlib import Path

UNPRIVILEGED = "nobody"


class ClusterError(Exception):
    """PostgreSQL refused or could not be started; the text is its own."""


def run(program: Path, *arguments: str) -> None:
    """Run a program of PostgreSQL that must succeed. Raises ClusterError with its own words."""
    done = as_unprivileged([str(program), *arguments])
    if done.returncode:
        raise ClusterError(f"{program.name}: {(done.stderr or done.stdout).strip()}")


def version_of(binaries: Path) -> tuple[int, int]:
    """Major and minor version of the PostgreSQL in a folder. Proves too that the unprivileged user can run it."""
    done = as_unprivileged([str(binaries / "bin" / "postgres"), "--version"])
    if done.returncode:
        raise ClusterError(f"{binaries}/bin/postgres does not run: {done.stderr.strip()}")
    # postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)
    major, _, minor = done.stdout.split("(PostgreSQL)")[1].split()[0].partition(".")
    return int(major), int(minor or 0)


def require_reachable(folder: Path) -> None:
    """Refuse a folder that PostgreSQL's unprivileged user cannot pass through. Raises ClusterError."""
    if as_unprivileged(["test", "-x", str(folder)]).returncode:
        raise ClusterError(f"the user {_user()} cannot reach {folder}: every folder above it needs o+x")


def as_unprivileged(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a program: as `nobody` when root, since PostgreSQL refuses root."""
    account = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        return subprocess.run(
            command,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
            env=environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except PermissionError as error:
        raise ClusterError(f"the user {_user()} may not run {command[0]}: every folder above it needs o+x") from error


def give_away(*paths: Path) -> None:
    """Let the unprivileged user own these."""
    if os.geteuid() == 0:
        account = pwd.getpwnam(UNPRIVILEGED)
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid)


def make_private(folder: Path) -> None:
    """A folder of the unprivileged user's own."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    give_away(folder)


def _user() -> str:
    return UNPRIVILEGED if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
