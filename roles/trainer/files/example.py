"""Train on scikit-learn's diabetes data, log all of it to MLflow, and predict with what the registry gives back.

Copy this and make it yours. The environment says where to: MLFLOW_TRACKING_URI, which `activate` sets, and, for another
experiment than the one below, MLFLOW_EXPERIMENT_NAME. Prints one line of JSON about the run.
"""

import json
import os

import mlflow
import numpy as np
import pandas as pd
import sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error, r2_score
from sklearn.model_selection import train_test_split

EXPERIMENT = os.environ.get("MLFLOW_EXPERIMENT_NAME", "diabetes-progression")
MODEL = "diabetes-ridge"
ALPHAS = [10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01]
SEED = 7


def main() -> None:
    """Log a run, register its model, load that back and predict."""
    features, progression = load_diabetes(return_X_y=True, as_frame=True)
    fit, held_out, fit_y, held_out_y = train_test_split(features, progression, test_size=0.25, random_state=SEED)
    parameters = {"model": "ridge", "rows": len(features), "columns": features.shape[1], "seed": SEED}

    # Where the artifacts of an experiment go is settled when it is made.
    experiment = mlflow.set_experiment(EXPERIMENT)
    with mlflow.start_run() as run:
        mlflow.log_params(parameters)
        for step, alpha in enumerate(ALPHAS):
            model = Ridge(alpha=alpha).fit(fit, fit_y)
            predicted = model.predict(held_out)
            metrics = {"mse": mean_squared_error(held_out_y, predicted), "r2": r2_score(held_out_y, predicted)}
            mlflow.log_metrics(metrics, step=step)
        table = pd.DataFrame({"true": held_out_y, "predicted": predicted})
        mlflow.log_text(table.to_csv(index=False), "predictions/held-out.csv")
        logged = mlflow.sklearn.log_model(
            model,
            "model",
            signature=infer_signature(fit, predicted),
            pip_requirements=[f"scikit-learn=={sklearn.__version__}"],  # guessing them would import everything anew
            registered_model_name=MODEL,
        )

    version = logged.registered_model_version
    loaded = mlflow.sklearn.load_model(f"models:/{MODEL}/{version}")
    if not np.array_equal(loaded.predict(held_out), predicted):
        raise SystemExit(f"version {version} of {MODEL} predicts something else than the model that was logged")
    about = {
        "experiment_id": experiment.experiment_id,
        "run_id": run.info.run_id,
        "artifact_uri": run.info.artifact_uri,
        "params": len(parameters),
        "metrics": len(ALPHAS) * len(metrics),
        "model": MODEL,
        "version": str(version),
        "r2": round(metrics["r2"], 4),
        "predicted": [round(float(value), 1) for value in predicted[:3]],
    }
    print(json.dumps(about))


if __name__ == "__main__":
    main()
