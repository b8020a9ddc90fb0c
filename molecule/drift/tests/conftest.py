"""Looks at a machine that something was broken on: which layer mlflow-health names, and what heals it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import requests as http

from tests.drift.rounds import Rounds

BUT_THE_RUN = [
    *("client", "machine", "api", "proxy", "login", "schema"),
    *("bucket-write", "bucket-read", "bucket-delete"),
]
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


class Patient:
    """A deployment that something is broken on, until it is healed."""

    def __init__(self, rounds: Rounds) -> None:
        self.rounds = rounds
        self.host = rounds.stage.host
        self._named: dict[str, str] = {}

    def looks(self) -> Look:
        """mlflow-health on the machine, without the run, which verify.yml logs often enough."""
        layers = [word for layer in BUT_THE_RUN for word in ("--layer", layer)]
        done = self.host.run(" ".join(["mlflow-health", "--json", *layers]))
        assert done.stdout, done.stderr
        return Look(done.rc, json.loads(done.stdout))

    def is_broken(self, what: str, *layers: str) -> Look:
        """A look that names these layers, and no other."""
        look = self.looks()
        assert (look.returncode, look.broken) == (1, list(layers)), look.document
        assert all(look.of(layer)["evidence"] and look.of(layer)["fix"] for layer in layers)
        self._named[what] = look.named
        return look

    def is_heard(self, what: str, when: str) -> None:
        """A look that names whatever it finds: how much that is depends on how fast the machine is."""
        self._named[what] = f"{self.looks().named} ({when})"

    def is_healed_by_site_yml(self, *broken: str, options: tuple[str, ...] = ()) -> set[str]:
        """It ends with verify.yml's own checks; the tasks that changed."""
        healed = self.rounds.plays(*options)
        assert healed.returncode == 0, healed.output
        for what in broken:
            self._is_healed(what, " ".join(["site.yml", *options[1:]]), healed.seconds)
        return healed.changed

    def heals_itself(self, what: str, cause: str, seconds: float = 120) -> None:
        """Nobody does anything but end the cause, and all is well after a while."""
        since = time.monotonic()
        while (look := self.looks()).returncode != 0:
            assert time.monotonic() < since + seconds, look.document
        self._is_healed(what, f"itself, {cause}", time.monotonic() - since)

    def _is_healed(self, what: str, by: str, seconds: float) -> None:
        TABLE.append((what, self._named[what], by, f"{seconds:.1f}"))

    def waits_for(self, answers: Callable[[], bool]) -> None:
        """What begins, such as a machine or a server, refuses connections for a while."""
        deadline = time.monotonic() + 120
        while True:
            with suppress(http.RequestException):
                if answers():
                    return
            assert time.monotonic() < deadline
            time.sleep(0.5)


@pytest.fixture(scope="session")
def patient(rounds: Rounds) -> Patient:
    return Patient(rounds)


@pytest.fixture
def another(rounds: Rounds) -> Iterator[set[str]]:
    """Whatever is broken: afterwards the whole world is what it was, but for the parts that the test puts in here."""
    before = rounds.world.state()
    parts: set[str] = set()
    yield parts
    rounds.becomes(before, frozenset(parts))
