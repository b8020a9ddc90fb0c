"""The machine's own Debian packages: what is missing is installed, and where they come from is asked, never written."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.machine import processes
from sandbox.machine.errors import SandboxError

_OPTIONS = ["-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"]


@dataclass(frozen=True)
class Mirror:
    """Where this machine takes Debian from."""

    main: str
    security: str

    def sources(self, suite: str) -> list[str]:
        """sources.list lines of a suite."""
        return [
            f"deb {self.main} {suite} main",
            f"deb {self.main} {suite}-updates main",
            f"deb {self.security} {suite}-security main",
        ]


def mirror(owner: str) -> Mirror | None:
    """The Debian mirror in the machine's apt configuration, None where it is no Debian."""
    if not shutil.which("apt-get"):
        return None
    if not _has_lists() and os.geteuid() == 0:  # origin and label stand in the lists, not in the configuration
        processes.run(["apt-get", "update", *_OPTIONS], owner)
    form = "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(SITE)"
    listed = subprocess.run(
        ["apt-get", "indextargets", "--format", form, "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    return parse_mirror(listed.stdout.splitlines())


def parse_mirror(lines: list[str]) -> Mirror | None:
    """Find the mirror among lines of `ORIGIN|LABEL|COMPONENT|SITE`."""
    main = security = None
    for line in lines:
        match line.split("|"):
            case ["Debian", "Debian-Security", "main", site]:
                security = security or site
            case ["Debian", "Debian", "main", site]:
                main = main or site
    return Mirror(main, security or f"{main}-security") if main else None


def install(packages: list[str], owner: str, why: str) -> None:
    """Install Debian packages, as root; elsewhere a SandboxError that says what is missing."""
    names = " ".join(packages)
    if not shutil.which("apt-get"):
        raise SandboxError(f"{why} needs {names}, and this is no Debian machine: install them yourself.")
    if os.geteuid() != 0:
        raise SandboxError(f"{why} needs {names}: run `sudo apt-get install {names}` once, then repeat this command.")
    environment = {"DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "-y", "--no-install-recommends", *_OPTIONS, *packages]
    if not _has_lists():
        processes.run(["apt-get", "update", *_OPTIONS], owner, env=environment)
    try:
        processes.run(command, owner, env=environment)
    except SandboxError:  # lists of yesterday name packages that the mirror no longer has
        processes.run(["apt-get", "update", *_OPTIONS], owner, env=environment)
        processes.run(command, owner, env=environment)


def _has_lists() -> bool:
    return any(Path("/var/lib/apt/lists").glob("*Packages*"))
