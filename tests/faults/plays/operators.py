"""An operator at a control node of their own: an inventory, a home, and ansible-playbook, which can be killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.playbooks import PROVISION, ROOT

# deploy.yml's way to .env, without the machine: see the playbook.
WRITE_ENV = "tests/faults/plays/write_env.yml"
INSTANCE = "mlflow-metadata"
_EXAMPLE = ROOT / "inventories" / "example" / "group_vars" / "all" / "mlflow.yml"
_HOSTS = ROOT / "inventories" / "sandbox" / "hosts.yml"
_SECONDS = 240
Given = dict[str, Any]


@dataclass(frozen=True)
class Played:
    """What a run of a playbook came to."""

    code: int
    output: str

    @property
    def changed(self) -> int:
        """Tasks that changed something, by Ansible's own count."""
        return sum(int(number) for number in re.findall(r"\bchanged=(\d+)", self.output))

    @property
    def errors(self) -> list[str]:
        """What Ansible says in lines of errors."""
        return re.findall(r"^\[ERROR\]: (.*)$", self.output, re.MULTILINE)


class Playing:
    """A playbook that runs, with all the processes it starts."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def is_over(self) -> bool:
        """Whether the playbook has ended."""
        return self._process.poll() is not None

    def finish(self) -> Played:
        """Wait for its end."""
        output = self._process.communicate(timeout=_SECONDS)[0]
        return Played(self._process.returncode, output)

    def kill(self) -> Played:
        """End it with SIGKILL, and its workers, which Ansible puts into sessions of their own."""
        processes = [self._process.pid, *descendants(self._process.pid)]
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return self.finish()

    def kill_group(self) -> None:
        """End its process group alone with SIGKILL: the worker and its module live on, and nobody hears them."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def descendants(process: int) -> list[int]:
    """All processes below this one."""
    found: list[int] = []
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found += [child, *descendants(child)]
    return found


@dataclass(frozen=True)
class Operator:
    """Who runs playbooks against an emulator, with a service account's key out of the inventory."""

    bench: Bench
    folder: Path
    key: dict[str, Any]
    _started: list[Playing] = field(default_factory=list)

    def start(self, *arguments: str, given: Given | None = None) -> Playing:
        """Begin provision.yml; ``given`` goes into the inventory over the example's values.

        :param arguments: options, and playbooks that come after it, as in site.yml.
        """
        program = Path(sys.executable).parent / "ansible-playbook"
        command = [str(program), "-i", str(self._inventory(given)), PROVISION, *arguments]
        playing = Playing(command, self._environment())
        self._started.append(playing)
        return playing

    def play(self, *arguments: str, given: Given | None = None) -> Played:
        """Run provision.yml (and more) to its end."""
        return self.start(*arguments, given=given).finish()

    def leave(self) -> None:
        """End what a failed test has left running."""
        for playing in self._started:
            if not playing.is_over:
                playing.kill()

    @property
    def env_file(self) -> Path:
        """The .env that write_env.yml writes."""
        return self.folder / "machine" / ".env"

    @property
    def passfile(self) -> Path:
        """The passfile beside it."""
        return self.folder / "machine" / "secrets" / "pg" / "passfile"

    def left_behind(self, secrets: list[str]) -> list[str]:
        """Files of this control node, inventory and machine aside, that hold one of these texts."""
        folders = [found for room in ("home", "tmp") for found in os.walk(self.folder / room)]
        files = [Path(folder, name) for folder, _subfolders, names in folders for name in names]
        return [str(path) for path in files if any(text.encode() in content(path) for text in secrets)]

    def _inventory(self, given: Given | None) -> Path:
        inventory = self.folder / "inventory"
        group = inventory / "group_vars" / "all"
        group.mkdir(parents=True, exist_ok=True)
        shutil.copy(_HOSTS, inventory / "hosts.yml")
        shutil.copy(_EXAMPLE, group / "mlflow.yml")
        connection = {
            **self.bench.common,
            "project": "{{ gcp_project }}",
            "credentials_contents": json.dumps(self.key),
        }
        variables = {"gcp_project": PROJECT, "gcp_connection": connection, **self._machine(), **(given or {})}
        (group / "of_the_operator.yml").write_text(yaml.safe_dump(variables))
        return inventory

    def _machine(self) -> Given:
        directory = self.folder / "machine"
        return {
            "tracking_server_directory": str(directory),
            "tracking_server_env_owner": os.getuid(),
            "tracking_server_env_group": os.getgid(),
            "tracking_server_uid": os.getuid(),
        }

    def _environment(self) -> dict[str, str]:
        known = {name: value for name, value in os.environ.items() if not name.startswith(("GOOGLE_", "CLOUDSDK_"))}
        for name in ("home", "tmp"):
            (self.folder / name).mkdir(exist_ok=True)
        own = {"HOME": str(self.folder / "home"), "TMPDIR": str(self.folder / "tmp")}
        return known | own | {"ANSIBLE_NOCOLOR": "1", "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}


def content(path: Path) -> bytes:
    """What is in a file, if it is still there."""
    with suppress(FileNotFoundError):
        return path.read_bytes()
    return b""
