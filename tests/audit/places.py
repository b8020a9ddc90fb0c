"""Every place that a secret of a deployment could have leaked to. Each is a function that yields what is there.

A place says where and what; that a secret is in it is decided by the one matcher (see needles.py). To add a place: a
function with the decorator, and a leak planted there (molecule/secrets/planted.yml), else the scenario fails.
"""

import base64
import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from testinfra.host import Host

from tests.audit import trees
from tests.audit.needles import Matcher

Contents = Iterator[tuple[str, bytes]]
Findings = dict[str, dict[str, list[str]]]
SEPARATOR = "@@@ "
# What apt unpacked, what is no file, and what Docker keeps (which is asked for by itself).
NOT_SEARCHED = [f"/usr/{name}" for name in ("bin", "lib", "libexec", "sbin", "share")]
NOT_SEARCHED += ["/proc", "/sys", "/var/lib/docker/overlay2"]


class Watch:
    """A sampler at work on a machine; after the block, what it has seen."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self.seen: list[dict[str, str]] = []

    def __enter__(self) -> "Watch":
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout and self._process.stdout.readline() == "watching\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        output = self._process.communicate("")[0]
        self.seen = [json.loads(line) for line in output.splitlines()]

    def contents(self, part: str) -> Contents:
        """Every argv or environment: the process and its content."""
        for one in self.seen:
            if one["part"] == part:
                yield f"process {one['process']}", base64.b64decode(one["content"])


@dataclass
class Evidence:
    """What the runs left behind, and where to look for more."""

    host: Host
    card: dict[str, Any]
    folder: Path
    """The runs' own folder on the control node: their output, log, fact cache and temporary files."""
    checkout: Path
    repositories: list[Path]
    watched: dict[str, Watch]
    requests: bytes
    matcher: Matcher


Place = Callable[[Evidence], Contents]
PLACES: dict[str, Place] = {}


def place(name: str) -> Callable[[Place], Place]:
    """Add a function to the list of places, under a name that reports use."""

    def add(function: Place) -> Place:
        PLACES[name] = function
        return function

    return add


def findings(evidence: Evidence) -> Findings:
    """By secret and by place, where in it the secret was found."""
    found: Findings = {}
    for name, look in PLACES.items():
        for where, content in look(evidence):
            for secret in evidence.matcher.names(content):
                found.setdefault(secret, {}).setdefault(name, []).append(where)
    return found


def every_file(folder: Path, skip: Collection[str] = ()) -> Contents:
    """All files below a folder, or the one file that it is."""
    for path in [folder] if folder.is_file() else trees.files([str(folder)], skip):
        with contextlib.suppress(FileNotFoundError):  # somebody else's, who removed it
            if path.is_file():
                yield str(path), path.read_bytes()


# --- what Ansible says and keeps ------------------------------------------------------------------------------------


@place("ansible-playbook's output with -vvvvv")
def printed(evidence: Evidence) -> Contents:
    return every_file(evidence.folder / "output" / "default")


@place("JSON callback")
def printed_as_json(evidence: Evidence) -> Contents:
    return every_file(evidence.folder / "output" / "ansible.posix.json")


@place("ANSIBLE_LOG_PATH")
def log(evidence: Evidence) -> Contents:
    return every_file(evidence.folder / "ansible.log")


@place("fact cache")
def facts(evidence: Evidence) -> Contents:
    return every_file(evidence.folder / "facts")


@place("temporary files of the control node")
def temporary(evidence: Evidence) -> Contents:
    for folder in (evidence.folder / "tmp", evidence.folder / "ansible", Path.home() / ".ansible" / "tmp"):
        yield from every_file(folder)


@place("argv of processes on the control node")
def own_arguments(evidence: Evidence) -> Contents:
    return evidence.watched["control node"].contents("cmdline")


@place("environment of processes on the control node")
def own_environment(evidence: Evidence) -> Contents:
    return evidence.watched["control node"].contents("environ")


# --- the checkout ---------------------------------------------------------------------------------------------------


@place("files of the checkout")
def checkout(evidence: Evidence) -> Contents:
    skip = [str(evidence.checkout / name) for name in (".git", ".venv", ".mypy_cache", ".ruff_cache")]
    return every_file(evidence.checkout, skip)


@place("git history")
def history(evidence: Evidence) -> Contents:
    """Every object, also those that no branch reaches any more, and git's own notes of what happened."""
    for repository in evidence.repositories:
        command = ["git", "cat-file", "--batch", "--batch-all-objects", "--unordered"]
        yield f"objects of {repository}", subprocess.check_output(command, cwd=repository)
        yield from every_file(repository / ".git" / "logs")


# --- the machine ----------------------------------------------------------------------------------------------------


@place("argv of processes on the machine")
def arguments(evidence: Evidence) -> Contents:
    return evidence.watched["machine"].contents("cmdline")


@place("environment of processes on the machine")
def environment(evidence: Evidence) -> Contents:
    return evidence.watched["machine"].contents("environ")


@place("journal of the machine")
def journal(evidence: Evidence) -> Contents:
    """With it sudo's record of commands, and Ansible's of module invocations."""
    yield "journalctl", run(evidence, "journalctl --no-pager --all --output export")


@place("docker inspect")
def inspected(evidence: Evidence) -> Contents:
    for kind, listing in {
        "container": "docker ps --all --quiet",
        "image": "docker image ls --all --quiet",
        "network": "docker network ls --quiet",
        "volume": "docker volume ls --quiet",
    }.items():
        yield from each(evidence, listing, f"docker {kind} inspect")


@place("docker events")
def events(evidence: Evidence) -> Contents:
    """The last that the engine remembers, with the labels and commands of containers that are gone."""
    yield "docker events", run(evidence, "docker events --since 24h --until 0s --format json")


@place("container logs")
def container_logs(evidence: Evidence) -> Contents:
    return each(evidence, "docker ps --all --quiet", "docker logs")


@place("image history")
def image_history(evidence: Evidence) -> Contents:
    return each(evidence, "docker image ls --quiet", "docker image history --no-trunc")


@place("image layers")
def image_layers(evidence: Evidence) -> Contents:
    """Of the images that were made on the machine; what came from a registry was written elsewhere."""
    made: set[str] = set()
    pulled: set[str] = set()
    for image in inspect(evidence, "docker image ls --quiet", "docker image inspect"):
        (pulled if image["RepoDigests"] else made).update(layers(image))
    return on_the_machine(evidence, sorted(made - pulled))


@place("files inside the containers")
def container_files(evidence: Evidence) -> Contents:
    """What a container has written over its image, and what it keeps in memory alone."""
    roots = []
    for container in inspect(evidence, "docker ps --all --quiet", "docker container inspect"):
        roots.append(container["GraphDriver"]["Data"]["UpperDir"])
        if pid := container["State"]["Pid"]:
            roots += [f"/proc/{pid}/root/{folder}" for folder in ("tmp", "dev/shm")]
    return on_the_machine(evidence, roots)


@place("files on the machine")
def machine_files(evidence: Evidence) -> Contents:
    return on_the_machine(evidence, ["/"])


# --- Google's side --------------------------------------------------------------------------------------------------


@place("addresses of the requests to Google")
def requests(evidence: Evidence) -> Contents:
    yield "the record of requests", evidence.requests


@place("log of the emulator")
def emulator_log(evidence: Evidence) -> Contents:
    return every_file(Path(evidence.card["state_dir"]) / "machine" / "emulator.log")


# --- how the machine is asked ---------------------------------------------------------------------------------------


def run(evidence: Evidence, command: str) -> bytes:
    done = evidence.host.run(command)
    assert done.rc == 0, f"{command}: {done.stderr}"
    output: bytes = done.stdout_bytes + done.stderr_bytes
    return output


def each(evidence: Evidence, listing: str, command: str) -> Contents:
    """A command's output for each line of a listing."""
    script = f"for x in $({listing}); do echo {SEPARATOR}$x; {command} $x 2>&1; done"
    for part in run(evidence, script).split(SEPARATOR.encode())[1:]:
        yield f"{command} {part.split(maxsplit=1)[0].decode()}", part


def inspect(evidence: Evidence, listing: str, command: str) -> list[dict[str, Any]]:
    """What Docker knows of each thing of a listing."""
    found: list[dict[str, Any]] = json.loads(run(evidence, f"{listing} | xargs {command}"))
    return found


def layers(image: dict[str, Any]) -> list[str]:
    """The folders that an image is stacked of."""
    data = image["GraphDriver"]["Data"]
    return [data["UpperDir"], *data.get("LowerDir", "").split(":")]


def on_the_machine(evidence: Evidence, roots: list[str]) -> Contents:
    """Files of the machine that hold a secret: path, mode and owner, and what was found in them."""
    forms = [base64.b64encode(form).decode() for form in evidence.matcher.forms]
    asked = json.dumps({"roots": roots, "skip": NOT_SEARCHED, "forms": forms})
    done = subprocess.run(as_root(evidence.card, trees), input=asked, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for line in done.stdout.splitlines():
        found = json.loads(line)
        held = b"\n".join(base64.b64decode(form) for form in found["held"])
        yield f"{found['path']} {found['mode']} {found['uid']}", held


def as_root(card: dict[str, Any], program: ModuleType) -> list[str]:
    """The command that runs one of this folder's programs on the machine."""
    target = card["target"]
    options = ["-o", f"UserKnownHostsFile={target['known_hosts_file']}", "-o", "StrictHostKeyChecking=yes"]
    login = ["-i", target["private_key_file"], "-p", str(target["port"]), f"{target['user']}@{target['host']}"]
    return ["ssh", *options, *login, shlex.join(["sudo", "python3", "-c", source(program)])]


def here(program: ModuleType, *words: str) -> list[str]:
    """The command that runs one of this folder's programs on the control node."""
    return [sys.executable, "-c", source(program), *words]


def source(program: ModuleType) -> str:
    return Path(str(program.__file__)).read_text()
