"""Copies of the checkout to break, and pytest in them. The working tree itself is never touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import coverage

ROOT = Path(__file__).resolve().parents[2]
# pytest's exit codes of a wrong command line (a test that is not there) and of no tests at all.
_NOTHING_RUN = (4, 5)
_PYTEST = ("-q", "-rfE", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header", "--tb=line")
Covered = dict[tuple[str, int], list[str]]


@dataclass(frozen=True)
class Run:
    """What came of pytest: its exit code (None: it did not end in time) and the end of its output."""

    code: int | None
    output: str

    @property
    def noticed(self) -> bool:
        """Whether a test failed, or could not even be collected, or hung."""
        return self.code != 0

    @property
    def unnamed(self) -> bool:
        """Whether the tests asked for are not there: a flip may change the names that parameters make."""
        return self.code in _NOTHING_RUN

    @property
    def failed(self) -> list[str]:
        """The tests that failed, by their full names."""
        lines = [line for line in self.output.splitlines() if line.startswith(("FAILED ", "ERROR "))]
        return [line.partition(" ")[2].partition(" - ")[0] for line in lines]

    @property
    def test(self) -> str:
        """The first test that failed."""
        if self.code is None:
            return "no end"
        if self.failed:
            file, _, name = self.failed[0].partition("::")
            return f"{Path(file).name}::{name}"
        return "no test could run" if self.noticed else ""


def copy(folder: Path) -> Path:
    """What git keeps or would keep, and the same virtual environment."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listing = subprocess.check_output(command, cwd=ROOT, text=True)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).exists() or (ROOT / name).is_symlink():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    (folder / ".venv").symlink_to(ROOT / ".venv")
    # Tests ask git for the files.
    for command in (["git", "init", "--quiet"], ["git", "add", "--all"]):
        subprocess.run(command, cwd=folder, check=True)
    return folder


def pytest(tree: Path, arguments: Sequence[str], seconds: float, **environment: str) -> Run:
    """Run tests in a copy, the whole process group ended if they take longer."""
    settings = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **environment}
    settings["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{settings['PATH']}"
    command = [sys.executable, "-m", "pytest", *_PYTEST, *arguments]
    with subprocess.Popen(
        command,
        cwd=tree,
        env=settings,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # pytest's fixtures stop their emulators upon this.
            os.killpg(process.pid, 2)
            try:
                process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
            return Run(None, "")
    return Run(process.returncode, output)


def covered(data: Path, tree: Path) -> Covered:
    """Which tests reach each line of plugins/, from coverage's data with a context for each test."""
    found: Covered = defaultdict(list)

    known = coverage.CoverageData(str(data))
    known.read()
    for name in known.measured_files():
        relative = str((tree / name).resolve().relative_to(tree.resolve()))
        for line, contexts in known.contexts_by_lineno(name).items():
            tests = {context.partition("|")[0] for context in contexts if "|" in context}
            found[relative, line] += sorted(tests)
    return found
