"""Takes the README's picture: MLflow's page of the run that `make demo` has logged, in headless Chromium.

Run by `make screenshot` while the demo's sandbox is up. A picture of a page that does not show the run is not kept.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "mlflow.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIZE = "1280,480"
# Milliseconds of the page's own clock. It stands still while the page waits for an answer, so this costs no such time.
PATIENCE = 15_000
TRIES = 3


def browser() -> str:
    """The first browser on PATH that takes pictures without a screen."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    return found or sys.exit(
        f"screenshot: no {' or '.join(BROWSERS)} on PATH. On Debian: apt-get install --no-install-recommends chromium"
    )


def server() -> str:
    """MLflow's address in the running sandbox."""
    name = os.environ.get("SANDBOX_NAME") or "default"
    card = ROOT / ".sandbox" / f"{name}.json"
    if not card.exists():
        sys.exit(f"screenshot: no sandbox {name!r} is up. Run `make demo` first")
    return f"http://{json.loads(card.read_text())['target']['host']}:5000"


def ask(url: str, call: str, **body: Any) -> Any:
    """One search of MLflow's API."""
    try:
        answer = requests.post(f"{url}/api/2.0/mlflow/{call}", json=body, timeout=20)
        answer.raise_for_status()
    except requests.RequestException as error:
        sys.exit(f"screenshot: MLflow at {url} does not answer ({error}). Run `make demo` first")
    return answer.json()


def newest_run(url: str) -> dict[str, Any]:
    """What MLflow knows of the run that was logged last."""
    experiments = [one["experiment_id"] for one in ask(url, "experiments/search", max_results=100)["experiments"]]
    found = ask(url, "runs/search", experiment_ids=experiments, order_by=["start_time DESC"], max_results=1).get("runs")
    if not found:
        sys.exit(f"screenshot: MLflow at {url} has no run. Run `make demo` first")
    info: dict[str, Any] = found[0]["info"]
    return info


def chromium(program: str, profile: str, page: str, *wish: str) -> str:
    """Open a page with an empty profile; returns what was printed."""
    command = [program, "--headless=new", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
    command += [f"--window-size={SIZE}", f"--virtual-time-budget={PATIENCE}", *wish, page]
    if os.geteuid() == 0:  # Chromium's sandbox does not run as root
        command.insert(1, "--no-sandbox")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        sys.exit(f"screenshot: {program} ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def take(program: str, page: str, expected: list[str]) -> None:
    """Keep a picture of the page once it shows what is expected."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        for _ in range(TRIES):
            shown = chromium(program, folder, page, "--dump-dom")
            if all(text in shown for text in expected):
                chromium(program, folder, page, f"--screenshot={shot}")
                PICTURE.write_bytes(shot.read_bytes())
                return
    sys.exit(f"screenshot: {page} does not show {', '.join(expected)}; {PICTURE.relative_to(ROOT)} stays as it was")


def main() -> None:
    program, url = browser(), server()
    run = newest_run(url)
    page = f"{url}/#/experiments/{run['experiment_id']}"
    take(program, page, [run["run_name"]])
    print(f"{PICTURE.relative_to(ROOT)}: run {run['run_name']} at {page}, {PICTURE.stat().st_size // 1024} KB")


if __name__ == "__main__":
    main()
