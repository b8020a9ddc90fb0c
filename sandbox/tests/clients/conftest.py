"""Clients that several files of tests use."""

import pytest

from sandbox.tests.clients.gcloud import Gcloud
from sandbox.tests.running import Sandbox


@pytest.fixture(scope="module")
def gcloud(sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Gcloud:
    """gcloud, logged in as the operator."""
    return Gcloud(sandbox, tmp_path_factory.mktemp("gcloud"))
