"""`down` shares the Docker engine with those of other sandboxes, the last of which stops it."""

from pathlib import Path

import pytest

from sandbox.machine import engine, files
from sandbox.machine.down import down
from sandbox.machine.identity import Sandbox
from sandbox.machine.progress import Progress


def test_nobody_stops_the_engine_while_it_is_worked_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Sandbox("default", tmp_path / "checkout", tmp_path / "state", tmp_path / "cache")
    others_could_stop_it = []

    def connect() -> None:
        with files.lock(tmp_path / "cache" / "locks" / "engine-in-use.lock", wait=False) as idle:
            others_could_stop_it.append(idle)

    monkeypatch.setattr(engine, "connect", connect)
    with Progress() as progress:
        down(place, progress)
    assert others_could_stop_it
    assert not any(others_could_stop_it)
