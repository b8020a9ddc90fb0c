"""A real training run, logged to an MLflow server and read back. It runs in a container that has MLflow alone.

Usage: python training_run.py TRACKING_URI. Prints one line of JSON: the run, and what was logged as the client knows.
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

ALPHAS = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]
EXPERIMENT = "diabetes-progression"


def train(scratch: Path) -> dict[str, Any]:
    """Fit, log, read back, compare."""
    features, progression = load_diabetes(return_X_y=True)
    fit, held_out, fit_y, held_out_y = train_test_split(features, progression, test_size=0.25, random_state=7)
    params = {"model": "ridge", "rows": str(len(features)), "columns": str(features.shape[1]), "seed": "7"}
    history: dict[str, list[float]] = {"mse": [], "r2": []}
    mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(params)
        for step, alpha in enumerate(ALPHAS):
            model = Ridge(alpha=alpha).fit(fit, fit_y)
            predicted = model.predict(held_out)
            history["mse"].append(float(mean_squared_error(held_out_y, predicted)))
            history["r2"].append(float(r2_score(held_out_y, predicted)))
            mlflow.log_metrics({name: values[-1] for name, values in history.items()}, step=step)
        mlflow.sklearn.log_model(
            model,
            "model",
            signature=infer_signature(fit, predicted),
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # guessing them would import everything anew
        )
        table = scratch / "held-out.csv"
        np.savetxt(table, np.column_stack([held_out_y, predicted]), delimiter=",", header="true,predicted")
        mlflow.log_artifact(str(table), "predictions")
    result = read_back(run.info.run_id, params, history, table, scratch)
    loaded = mlflow.sklearn.load_model(f"runs:/{run.info.run_id}/model")
    require(np.array_equal(loaded.predict(held_out), predicted), "the model read back predicts something else")
    return {**result, "r2": round(history["r2"][-1], 4)}


def read_back(
    run_id: str, params: dict[str, str], history: dict[str, list[float]], table: Path, scratch: Path
) -> dict[str, Any]:
    """Compare what the server has with what was logged; returns the counts."""
    client = mlflow.MlflowClient()
    run = client.get_run(run_id)
    require(run.info.status == "FINISHED", f"the run is {run.info.status}")
    require(run.data.params == params, f"parameters read back: {run.data.params}")
    for name, values in history.items():
        found = [point.value for point in sorted(client.get_metric_history(run_id, name), key=lambda point: point.step)]
        require(found == values, f"metric {name} read back: {found}")
    downloaded = Path(client.download_artifacts(run_id, "", str(scratch / "all")))
    same = (downloaded / "predictions" / table.name).read_bytes() == table.read_bytes()
    require(same, f"artifact {table.name} read back differs")
    files = [path for path in downloaded.rglob("*") if path.is_file()]
    return {
        "run_id": run_id,
        "experiment_id": run.info.experiment_id,
        "artifact_uri": run.info.artifact_uri,
        "runs": 1,
        "params": len(params),
        "metrics": sum(map(len, history.values())),
        "artifact_files": len(files),
        "artifact_bytes": sum(path.stat().st_size for path in files),
    }


def require(holds: bool, otherwise: str) -> None:
    """End with one line when something read back is not what was logged."""
    if not holds:
        sys.exit(f"training run: {otherwise}")


if __name__ == "__main__":
    mlflow.set_tracking_uri(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "all").mkdir()
        print(json.dumps(train(Path(folder))))
