"""Real emulators for the contract tests, one or two for a session; modules run against them in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.bench import Bench
from tests.contract.emulators import running


@pytest.fixture(scope="session")
def emulator() -> Iterator[Bench]:
    """The emulator that the tests share."""
    with running(0) as bench:
        yield bench


@pytest.fixture(scope="session")
def second_emulator() -> Iterator[Bench]:
    """Another one, for what goes on beside the first."""
    with running(1) as bench:
        yield bench


@pytest.fixture
def fresh(emulator: Bench) -> Bench:
    """The emulator with an empty project."""
    emulator.reset()
    return emulator


@pytest.fixture(scope="module")
def furnished(emulator: Bench) -> Bench:
    """The emulator with all services on and an instance, for a whole file of tests."""
    emulator.reset()
    emulator.enable_all()
    # The modules can do more with accounts than site.yml asks of an operator.
    member = f"serviceAccount:{emulator.key['client_email']}"
    emulator.run("project_iam_member", role="roles/iam.serviceAccountAdmin", member=member)
    emulator.run("sql_instance", **emulator.INSTANCE)
    return emulator
