"""A machine that can be broken, looked at and compared, and playbook runs read task by task."""

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import requests as http
from testinfra.host import Host

# What was broken, which layers mlflow-health called broken, what healed it and how long that took: printed at the end.
TABLE: list[tuple[str, str, str, str]] = [("broken", "mlflow-health names", "healed by", "seconds")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table; `make test` shows lines that begin so."""
    widths = [max(len(row[column]) for row in TABLE) for column in range(len(TABLE[0]))]
    for row in TABLE:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line(f"[health] {line.rstrip()}")


@dataclass(frozen=True)
class Look:
    """What mlflow-health said, and with which exit code."""

    returncode: int
    document: dict[str, Any]

    @property
    def broken(self) -> list[str]:
        layers: list[str] = self.document["broken"]
        return layers

    def of(self, layer: str) -> dict[str, Any]:
        """The finding about a layer."""
        return next(one for one in self.document["layers"] if one["layer"] == layer)

    @property
    def named(self) -> str:
        """The broken layers as people read them."""
        return ", ".join(one["title"] for one in self.document["layers"] if one["status"] == "broken") or "well"


@dataclass(frozen=True)
class Run:
    """A playbook run: its exit code and output, on one line."""

    returncode: int
    output: str

    @property
    def changed(self) -> set[str]:
        """Names of the tasks, without their roles, that reported a change."""
        tasks = re.split(r"TASK \[", self.output.partition("PLAY RECAP")[0])[1:]
        return {re.sub(r"^\S+ : ", "", task.partition("]")[0]) for task in tasks if " changed: [" in task}

    @property
    def counts(self) -> dict[str, int]:
        """Of each host, how many tasks changed something."""
        return {name: int(count) for name, count in re.findall(r"(\S+) : ok=\d+ changed=(\d+)", self.output)}


BUT_THE_RUN = [
    *("client", "machine", "api", "proxy", "login", "schema"),
    *("bucket-write", "bucket-read", "bucket-delete"),
]


class Stage:
    """The machine and the cloud, as somebody meets them who breaks them and as site.yml does."""

    COMPOSE = "docker compose --file /opt/mlflow/compose.yml"

    def __init__(self, host: Host, operator: Any, card: dict[str, Any]) -> None:
        self.host = host
        self.operator = operator
        self.management = card["management_url"]
        self.named: dict[str, str] = {}

    def plays(self, playbook: str, *options: str) -> Run:
        return Run(*self.operator.plays(playbook, *options))

    def heals(self, *broken: str, options: tuple[str, ...] = ()) -> Run:
        """site.yml, which ends with verify.yml's own checks; run again, it finds nothing to change."""
        since = time.monotonic()
        healed = self.plays("site.yml", *options)
        assert healed.returncode == 0, healed.output
        for what in broken:
            self.healed(what, " ".join(["site.yml", *options[1:]]), time.monotonic() - since)
        again = self.plays("site.yml")
        assert again.returncode == 0, again.output
        assert again.counts == {"localhost": 0, "mlflow-vm": 0}, again.changed
        return healed

    def looks(self, *options: str) -> Look:
        """mlflow-health on the machine; without options it leaves out the run, which verify.yml logs often enough."""
        layers = [word for layer in BUT_THE_RUN for word in ("--layer", layer)]
        done = self.host.run("mlflow-health --json " + " ".join(options or layers))
        assert done.stdout, done.stderr
        return Look(done.rc, json.loads(done.stdout))

    def is_broken(self, what: str, *layers: str) -> Look:
        """A look that names these layers, and no other."""
        look = self.looks()
        assert (look.returncode, look.broken) == (1, list(layers)), look.document
        assert all(look.of(layer)["evidence"] and look.of(layer)["fix"] for layer in layers)
        self.named[what] = look.named
        return look

    def healed(self, what: str, by: str, seconds: float) -> None:
        """A row of the table."""
        TABLE.append((what, self.named[what], by, f"{seconds:.1f}"))

    def heals_itself(self, what: str, cause: str, seconds: float = 120) -> None:
        """Nobody does anything but end the cause, and all is well after a while."""
        since = time.monotonic()
        while (look := self.looks()).returncode != 0:
            assert time.monotonic() < since + seconds, look.document
        self.healed(what, f"itself, {cause}", time.monotonic() - since)

    def as_database_user(self, statement: str) -> None:
        """SQL as the user that MLflow logs in as."""
        program = f"import connection as c; s = c.connect(); s.autocommit = True; s.cursor().execute({statement!r})"
        command = f"{self.COMPOSE} run --rm --no-TTY --no-deps check -c {shlex.quote(program)}"
        self.host.check_output(command)

    def database_users(self) -> list[str]:
        """All users that Cloud SQL lists."""
        returncode, output = self.operator.run(
            "ansible", "localhost", "-m", "mlflow_ops.gcp.sql_instance_info", "-a", "name=mlflow-metadata"
        )
        assert returncode == 0, output
        listed = output.partition("users:")[2]
        return re.findall(r"^\s*-?\s*name: (\S+)", listed, re.MULTILINE)

    def content(self) -> str:
        """A fingerprint of what a deployment writes: files with owners and times, packages, containers and images."""
        seen: str = self.host.check_output(
            "{ find /etc /opt /usr/bin /usr/local/bin /usr/lib/systemd -not -type d -printf '%p %m %u %s %T@\\n'"
            " | sort; dpkg-query --show; docker ps --all --quiet; docker image ls --quiet; } 2>/dev/null | sha256sum"
        )
        return seen

    def waits_for_ssh(self) -> None:
        """A machine that boots refuses connections for a while."""
        deadline = time.monotonic() + 60
        while True:
            try:
                self.host.check_output("true")
                return
            except RuntimeError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def waits_for(self, answers: Callable[[], bool]) -> None:
        """A server that starts refuses connections for a while."""
        deadline = time.monotonic() + 60
        while True:
            with suppress(http.RequestException):
                if answers():
                    return
            assert time.monotonic() < deadline
            time.sleep(0.5)

    def writes(self) -> int:
        """How many requests that change something the cloud has got."""
        recorded: list[dict[str, Any]] = http.get(f"{self.management}/requests", timeout=10).json()
        return sum(request["mutating"] for request in recorded)

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


@pytest.fixture(scope="session")
def stage(host: Host, operator: Any, card: dict[str, Any]) -> Stage:
    return Stage(host, operator, card)
