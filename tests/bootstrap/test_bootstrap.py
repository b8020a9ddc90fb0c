"""The first minute on a fresh Debian: from a clone to a working .venv, with what Debian, git and make bring.

The machine that runs the tests has more than that, so each command runs with a PATH of only Debian's own programs
(no Go, no Node, no pyenv), a reduced environment, and a mount namespace in which python3 has no ensurepip.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What a minimal Debian holds, plus what the README asks for: git, make and python3.
REQUESTED = {"apt", "git", "make", "python3", "python3-minimal", "ca-certificates"}
# Where the machine keeps its way to the package registries; everything else of the environment is dropped.
NETWORK = re.compile(r"^PIP_|_PROXY$|CERT|CA_BUNDLE|^LANG$", re.IGNORECASE)
ENSUREPIP_PARTS = ["/usr/lib/{python}/ensurepip", "/usr/share/python-wheels"]


def debian_programs() -> Iterator[Path]:
    """Every program that the minimal Debian's packages own, and the alternatives that point to one (awk)."""
    listing = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package}\t${Essential}\t${Priority}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = [line.split("\t") for line in listing.splitlines()]
    packages = [name for name, essential, priority in rows if "yes" in essential or priority == "required"]
    packages += [name for name, _, _ in rows if name in REQUESTED or re.fullmatch(r"python3\.\d+(-minimal)?", name)]
    owned = subprocess.run(["dpkg", "-L", *packages], check=True, capture_output=True, text=True).stdout.splitlines()
    folders = {Path("/bin"), Path("/sbin"), Path("/usr/bin"), Path("/usr/sbin")}
    programs = {Path(path) for path in owned if Path(path).parent in folders}
    yield from (path for path in programs if path.exists())
    for link in Path("/etc/alternatives").iterdir():
        if link.resolve() in programs and (program := Path("/usr/bin") / link.name).exists():
            yield program


class FreshMachine:
    """A copy of the checkout, and commands that see no more than a fresh Debian has."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.programs = folder / "programs"
        self.empty = folder / "empty"
        self.home = folder / "home"
        for made in (self.checkout, self.programs, self.empty, self.home):
            made.mkdir()
        for program in debian_programs():
            (self.programs / program.name).unlink(missing_ok=True)
            (self.programs / program.name).symlink_to(program)
        copy_checkout(self.checkout)

    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if NETWORK.search(name)}
        # Wheels are shared with the machine's own cache: this test is about the way, not about downloading again.
        cache = subprocess.check_output([sys.executable, "-m", "pip", "cache", "dir"], text=True).strip()
        return kept | {"PATH": str(self.programs), "HOME": str(self.home), "PIP_CACHE_DIR": cache, "TERM": "dumb"}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the checkout, with ensurepip and its wheels hidden by empty folders mounted over them."""
        python = Path("/usr/bin/python3").resolve().name
        hidden = [path for part in ENSUREPIP_PARTS if Path(path := part.format(python=python)).exists()]
        mounts = "".join(f"mount --bind {self.empty} {path} && " for path in hidden)
        namespace = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
        return subprocess.Popen(
            [*namespace, "sh", "-c", f'{mounts}exec "$@"', "sh", *command],
            cwd=self.checkout,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str) -> tuple[int, str]:
        with self.start(*command) as process:
            output = process.communicate()[0]
        return process.returncode, output


def copy_checkout(target: Path) -> None:
    """What a clone of the working tree as it stands would hold."""
    listing = subprocess.check_output(["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, text=True)
    for name in filter(None, listing.split("\0")):
        source = ROOT / name
        if source.is_symlink() or source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name, follow_symlinks=False)


@pytest.fixture(scope="module")
def machine() -> Iterator[FreshMachine]:
    with tempfile.TemporaryDirectory(prefix="mlflow-ops-bootstrap-") as folder:
        yield FreshMachine(Path(folder))


def test_the_machine_has_nothing_but_debian(machine: FreshMachine) -> None:
    """The test's own premise: without it the next ones would prove nothing."""
    for missing in ("go", "node", "npm", "pyenv", "uv", "docker", "pip3"):
        assert machine.run("sh", "-c", f"command -v {missing}")[0] != 0, missing
    assert machine.run("sh", "-c", "command -v git make python3 apt-get dpkg-deb")[0] == 0
    rc, output = machine.run("python3", "-m", "ensurepip", "--version")
    assert rc != 0, f"ensurepip could not be hidden: {output}"


def test_too_old_a_python_is_one_clear_line(machine: FreshMachine) -> None:
    old = machine.home / "python-old"
    pretend = 'import sys; sys.version_info = (3, 9, 1); sys.version = "3.9.1 x"; exec(sys.argv[1])'
    old.write_text(f"#!/bin/sh\nexec python3 -c '{pretend}' \"$2\"\n")
    old.chmod(0o755)
    rc, output = machine.run("make", ".venv/.ready", f"PYTHON={old}")
    said = [line for line in output.splitlines() if not line.startswith("make:")]
    assert rc != 0
    assert len(said) == 1, output
    assert "3.9.1" in said[0]
    assert "make PYTHON=" in said[0]


def test_make_from_a_killed_start_to_a_working_environment(machine: FreshMachine) -> None:
    """Killed half-way, then run again: it converges; and once more: it does nothing and says nothing."""
    with machine.start("make", ".venv/.ready") as killed:
        deadline = time.monotonic() + 120
        while not (machine.checkout / ".venv/bin/pip").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        assert killed.poll() is None, killed.communicate()[0]
        os.killpg(killed.pid, signal.SIGKILL)
    assert not (machine.checkout / ".venv/.ready").exists()

    rc, output = machine.run("make", ".venv/.ready")
    assert rc == 0, output
    assert re.search(r"^virtual environment: \d+ s$", output, re.MULTILINE)
    assert machine.run("make", ".venv/.ready") == (0, "")

    rc, output = machine.run(".venv/bin/ansible", "--version")
    assert rc == 0, output
    rc, output = machine.run(".venv/bin/ansible-doc", "--json", "-t", "module", "mlflow_ops.gcp.plan")
    assert rc == 0, output
    documented = json.loads(output)["mlflow_ops.gcp.plan"]["doc"]
    assert Path(documented["filename"]).is_relative_to(machine.checkout / ".ansible" / "collections")
