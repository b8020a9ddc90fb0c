"""Clients that several files of tests use."""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest

from sandbox.tests.clients.gcloud import Gcloud, side_by_side
from sandbox.tests.running import Sandbox


@pytest.fixture(scope="module")
def gcloud(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    """gcloud, logged in as the operator."""
    return Gcloud(sandbox, tmp_path_factory.mktemp("gcloud"))


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, gcloud: Gcloud, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """The chains of commands (CHAINS) of a file, under way."""
    with side_by_side(request.module.CHAINS, gcloud, sandbox, tmp_path_factory) as futures:
        yield futures
