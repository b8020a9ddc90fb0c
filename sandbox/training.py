"""The demo's second machine: it trains with what roles/trainer made, and shows what its account may not do."""

import json
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import docker
import requests

from sandbox.machine import evidence, processes, trainer
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox
from sandbox.machine.images import PROXY
from sandbox.machine.progress import Progress

BUCKET, PREFIX, INSTANCE = "df_traffic_cyclist1", "mlflow-artifacts/", "mlflow-metadata"
"""As inventories/sandbox names them."""
OUTSIDE = "not-of-mlflow/report.csv"
# What Google's own client is told on the training machine: what became of each attempt.
_ATTEMPTS = f"""
import json
from google.api_core.exceptions import Forbidden
from google.cloud.storage import Client

bucket = Client().bucket({BUCKET!r})
attempts = {{
    "read outside": lambda: bucket.blob({OUTSIDE!r}).download_as_bytes(),
    "overwrite outside": lambda: bucket.blob({OUTSIDE!r}).upload_from_string("x"),
    "delete outside": lambda: bucket.blob({OUTSIDE!r}).delete(),
    "write outside": lambda: bucket.blob("new.csv").upload_from_string("x"),
    "read the bucket's policy": lambda: bucket.get_iam_policy(),
    "write below the prefix": lambda: bucket.blob({PREFIX!r} + "probe").upload_from_string("x"),
    "read below the prefix": lambda: bucket.blob({PREFIX!r} + "probe").download_as_bytes(),
    "list below the prefix": lambda: list(bucket.list_blobs(prefix={PREFIX!r})),
    "delete below the prefix": lambda: bucket.blob({PREFIX!r} + "probe").delete(),
}}
for name, attempt in attempts.items():
    try:
        attempt()
        attempts[name] = "done"
    except Forbidden as error:
        attempts[name] = "refused"
print(json.dumps(attempts))
"""
_WANTED = {"outside": "refused", "policy": "refused", "prefix": "done"}


class TrainingMachine:
    """The machine as a data scientist meets it, over SSH."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox, card: dict[str, Any]) -> None:
        self._client, self._sandbox, self._card = client, sandbox, card
        self.account = f"mlflow-trainer@{card['project']}.iam.gserviceaccount.com"

    def attach(self, account: str | None) -> None:
        """Attach a service account to it, as somebody would in Google's console; None: none."""
        body = {"address": self._card["trainer"]["host"], "account": account}
        with _session() as session:
            session.put(f"{self._card['management_url']}/machines", json=body, timeout=10).raise_for_status()

    def train(self, progress: Progress, title: str, experiment: str = "") -> tuple[dict[str, Any], evidence.Counts]:
        """Run the example; what it logged, and what PostgreSQL and the bucket themselves hold of it."""
        with progress.step(title) as step:
            before = len(self._requests())
            chosen = f"export MLFLOW_EXPERIMENT_NAME={experiment}; " if experiment else ""
            result = self._python("mlflow/example.py", chosen)
            writers = {
                str(one["principal"]).partition("@")[0]
                for one in self._requests()[before:]
                if one["mutating"] and "/storage/" in one["path"]
            }
            stored = evidence.stored(self._card, result["run_id"])
            listed = evidence.listed(f"http://{self._card['target']['host']}:5000", result["run_id"])
            logged = evidence.Counts(1, result["params"], result["metrics"], *listed)
            if logged != stored:
                raise SandboxError(f"Logged were {logged}; PostgreSQL and the bucket hold {stored}.")
            version = f"{result['model']} version {result['version']}, loaded back, predicts {result['predicted'][0]}"
            step.outcome = f"artifacts written by {', '.join(sorted(writers))}; {version}"
            return result, stored

    def is_refused(self, progress: Progress) -> None:
        """Prove by Google's own clients what the attached account may not do."""
        with progress.step("What the trainer's account may not do") as step:
            self._put_outside()
            attempts: dict[str, str] = self._python(f"-c {shlex.quote(_ATTEMPTS)}")
            unexpected = {name: became for name, became in attempts.items() if became != _WANTED[name.split()[-1]]}
            if unexpected:
                raise SandboxError(f"The trainer's account should not have been treated so: {unexpected}")
            said = self._connects()
            step.outcome = f"google-cloud-storage: refused outside of {PREFIX}, done below it; cloud-sql-proxy: {said}"

    def _connects(self) -> str:
        """What Google refuses the Cloud SQL Auth Proxy with, in the network of the training machine."""
        where = self._card["metadata_host"]
        container = self._client.containers.create(
            PROXY,
            [
                *["--run-connection-test", f"--sqladmin-api-endpoint={self._card['url']}"],
                f"{self._card['project']}:{self._card['region']}:{INSTANCE}",
            ],
            labels={**self._sandbox.labels, f"{LABEL}.part": "temporary"},
            network_mode=f"container:{trainer.name(self._sandbox)}",
            environment={"GCE_METADATA_HOST": where},
        )
        try:
            container.start()
            status = container.wait(timeout=60)["StatusCode"]
            said = bytes(container.logs()).decode(errors="replace")
        finally:
            container.remove(force=True, v=True)
        if not status or "cloudsql.instances." not in said:
            raise SandboxError(f"The Cloud SQL Auth Proxy should have been refused as {self.account}: {said[-300:]}")
        return "refused (403 NOT_AUTHORIZED)" if "NOT_AUTHORIZED" in said else "refused"

    def _put_outside(self) -> None:
        """An object that is not MLflow's, in the same bucket."""
        token = evidence.token(Path(self._card["operator"]["key_file"]))
        url = f"{self._card['url']}/upload/storage/v1/b/{BUCKET}/o?uploadType=media&name={quote(OUTSIDE, safe='')}"
        with _session() as session:
            session.post(url, data=b"1", headers={"Authorization": f"Bearer {token}"}, timeout=10).raise_for_status()

    def _python(self, words: str, before: str = "") -> dict[str, Any]:
        where = self._card["trainer"]
        options = [
            *["-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"],
            *["-o", f"UserKnownHostsFile={where['known_hosts_file']}", "-i", where["private_key_file"]],
        ]
        line = f". mlflow/activate && {before}exec python {words}"
        command = ["ssh", *options, f"{where['user']}@{where['host']}", line]
        code, said = processes.stream(command, self._sandbox.id)
        answers = [found for found in said if found.startswith("{")]
        if code or not answers:
            raise SandboxError(f"Training ended with {code}: {' '.join(said[-3:])}")
        result: dict[str, Any] = json.loads(answers[-1])
        return result

    def _requests(self) -> list[dict[str, Any]]:
        with _session() as session:
            recorded: list[dict[str, Any]] = session.get(f"{self._card['management_url']}/requests", timeout=30).json()
            return recorded


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy of the environment is not for loopback
    return session
