"""Tamper, check, repair, look again; and the table of what came of it, in lines that begin with `[drift] `."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.drift.stage import Run, Stage
from tests.drift.tamperings import Tampering
from tests.drift.world import World

PREFIX = "[drift] "
FAIL = ("--extra-vars", "fail_on_drift=true")
LEAVE = ("--extra-vars", "backend_store_allow_restart=true")
SETTLES = 60
Play = Callable[..., Run]


@dataclass(frozen=True)
class Row:
    """What came of one tampering, and how long its repair took (with all that were repaired by the same run)."""

    name: str
    repaired: str
    seconds: float


def table(rows: Sequence[Row]) -> list[str]:
    """For the end of the tests; empty without rows."""
    cells = [("tampering", "reported", "repaired", "seconds")] if rows else []
    cells += [(row.name, "by name", row.repaired, f"{row.seconds:.0f}") for row in rows]
    return [f"{PREFIX}{a:<39} {b:<9} {c:<26} {d:>7}" for a, b, c, d in cells]


class Rounds:
    """Rounds of tampering on one stage; site.yml is played with the scenario's settings."""

    def __init__(self, stage: Stage, world: World, settings: str) -> None:
        self.stage = stage
        self.world = world
        self.settings = ("--extra-vars", f"@{settings}")
        self.rows: list[Row] = []

    def plays(self, *options: str) -> Run:
        return self.stage.plays("site.yml", *self.settings, *options)

    def runs(self, tamperings: Sequence[Tampering]) -> None:
        """One round: all of these at once."""
        before = self.world.state()
        for tampering in tamperings:
            tampering.happens(self.world, self.stage)
        tampered = self.world.state()
        if any(tampering.is_seen for tampering in tamperings):
            assert tampered != before, "nothing was tampered with"
        self._checks(tamperings, tampered)
        seconds = self._repairs(tamperings, before, tampered)
        self.finds_nothing()
        self.rows += [Row(one.name, _repaired(one), seconds) for one in tamperings]

    def _checks(self, tamperings: Sequence[Tampering], tampered: dict[str, Any]) -> None:
        """A check names everything and writes nothing, anywhere."""
        content, writes = self.stage.content(), self.stage.writes()
        check = self.plays("--check", "--diff", *FAIL)
        unsaid = [(one.name, words) for one in tamperings for words in one.says if words not in check.output]
        assert not unsaid, f"{unsaid} not in {check.output}"
        left = any(one.needs_leave for one in tamperings)
        assert check.returncode == 2, check.output
        assert ("Fail for what was left" if left else "differences, which are named above") in check.output
        assert self.stage.writes() == writes
        assert (self.stage.content(), self.world.state()) == (content, tampered)

    def _repairs(self, tamperings: Sequence[Tampering], before: dict[str, Any], tampered: dict[str, Any]) -> float:
        """What needs leave is left without it, and nothing else is; how long it took."""
        adopted = {part: tampered[part] for one in tamperings for part in one.adopts}
        moved = frozenset[str]().union(*(one.moves for one in tamperings)) - adopted.keys()
        waiting = [one for one in tamperings if one.needs_leave]
        run = self.plays()
        seconds = run.seconds
        if waiting:
            assert run.returncode != 0, run.output
            assert "sql_instance mlflow-metadata: refused: " in run.output
            assert "(option allow_restart)" in run.output
            self.becomes(before | adopted, moved | {"instance"})
            run = self.plays(*LEAVE)
            seconds += run.seconds
        assert run.returncode == 0, run.output
        self.becomes(before | adopted, moved)
        if "secret" in moved:
            assert self.world.state()["secret"] == {"version": before["secret"]["version"] + 1, "state": "ENABLED"}
        return seconds

    def becomes(self, wanted: dict[str, Any], but_for: frozenset[str] = frozenset()) -> None:
        """The whole world is as wanted, but for parts that have changed for good."""
        deadline = time.monotonic() + SETTLES
        while differing := _differing(wanted, found := self.world.state()) - but_for:
            # A container that Docker has just started itself is not healthy yet.
            unlike = {part: (wanted.get(part), found.get(part)) for part in sorted(differing)}
            assert time.monotonic() < deadline, unlike
            time.sleep(1)

    def finds_nothing(self) -> None:
        """Run again, site.yml changes nothing and writes nothing."""
        self.stage.finds_nothing(*self.settings)


def _differing(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {part for part in one.keys() | other.keys() if one.get(part) != other.get(part)}


def _repaired(tampering: Tampering) -> str:
    if tampering.adopts:
        return "adopted"
    return "with leave to restart" if tampering.needs_leave else "yes"
