"""Training jobs of this scenario: they log through the server, and count what it shows of all runs."""

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import pytest
import requests as http
from mlflow import MlflowClient

STEPS = 5
TEXT = "of this run and no other\n"


@dataclass(frozen=True)
class Counts:
    """What a server shows of all runs: parameters, points of metrics, artifacts that come back as they were logged."""

    runs: int = 0
    params: int = 0
    metrics: int = 0
    artifacts: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(mine + more for mine, more in zip(astuple(self), astuple(other), strict=True)))


class Jobs:
    """What data scientists do with the server, by MLflow's own client."""

    NOTHING = Counts()
    ONE_RUN = Counts(1, 1, STEPS, 1)

    def __init__(self, url: str, folder: Path) -> None:
        self.client = MlflowClient(url)
        self.folder = folder

    def log_run(self) -> None:
        """One run of ONE_RUN's size, in the experiment that every store has."""
        run_id = self.client.create_run("0").info.run_id
        self.client.log_param(run_id, "steps", STEPS)
        for step in range(STEPS):
            self.client.log_metric(run_id, "loss", 1.0 / (step + 1), step=step)
        self.client.log_text(run_id, TEXT, "note.txt")
        self.client.set_terminated(run_id)

    def counts(self) -> Counts:
        runs = self.client.search_runs(["0"], max_results=1000)
        return sum((self._count(run.info.run_id) for run in runs), self.NOTHING)

    def _count(self, run_id: str) -> Counts:
        run = self.client.get_run(run_id)
        history = self.client.get_metric_history(run_id, "loss")
        text = Path(self.client.download_artifacts(run_id, "note.txt", str(self.folder))).read_text()
        return Counts(1, len(run.data.params), len(history), int(text == TEXT))


class Cloud:
    """The record of what Google's APIs were asked."""

    def __init__(self, management_url: str) -> None:
        self._url = f"{management_url}/requests"

    def requests(self) -> list[dict[str, Any]]:
        recorded: list[dict[str, Any]] = http.get(self._url, timeout=10).json()
        return recorded


@pytest.fixture(scope="session")
def cloud(card: dict[str, Any]) -> Cloud:
    return Cloud(card["management_url"])


@pytest.fixture(scope="session")
def jobs(card: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jobs]:
    url = f"http://{card['target']['host']}:5000"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", url)  # for artifacts, whatever the client's own address is
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        patch.setenv("NO_PROXY", "*")
        yield Jobs(url, tmp_path_factory.mktemp("artifacts"))
