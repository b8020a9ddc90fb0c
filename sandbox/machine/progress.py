"""What a user sees while the sandbox works: finished steps with their times, and a live line for what lasts."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

_QUIET_INTERVAL = 10.0


@dataclass
class Step:
    """A step under way; `outcome` says which way was taken, `doing` what it is at."""

    title: str
    started: float = field(default_factory=time.monotonic)
    outcome: str = ""
    doing: str = ""

    @property
    def seconds(self) -> float:
        """Time since the start."""
        return time.monotonic() - self.started


class Progress:
    """Prints steps. On a terminal running steps are shown live; elsewhere a line comes every ten seconds."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False, soft_wrap=True)
        self.started = time.monotonic()
        self.outcomes: dict[str, str] = {}
        self._steps: list[Step] = []
        self._guard = threading.Lock()
        self._done = threading.Event()
        self._live = Live(get_renderable=self._render, console=self.console, transient=True, refresh_per_second=4)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self._live.start()
        else:
            threading.Thread(target=self._tick, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self.console.is_terminal:
            self._live.stop()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while the block runs."""
        step = Step(title)
        with self._guard:
            self._steps.append(step)
        try:
            yield step
        except BaseException as error:
            how = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.say(f"{step.seconds:6.1f} s  {title}: {how}")
            raise
        else:
            self.outcomes[title] = step.outcome
            self.say(f"{step.seconds:6.1f} s  {title}" + (f": {step.outcome}" if step.outcome else ""))
        finally:
            with self._guard:
                self._steps.remove(step)

    def say(self, text: str) -> None:
        """Print a line above the live part."""
        self.console.print(Text(text))
        if not self.console.is_terminal:
            sys.stdout.flush()

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.monotonic() - self.started

    def _render(self) -> Text:
        with self._guard:
            lines = [_running(step) for step in self._steps]
        return Text("\n".join(f"{'':>6}    {line}" for line in lines), style="dim")

    def _tick(self) -> None:
        while not self._done.wait(_QUIET_INTERVAL):
            with self._guard:
                lines = [_running(step) for step in self._steps if step.seconds >= _QUIET_INTERVAL / 2]
            if lines:
                self.say(f"{'...':>8}  " + "; ".join(lines))


def _running(step: Step) -> str:
    return f"{step.title}{': ' + step.doing if step.doing else ''} ({step.seconds:.0f} s)"
