"""Log a run through the tracking server, read it back, and remove it for good. Leaves nothing behind."""

import os
import pathlib
import sys
import tempfile

from mlflow import MlflowClient
from mlflow.cli import gc

METRIC, TEXT = 0.25, "written by a check of the tracking server\n"


def log_run(client: MlflowClient) -> str:
    """One run with a parameter, a metric and an artifact."""
    run = client.create_run("0", run_name="mlflow_ops check")
    run_id: str = run.info.run_id
    client.log_param(run_id, "check", "round trip")
    client.log_metric(run_id, "value", METRIC)
    client.log_text(run_id, TEXT, "check.txt")
    client.set_terminated(run_id)
    return run_id


def read_back(client: MlflowClient, run_id: str) -> None:
    """Ends the program where something is not as it was logged."""
    run = client.get_run(run_id)
    with tempfile.TemporaryDirectory() as folder:
        text = pathlib.Path(client.download_artifacts(run_id, "check.txt", folder)).read_text()
    if (run.data.metrics.get("value"), run.data.params.get("check"), text) != (METRIC, "round trip", TEXT):
        raise SystemExit(f"run {run_id} came back different: {run.data} {text!r}")


def main() -> int:
    client = MlflowClient()
    run_id = log_run(client)
    try:
        read_back(client, run_id)
    finally:
        client.delete_run(run_id)
        gc.main(
            [
                "--backend-store-uri",
                os.environ["_MLFLOW_SERVER_FILE_STORE"],
                "--run-ids",
                run_id,
                "--artifacts-destination",
                os.environ["ARTIFACTS_DESTINATION"],
            ],
            standalone_mode=False,
        )
    print(f"run {run_id} was logged, read back and removed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
