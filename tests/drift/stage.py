"""A machine that can be broken, looked at and compared, and playbook runs read task by task."""

import re
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests as http
from testinfra.host import Host

COMPOSE = "docker compose --file /opt/mlflow/compose.yml"


@dataclass(frozen=True)
class Run:
    """A playbook run: its exit code, its output on one line, and how long it took."""

    returncode: int
    output: str
    seconds: float

    @property
    def changed(self) -> set[str]:
        """Names of the tasks, without their roles, that reported a change."""
        tasks = re.split(r"TASK \[", self.output.partition("PLAY RECAP")[0])[1:]
        return {re.sub(r"^\S+ : ", "", task.partition("]")[0]) for task in tasks if " changed: [" in task}

    @property
    def counts(self) -> dict[str, int]:
        """Of each host, how many tasks changed something."""
        return {name: int(count) for name, count in re.findall(r"(\S+) : ok=\d+ changed=(\d+)", self.output)}


class Stage:
    """The machine and the cloud, as somebody meets them who breaks them and as site.yml does."""

    def __init__(self, host: Host, operator: Any, card: dict[str, Any]) -> None:
        self.host = host
        self.operator = operator
        self.card = card

    def plays(self, playbook: str, *options: str) -> Run:
        started = time.monotonic()
        returncode, output = self.operator.plays(playbook, *options)
        return Run(returncode, output, time.monotonic() - started)

    def as_database_user(self, statement: str) -> None:
        """SQL as the user that MLflow logs in as."""
        program = f"import connection as c; s = c.connect(); s.autocommit = True; s.cursor().execute({statement!r})"
        self.host.check_output(f"{COMPOSE} run --rm --no-TTY --no-deps check -c {shlex.quote(program)}")

    def content(self) -> str:
        """A fingerprint of what a deployment writes: files with owners and times, packages, containers and images."""
        seen: str = self.host.check_output(
            "{ find /etc /opt /usr/bin /usr/local/bin /usr/lib/systemd -not -type d -printf '%p %m %u %s %T@\\n' |"
            " sort; dpkg-query --show; docker ps --all --quiet; docker image ls --quiet; } 2>/dev/null | sha256sum"
        )
        return seen

    def writes(self) -> list[str]:
        """The requests that change something, of all that the cloud has got."""
        recorded = http.get(f"{self.card['management_url']}/requests", timeout=30).json()
        return [f"{request['method']} {request['path']}" for request in recorded if request["mutating"]]

    def finds_nothing(self, *options: str) -> None:
        """One more site.yml, which changes nothing and writes nothing."""
        before = self.writes()
        again = self.plays("site.yml", "--diff", *options)
        assert again.returncode == 0, again.output
        assert again.counts == {"localhost": 0, "mlflow-vm": 0}, again.changed
        assert self.writes() == before

    def refuses(self, *options: str, playbook: str = "site.yml") -> str:
        """A run that fails and writes nothing, neither on the machine nor in the cloud; returns its output."""
        before = self.content(), self.writes()
        run = self.plays(playbook, *options)
        assert run.returncode != 0, run.output
        assert (self.content(), self.writes()) == before
        assert not run.changed
        return run.output

    @contextmanager
    def changed(self, how: str, back: str) -> Iterator[None]:
        """The machine after one command, until another has made it as it was."""
        self.host.check_output(how)
        try:
            yield
        finally:
            self.host.check_output(back)
