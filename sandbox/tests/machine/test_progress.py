"""What a user sees of steps, off a terminal."""

import io

import pytest
from rich.console import Console

from sandbox.machine import progress
from sandbox.machine.progress import Progress


@pytest.fixture
def screen() -> io.StringIO:
    return io.StringIO()


def shown(screen: io.StringIO) -> Progress:
    return Progress(Console(file=screen, soft_wrap=True, highlight=False))


def test_a_step_ends_with_its_time_and_outcome(screen: io.StringIO) -> None:
    with shown(screen) as progress, progress.step("Image [debian]") as step:
        step.outcome = "built"
    assert screen.getvalue() == "   0.0 s  Image [debian]: built\n"


def test_a_failed_step_says_so(screen: io.StringIO) -> None:
    with shown(screen) as progress, pytest.raises(ValueError, match="x"), progress.step("Push"):
        raise ValueError("x")
    assert screen.getvalue() == "   0.0 s  Push: failed\n"


def test_a_step_that_lasts_is_seen(screen: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_QUIET_INTERVAL", 0.05)
    with shown(screen) as steps, steps.step("Image mlflow") as step:
        step.doing = "installing"
        steps._done.wait(0.2)
    assert "Image mlflow: installing (0 s)" in screen.getvalue()
