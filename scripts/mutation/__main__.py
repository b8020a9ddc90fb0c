"""`python -m scripts.mutation`: 50 flips, each in a copy; the unit tests first, then the contract tests.

A flip counts as caught if a test fails (or never ends). Run are the tests that reach the flipped line, by coverage's
record of an unflipped run; where none does in its own process: all unit tests, and of the contract tests those that run
playbooks and name the file. Exit code 1 below nine of ten. Some 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import queue
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scripts.mutation.flips import Flip, chosen, flips
from scripts.mutation.trees import ROOT, Covered, copy, covered, pytest

FOLDERS = ("action", "filter", "module_utils", "modules", "plugin_utils")
ENOUGH = 0.9
WORKERS = 2
# Contract tests that run modules in their own process; most of the others run playbooks.
CONTRACT = ROOT / "tests" / "contract"
IN_PROCESS = (
    *(
        f"tests/contract/{path.name}"
        for path in sorted(CONTRACT.glob("test_*.py"))
        if "playbook" not in path.read_text()
    ),
    "tests/contract/test_checklist.py",
)
# Checks of the checklist that run playbooks: without a record, and long.
NOT_RECORDED = ("--deselect", "tests/contract/test_checklist.py::test_15_no_secret_is_printed")
PLAYBOOKS = "tests/contract/test_playbook.py"
SURVIVED = "SURVIVED"
EVERYTHING: dict[str, Sequence[str]] = {"unit": ("tests/unit",), "contract": (*NOT_RECORDED, *IN_PROCESS)}
_MOST_BROKEN = 20
_SECONDS = {"unit": 300.0, "contract": 600.0}
_RECORD_SECONDS = 1500.0
_MOST_NAMES = 400


@dataclass(frozen=True)
class Verdict:
    """What became of a flip: who noticed, if anybody."""

    flip: Flip
    stage: str
    test: str
    seconds: float

    def line(self) -> str:
        """One line of the table."""
        what = f"{self.flip.old} -> {self.flip.new}"
        where = f"{self.flip.path}:{self.flip.line}"
        return (
            f"{self.stage:<9} {self.seconds:5.0f} s  {where:<52} {self.flip.kind:<16} {what[:60]:<60} {self.test[:70]}"
        )


def candidates() -> dict[Path, list[Flip]]:
    """What can be flipped, by file."""
    files = sorted(path for folder in FOLDERS for path in (ROOT / "plugins" / folder).glob("*.py"))
    found = {path.relative_to(ROOT): flips(path.relative_to(ROOT), path.read_text()) for path in files}
    return {path: some for path, some in found.items() if some}


class Trees:
    """The copies; whoever works in one has it alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # What fails without any flip tells nothing about one.
        self._broken: list[str] = []
        self._free: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for number in range(WORKERS):
            self._free.put(copy(folder / f"tree{number}"))

    def record(self, tests: Sequence[str]) -> Covered:
        """Which tests reach which lines, of those that pass as they are."""
        tree = self._free.get()
        data = Path(tempfile.mkdtemp(dir=self._folder)) / "data"
        options = ["--cov=plugins", "--cov-branch", "--cov-context=test", "--cov-report=", *tests]
        run = pytest(tree, options, _RECORD_SECONDS, COVERAGE_FILE=str(data))
        self._free.put(tree)
        for name in run.failed:
            print(f"[mutations] left out, it fails without any flip: {name}", flush=True)
            self._broken += ["--deselect", name]
        if run.code not in (0, 1) or len(run.failed) > _MOST_BROKEN:
            sys.exit(f"the tests do not run: {run.output[-3000:]}")
        return {line: [test for test in tests if test not in run.failed] for line, tests in covered(data, tree).items()}

    def judge(self, flip: Flip, stage: str, tests: Sequence[str]) -> Verdict:
        """Apply the flip to a copy, run what could notice, and take it back."""
        tree, started = self._free.get(), time.monotonic()
        path = tree / flip.path
        source = path.read_text()
        try:
            path.write_text(flip.applied(source))
            run = pytest(tree, ["-x", *self._broken, *tests], _SECONDS[stage])
            if run.unnamed:
                run = pytest(tree, ["-x", *self._broken, *EVERYTHING[stage]], _SECONDS[stage])
        finally:
            path.write_text(source)
            self._free.put(tree)
        return Verdict(flip, stage if run.noticed else SURVIVED, run.test, time.monotonic() - started)


def selected(flip: Flip, reached: Covered, stage: str) -> Sequence[str]:
    """The tests that reach the flipped line; all of them where there are none (or too many to name)."""
    names = reached.get((str(flip.path), flip.line), [])
    return names if 0 < len(names) < _MOST_NAMES else EVERYTHING[stage]


def by_contract(flip: Flip, reached: Covered) -> Sequence[str]:
    """As `selected`; what no contract test reaches in its own process, playbooks may."""
    if (str(flip.path), flip.line) in reached:
        return selected(flip, reached, "contract")
    return [PLAYBOOKS, *naming(flip.path.stem)]


def naming(stem: str) -> list[str]:
    """Contract tests that name a plugin."""
    files = sorted(CONTRACT.glob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if stem in path.read_text() and PLAYBOOKS not in str(path)]


def main() -> int:
    """Flip, run, and print."""
    parser = argparse.ArgumentParser(prog="python -m scripts.mutation", description=__doc__)
    parser.add_argument("--count", type=int, default=50, help="how many flips (50)")
    parser.add_argument("--seed", default="mlflow_ops.gcp", help="another choice of flips")
    parser.add_argument("--list", action="store_true", help="print the flips and do nothing")
    parser.add_argument("--file", default="", help="flip only files whose path holds this")
    given = parser.parse_args()
    possible = {path: some for path, some in candidates().items() if given.file in str(path)}
    picked = chosen(possible, given.count, given.seed)
    print(f"{len(picked)} of {sum(map(len, possible.values()))} possible flips in {len(possible)} files", flush=True)
    if given.list:
        print("\n".join(Verdict(flip, "", "", 0).line() for flip in picked))
        return 0
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        verdicts = list(judged(Trees(Path(folder)), picked))
    survived = [verdict for verdict in verdicts if verdict.stage == SURVIVED]
    caught = Counter(verdict.stage for verdict in verdicts)
    print(
        f"[mutations] {len(verdicts) - len(survived)} of {len(verdicts)} flips were caught ({caught['unit']} by unit "
        f"tests, {caught['contract']} by contract tests alone) in {(time.monotonic() - started) / 60:.0f} min"
    )
    for verdict in survived:
        print(
            f"[mutations] survived: {verdict.flip.path}:{verdict.flip.line}: {verdict.flip.old} -> {verdict.flip.new}"
        )
    return 0 if len(survived) <= (1 - ENOUGH) * len(verdicts) else 1


def judged(trees: Trees, picked: Sequence[Flip]) -> Iterator[Verdict]:
    """The verdicts, each printed: the unit tests' as they come, then the contract tests' about what is left."""
    left = []
    with ThreadPoolExecutor(WORKERS) as pool:
        unit = trees.record(EVERYTHING["unit"])
        for verdict in pool.map(lambda flip: trees.judge(flip, "unit", selected(flip, unit, "unit")), picked):
            if verdict.stage == SURVIVED:
                left.append(verdict.flip)
            else:
                print(verdict.line(), flush=True)
                yield verdict
        if not left:
            return
        print(f"{len(left)} left to the contract tests", flush=True)
        # Every other one, so that both halves take as long.
        halves = [[*NOT_RECORDED, *IN_PROCESS[0::2]], [*NOT_RECORDED, *IN_PROCESS[1::2]]]
        contract: Covered = defaultdict(list)
        for half in pool.map(trees.record, halves):
            for line, tests in half.items():
                contract[line] += tests
        for verdict in pool.map(lambda flip: trees.judge(flip, "contract", by_contract(flip, contract)), left):
            print(verdict.line(), flush=True)
            yield verdict


if __name__ == "__main__":
    sys.exit(main())
