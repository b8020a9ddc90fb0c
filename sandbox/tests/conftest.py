"""One sandbox process a session; every module of tests starts from a fresh project."""

from collections.abc import Iterator

import pytest

from sandbox.tests.running import Client, Sandbox


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """The process."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.destroy()


@pytest.fixture(scope="module")
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """A fresh project with the APIs on that tests call."""
    running_sandbox.reset()
    return running_sandbox


@pytest.fixture
def operator(sandbox: Sandbox) -> Client:
    """Calls as the operator."""
    return sandbox.operator
