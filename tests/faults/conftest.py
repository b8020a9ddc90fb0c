"""Which cases run, and what is printed of them.

A test that takes `case` gets those of its module's CASES, in their order: all of them with `--all-cases`, else every
tenth. So a module's list is its numbering, and the tenth is the same in every run.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.bench import Bench
from tests.contract.emulators import running
from tests.faults.stage import Stage
from tests.faults.table import TABLES

EVERY = 10


def pytest_addoption(parser: pytest.Parser) -> None:
    """The option that runs every case."""
    parser.addoption("--all-cases", action="store_true", help="all cases of the fault matrix, not every tenth")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The cases of tests that take one."""
    if "case" in metafunc.fixturenames:
        cases = metafunc.module.CASES
        chosen = cases if metafunc.config.getoption("all_cases", False) else cases[::EVERY]
        metafunc.parametrize("case", chosen, ids=str)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables."""
    for table in TABLES.values():
        for line in table.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def emulator() -> Iterator[Bench]:
    """An emulator that the tests of faults share; what it exchanges is not kept, since it is too much."""
    with running(2, observed=False) as bench:
        yield bench


@pytest.fixture(scope="session")
def stage(emulator: Bench) -> Stage:
    """The project before each task of a first provisioning."""
    return Stage(emulator)
