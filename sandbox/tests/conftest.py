"""One sandbox process a session; every module of tests starts from a fresh project."""

from collections.abc import Iterator

import pytest

from sandbox.core.routing import collect
from sandbox.tests.conformance import exchanges
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import Client, Sandbox

ROUTES = collect("sandbox.apis")


def pytest_configure(config: pytest.Config) -> None:
    """Marks of these tests."""
    config.addinivalue_line("markers", "last: looks back at what all other tests did")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What looks back at all other tests comes after them."""
    items.sort(key=lambda item: item.get_closest_marker("last") is not None)


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    """The process."""
    sandbox = Sandbox()
    yield sandbox
    sandbox.destroy()


@pytest.fixture(scope="module")
def sandbox(running_sandbox: Sandbox) -> Iterator[Sandbox]:
    """A fresh project with the APIs on that tests call; whatever they exchange must fit Google's schemas."""
    running_sandbox.reset()
    before = len(exchanges.read(running_sandbox.exchanges))
    yield running_sandbox
    found = exchanges.findings(exchanges.read(running_sandbox.exchanges)[before:], ROUTES)
    assert not found, "Google would not exchange this:\n" + "\n".join(found)


@pytest.fixture
def operator(sandbox: Sandbox) -> Client:
    """Calls as the operator."""
    return sandbox.operator


@pytest.fixture
def data_plane(sandbox: Sandbox) -> Iterator[DataPlane]:
    """Port 3307, whole again after the test."""
    plane = DataPlane(sandbox)
    yield plane
    plane.clear()
    plane.certificates()
