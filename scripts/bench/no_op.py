"""A run that finds nothing to change: ours, today's tools and an empty playbook, taking turns over the same network."""

import shutil
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from scripts.bench.project import PLAYBOOKS, PROVISION, BenchError, Project, Run

OURS, THEIRS, EMPTY = "mlflow_ops.gcp", "google.cloud and gcloud", "an empty playbook"
TOKENS = "token"


@dataclass(frozen=True)
class Contender:
    """A playbook and its runs at one delay."""

    name: str
    delay: float
    runs: list[Run]

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(run.seconds for run in self.runs)

    @property
    def spread(self) -> tuple[float, float]:
        """The shortest and the longest."""
        return min(run.seconds for run in self.runs), max(run.seconds for run in self.runs)

    @property
    def processor_seconds(self) -> float:
        """The median of what the processors worked."""
        return statistics.median(run.processor_seconds for run in self.runs)

    @property
    def requests(self) -> Counter[str]:
        """Requests of a run for each API."""
        return self.runs[0].by_api()


def can_compare() -> bool:
    """Whether today's tools are here."""
    return shutil.which("gcloud") is not None


def measure(project: Project, delay: float, rounds: int, say: Callable[[str], None]) -> list[Contender]:
    """Every contender once a round, each time another one first. Ours must ask once, and write nothing."""
    playbooks = {EMPTY: PLAYBOOKS / "empty.yml", OURS: PROVISION}
    if can_compare():
        playbooks[THEIRS] = PLAYBOOKS / "todays_tools.yml"
    found = [Contender(name, delay, []) for name in playbooks]
    with project.delayed(delay):
        for number in range(rounds):
            say(f"no-op, requests take {delay * 1000:.0f} ms more: round {number + 1} of {rounds}")
            for contender in found[number % len(found) :] + found[: number % len(found)]:
                contender.runs.append(project.play(playbooks[contender.name]))
    for contender in found:
        check(contender)
    return found


def check(contender: Contender) -> None:
    """No writes by anybody; of ours one token, and each object asked for once."""
    for run in contender.runs:
        if run.writes:
            raise BenchError(f"{contender.name} wrote: {', '.join(run.writes)}")
        if contender.name != OURS:
            continue
        twice = [f"{method} {path}" for (method, path, _), times in Counter(run.asked).items() if times > 1]
        if twice:
            raise BenchError(f"{contender.name} asked twice: {', '.join(twice)}")
        if run.by_api()[TOKENS] != 1:
            raise BenchError(f"{contender.name} asked for {run.by_api()[TOKENS]} tokens")
