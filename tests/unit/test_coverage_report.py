"""What is printed of coverage is the sum of both stages, the worst files first, and nothing where one is missing."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import coverage

from scripts import coverage_report
from tests.house.checkout import ROOT

MODULES = ROOT / "plugins" / "module_utils"


def data(path: Path, **reached: int) -> Path:
    """A stage's data: so many of the first statements of each of these files of module_utils."""
    written = coverage.CoverageData(str(path))
    for name, count in reached.items():
        file = MODULES / f"{name}.py"
        lines = [node.lineno for node in ast.parse(file.read_text()).body][: count + 1]
        written.add_arcs({str(file.relative_to(ROOT)): [(-1, lines[0]), *pairwise(lines)]})
    written.write()
    return path


def unreached(line: str) -> int:
    """How many statements a line says are not reached."""
    return int(line.partition("not reached: ")[2].split()[0])


def test_both_stages_count(tmp_path: Path) -> None:
    first = data(tmp_path / "unit", registry=2, endpoints=1)
    second = data(tmp_path / "contract", registry=4)
    total, least = coverage_report.lines([first, second])
    assert total.startswith("[coverage] module_utils: ")
    assert "branches; not reached: " in total
    assert least.startswith("[coverage] least: ")
    assert "registry.py" in least and "endpoints.py" in least
    (alone, _) = coverage_report.lines([first])
    assert unreached(alone) > unreached(total)
    assert first.exists() and second.exists(), "kept, so that it can be printed again"


def test_a_stage_that_did_not_run_is_no_result(tmp_path: Path) -> None:
    assert coverage_report.lines([tmp_path / "unit"]) == []
