"""Runs the project's tests: every stage side by side where two cores profit, each with its time, and an honest sum.

`make test` runs all of them, `make lint` and `make test STAGES="unit house"` some, `make test-long` those that take too
long for every day. A stage's output goes to build/test/<stage>.log, the end of a failed one to the screen, and what
failed comes once more at the very end. A stage that cannot run has failed.
"""

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from scripts import coverage_report

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / "build" / "test"
BIN = Path(sys.executable).parent
WORKERS = 2
TAIL = 60
LAST_WORDS = 12
LINE = 600
# Of pytest, of Ansible and of Molecule.
FAILURE = re.compile(r"(FAILED|ERROR) \S+::|fatal: |\[ERROR\]: |CRITICAL ")


@dataclass(frozen=True)
class Stage:
    """One command; `junit` says that it writes its pytest results to build/test/<name>.xml."""

    name: str
    group: str
    command: tuple[str, ...]
    junit: bool = False

    @property
    def log(self) -> Path:
        return LOGS / f"{self.name}.log"

    @property
    def results(self) -> Path:
        return LOGS / f"{self.name}.xml"


@dataclass(frozen=True)
class Outcome:
    """What came of a stage: tests counted from its junit file, else the stage itself as one."""

    stage: Stage
    returncode: int
    seconds: float
    passed: int
    failed: int
    skipped: int

    @property
    def ok(self) -> bool:
        return self.failed == 0


def pytest_stage(name: str, folder: str, *more: str) -> Stage:
    options = ("-q", "-p", "no:cacheprovider", "--durations=5", f"--junit-xml=build/test/{name}.xml")
    return Stage(name, name, ("pytest", *options, folder, *more), junit=True)


def measured(stage: Stage) -> Stage:
    """The same stage, which leaves its branch coverage for scripts/coverage_report.py."""
    data = f"COVERAGE_FILE=build/test/{stage.name}.coverage"
    return replace(stage, command=("env", data, *stage.command, "--cov", "--cov-report="))


def molecule_stage(scenario: str) -> Stage:
    command = ("molecule", "test", "--scenario-name", scenario, "--no-command-borders")
    return Stage(f"molecule-{scenario}", "molecule", command, junit=True)


# The short ones first (a typo shows at once), then the longest first, so that the two lanes end together.
STAGES = (
    Stage("ruff", "lint", ("ruff", "check", ".")),
    Stage("format", "lint", ("ruff", "format", "--check", ".")),
    Stage("yamllint", "lint", ("yamllint", "--strict", ".")),
    molecule_stage("default"),
    measured(pytest_stage("contract", "tests/contract")),
    pytest_stage("sandbox", "sandbox/tests"),
    molecule_stage("drift"),
    pytest_stage("faults", "tests/faults"),
    molecule_stage("secrets"),
    molecule_stage("lifecycle"),
    molecule_stage("iam_login"),
    molecule_stage("keys"),
    molecule_stage("bare_machine"),
    pytest_stage("bootstrap", "tests/bootstrap"),
    Stage("sanity", "sanity", ("python", "scripts/sanity.py")),
    Stage("mypy", "lint", ("mypy", "plugins", "sandbox", "tests", "scripts", "molecule", "roles")),
    Stage("ansible-lint", "lint", ("ansible-lint", "--strict", "--offline")),
    Stage("changelog", "lint", ("antsibull-changelog", "lint")),
    measured(pytest_stage("unit", "tests/unit")),
    pytest_stage("house", "tests/house"),
)
# Every case of what `make test` runs a fixed part of.
TWO_OPERATORS = "tests/faults/plays/test_two_operators.py"
FAULT_STAGES = (
    pytest_stage("all-plays", "tests/faults/plays", "--all-cases", f"--ignore={TWO_OPERATORS}"),
    pytest_stage("all-faults", "tests/faults", "--all-cases", "--ignore=tests/faults/plays"),
    pytest_stage("two-operators", TWO_OPERATORS, "--all-cases"),
)
LONG_STAGES = (*(replace(stage, group="faults") for stage in FAULT_STAGES), molecule_stage("drift_alone"))
FIGURES = ("[load] ", "[faults] ", "[no-op] ", "[bad input] ", "[drift] ", "[coverage] ", "[health] ")


def environment() -> dict[str, str]:
    """The tools of this virtual environment first, and logs without colours, wide enough for a failure's reason."""
    return os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "300"}


def count(stage: Stage, returncode: int) -> tuple[int, int, int]:
    """Passed, failed and skipped tests; a command without results, or one that fails beside them, counts as one."""
    tests = failed = skipped = 0
    if stage.junit and stage.results.exists():
        for suite in re.findall(r"<testsuite [^>]*>", stage.results.read_text()):
            number = {name: int(value) for name, value in re.findall(r' (\w+)="(\d+)"', suite)}
            tests += number["tests"]
            failed += number["failures"] + number["errors"]
            skipped += number["skipped"]
    if returncode != 0 and failed == 0:
        return max(tests - skipped, 0), 1, skipped
    if tests == 0:
        return (0, 1, 0) if stage.junit else (1, 0, 0)
    return tests - failed - skipped, failed, skipped


def failures(outcome: Outcome) -> list[str]:
    """Whatever a failed stage's log calls a failure, such as a test or a task; else its last words."""
    lines = [line for line in outcome.stage.log.read_text(errors="replace").splitlines() if line.strip()]
    named = [line for line in lines if FAILURE.match(line)]
    return [_shortened(" ".join(line.split())) for line in (named or lines)[-LAST_WORDS:]]


def _shortened(line: str) -> str:
    return line if len(line) <= LINE else f"{line[: LINE // 2]} […] {line[-LINE // 2 :]}"


def skips(lines: list[str]) -> list[str]:
    """What pytest skipped, with its reasons: nothing is left out in silence."""
    return [line for line in lines if line.startswith("SKIPPED [")]


def figures(lines: list[str]) -> list[str]:
    """What tests measured and print as such."""
    return [line for line in lines if line.startswith(FIGURES)]


class Runner:
    """Runs stages two at a time and knows which are under way (for the live line and for stopping)."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.lock = threading.Lock()
        self.reporting = threading.Lock()
        self.stopped = False
        self.running: dict[str, tuple[float, subprocess.Popen[bytes]]] = {}

    def run(self, stage: Stage) -> Outcome:
        started = time.monotonic()
        stage.results.unlink(missing_ok=True)
        with stage.log.open("wb") as log:
            returncode = self.wait(stage, log.fileno(), started)
        passed, failed, skipped = count(stage, returncode)
        outcome = Outcome(stage, returncode, time.monotonic() - started, passed, failed, skipped)
        self.report(outcome)
        return outcome

    def wait(self, stage: Stage, log: int, started: float) -> int:
        with self.lock:
            if self.stopped:
                return -signal.SIGINT
            try:
                process = subprocess.Popen(
                    stage.command,
                    cwd=ROOT,
                    env=environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                os.write(log, f"{stage.command[0]}: {error.strerror}\n".encode())
                return 127
            self.running[stage.name] = (started, process)
        returncode = process.wait()
        with self.lock:
            del self.running[stage.name]
        return returncode

    def report(self, outcome: Outcome) -> None:
        if self.stopped:
            return
        colour, word = ("green", "ok    ") if outcome.ok else ("red", "FAILED")
        line = f"{word} {outcome.stage.name:<13} {outcome.seconds:6.1f} s"
        with self.reporting:
            self.console.print(Text(line, style=colour))
            lines = outcome.stage.log.read_text(errors="replace").splitlines()
            for skip in skips(lines):
                self.console.print(Text(f"    {skip}", style="yellow"))
            for figure in figures(lines):
                self.console.print(Text(f"    {figure}"))
            if outcome.ok:
                return
            self.console.print(Text("\n".join(f"    {line}" for line in lines[-TAIL:])))
            self.console.print(f"    (all of it: {outcome.stage.log.relative_to(ROOT)})")

    def line(self) -> Text:
        with self.lock:
            parts = [f"{name} {time.monotonic() - started:.0f} s" for name, (started, _) in self.running.items()]
        return Text("  ".join(["running:", *parts]) if parts else "")

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            processes = [process for _, process in self.running.values()]
        for chosen in (signal.SIGTERM, signal.SIGKILL):
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, chosen)
            deadline = time.monotonic() + 10
            while any(process.poll() is None for process in processes) and time.monotonic() < deadline:
                time.sleep(0.1)


class LiveLine:
    """Asked anew at each refresh: what runs, and since when."""

    def __init__(self, runner: Runner) -> None:
        self.runner = runner

    def __rich__(self) -> Text:
        return self.runner.line()


def run_all(stages: Iterable[Stage], console: Console) -> list[Outcome]:
    runner = Runner(console)
    live = Live(LiveLine(runner), console=console, refresh_per_second=2, transient=True)
    with ThreadPoolExecutor(WORKERS) as pool, live if console.is_terminal else contextlib.nullcontext():
        try:
            return list(pool.map(runner.run, stages))
        except KeyboardInterrupt:
            runner.stop()
            raise


def summary(outcomes: list[Outcome], seconds: float) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("stage", "passed", "failed", "skipped", "seconds"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for outcome in outcomes:
        numbers = [outcome.passed, outcome.failed, outcome.skipped]
        name = outcome.stage.name
        table.add_row(name, *map(str, numbers), f"{outcome.seconds:.1f}", style="" if outcome.ok else "red")
    totals = [sum(values) for values in zip(*((o.passed, o.failed, o.skipped) for o in outcomes), strict=True)]
    table.add_section()
    table.add_row("all", *map(str, totals), f"{seconds:.1f}", style="bold")
    return table


def report(outcomes: list[Outcome], seconds: float, console: Console) -> None:
    """The end of the output: a part of it that is shown alone still says what failed."""
    console.print()
    console.print(summary(outcomes, seconds))
    console.print()
    if {outcome.stage.name for outcome in outcomes} >= {data.stem for data in coverage_report.DATA}:
        console.print("\n".join(coverage_report.lines(coverage_report.DATA)), markup=False)
    for outcome in outcomes:
        for line in [] if outcome.ok else failures(outcome):
            console.print(Text(f"{outcome.stage.name}: {line}", style="red"))
    console.print(f"{sum(o.passed for o in outcomes)} passed, {sum(o.failed for o in outcomes)} failed")


def chosen(names: list[str], stages: tuple[Stage, ...] = STAGES) -> list[Stage]:
    known = {stage.name for stage in stages} | {stage.group for stage in stages}
    if unknown := sorted(set(names) - known):
        sys.exit(f"no stage named {', '.join(unknown)}: choose from {', '.join(sorted(known))}")
    return [stage for stage in stages if not names or {stage.name, stage.group} & set(names)]


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the project's tests.")
    parser.add_argument("stages", nargs="*", help="stages or groups (none: all of them)")
    parser.add_argument("--long", action="store_true", help="the stages that take too long for every day")
    arguments = parser.parse_args()
    stages = chosen(arguments.stages, LONG_STAGES if arguments.long else STAGES)
    LOGS.mkdir(parents=True, exist_ok=True)
    console = Console(highlight=False, soft_wrap=True)
    started = time.monotonic()
    for stopping in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stopping, signal.default_int_handler)
    try:
        outcomes = run_all(stages, console)
    except KeyboardInterrupt:
        console.print("stopped")
        return 130
    report(outcomes, time.monotonic() - started, console)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
