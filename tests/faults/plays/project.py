"""What is true of the project after runs of provision.yml: each object once, and a password that logs in."""

from __future__ import annotations

import base64
import re
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import requests
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError, ServiceDisabledError
from dotenv import dotenv_values
from psycopg.conninfo import make_conninfo

from tests.contract.bench import PROJECT, Bench
from tests.faults.plays.operators import INSTANCE, Operator, Playing

P = f"v1/projects/{PROJECT}"
SECRET = "mlflow-db-password"
SERVER = f"serviceAccount:mlflow-server@{PROJECT}.iam.gserviceaccount.com"
BUCKET = "df_traffic_cyclist1"

# Snapshots of a first provisioning: nothing is there but the operators, the identities are there, the database too.
EMPTY, IDENTIFIED, STORED = "empty", "identified", "stored"


class Project:
    """The emulated project, as somebody who looks at it afterwards finds it."""

    def __init__(self, bench: Bench, former: list[dict[str, Any]]) -> None:
        self.bench = bench
        self._former = former

    def restore(self, name: str) -> None:
        """Back to a snapshot, with no faults in force."""
        self.clear()
        self._post(f"snapshots/{name}:restore")
        self.bench.tokens.clear()

    def save(self, name: str) -> None:
        """Make a snapshot."""
        self._post("snapshots", {"name": name})

    def snapshots(self) -> list[str]:
        """The names of those there are."""
        found = requests.get(f"{self.bench.management_url}snapshots", timeout=10).json()
        return [one["name"] for one in found]

    def fault(self, *rules: dict[str, Any]) -> None:
        """Let something go wrong."""
        self._post("faults", {"rules": list(rules)})

    def propagation(self, **settings: int) -> None:
        """How IAM behaves from now on."""
        self._post("propagation", settings)

    def faults(self) -> list[dict[str, Any]]:
        """The rules with what became of them."""
        found: list[dict[str, Any]] = requests.get(f"{self.bench.management_url}faults", timeout=10).json()
        return found

    def clear(self) -> None:
        """No faults any more; what they held goes on."""
        requests.delete(f"{self.bench.management_url}faults", timeout=10).raise_for_status()

    def wait_for_hold(self, playing: Playing) -> None:
        """Wait until a fault holds a request of this run."""
        while not any(rule["held"] for rule in self.faults()):
            assert not playing.is_over, playing.finish().output
            time.sleep(0.05)

    def wait_for_request(self, playing: Playing, path: str) -> None:
        """Wait until something whose path ends so (an expression) has been asked from now on."""
        before = len(self.bench.requests())
        while not any(re.search(f"{path}$", one["path"]) for one in self.bench.requests()[before:]):
            assert not playing.is_over, playing.finish().output
            time.sleep(0.05)

    def _post(self, path: str, body: dict[str, Any] | None = None) -> None:
        reply = requests.post(f"{self.bench.management_url}{path}", json=body or {}, timeout=60)
        assert reply.ok, reply.text

    def passwords(self) -> list[str]:
        """All values that the secret has, the newest first; none where nobody has come so far."""
        google = self.bench.google()
        found = []
        with suppress(NotFoundError, ServiceDisabledError):
            for version in google.get("secretmanager", f"{P}/secrets/{SECRET}/versions").get("versions", []):
                payload = google.get("secretmanager", f"v1/{version['name']}:access")["payload"]
                found.append(base64.b64decode(payload["data"]).decode())
        return found

    def members(self, resource: str) -> list[str]:
        """Everybody who is bound to a role on the project or the bucket."""
        bucket = resource.startswith("/storage/")
        bindings = self._bucket_policy() if bucket else self.policy()
        return [member for one in bindings for member in one["members"]]

    def _bucket_policy(self) -> list[dict[str, Any]]:
        policy = self.bench.google().get("storage", f"b/{BUCKET}/iam", optionsRequestedPolicyVersion=3)
        bindings: list[dict[str, Any]] = policy["bindings"]
        return bindings

    def policy(self) -> list[dict[str, Any]]:
        """The bindings of the project."""
        asked = {"options": {"requestedPolicyVersion": 3}}
        policy = self.bench.google().query("cloudresourcemanager", f"{P}:getIamPolicy", asked)
        bindings: list[dict[str, Any]] = policy["bindings"]
        return bindings

    def assert_complete(self, operators: int = 1) -> None:
        """Everything is there, and nothing is twice, whatever so many operators did at once."""
        google = self.bench.google()
        instances = google.get("sql", f"{P}/instances")["items"]
        assert [(one["name"], one["state"]) for one in instances] == [(INSTANCE, "RUNNABLE")]
        for kind, name in (("databases", "mlflow"), ("users", "mlflow_user")):
            listed = google.get("sql", f"{P}/instances/{INSTANCE}/{kind}")["items"]
            assert [one["name"] for one in listed].count(name) == 1
        self.assert_operations_once(operators)
        accounts = google.get("iam", f"{P}/serviceAccounts")["accounts"]
        assert [one["email"] for one in accounts].count(SERVER.partition(":")[2]) == 1
        secrets = google.get("secretmanager", f"{P}/secrets")["secrets"]
        assert [one["name"].rpartition("/")[2] for one in secrets] == [SECRET]
        policy = self.policy()
        bound(policy, "roles/cloudsql.client")
        now = {one["role"]: set(one["members"]) for one in policy}
        assert all(set(one["members"]) <= now[one["role"]] for one in self._former), "a binding is lost"
        bound(self._bucket_policy(), "roles/storage.objectUser")

    def assert_operations_once(self, operators: int = 1) -> None:
        """Cloud SQL was asked once for each thing that is made there; what it refused aside.

        A user alone can be made twice, and then has the second password (the emulator's way; Google's is not known).
        """
        listed = self.bench.google().get("sql", f"{P}/operations", instance=INSTANCE)["items"]
        done = Counter(one["operationType"] for one in listed if "error" not in one)
        assert (done["CREATE"], done["CREATE_DATABASE"]) == (1, 1), done
        assert 1 <= done["CREATE_USER"] <= operators, done

    def assert_password_works(self) -> None:
        """Secret Manager's newest value logs in to the real PostgreSQL; another one does not."""
        newest = self.passwords()[0]
        assert login(self._socket(), {"user": "mlflow_user", "password": newest, "dbname": "mlflow"}) == ""
        wrong = login(self._socket(), {"user": "mlflow_user", "password": newest[::-1], "dbname": "mlflow"})
        assert "password authentication failed" in wrong

    def assert_env_agrees(self, operator: Operator) -> None:
        """.env and passfile hold Secret Manager's value, and what they say logs in to PostgreSQL."""
        env = dotenv_values(operator.env_file)
        assert env["MLFLOW_DB_PASSWORD"] == self.passwords()[0]
        named = {"user": str(env["MLFLOW_DB_USER"]), "dbname": str(env["MLFLOW_DB_NAME"])}
        assert login(self._socket(), {**named, "password": str(env["MLFLOW_DB_PASSWORD"])}) == ""
        assert login(self._socket(), {**named, "passfile": str(operator.passfile)}) == ""
        assert operator.env_file.read_text().count("\n") == len(env) == 4
        for path in (operator.env_file, operator.passfile):
            assert path.stat().st_mode & 0o777 == 0o600

    def _socket(self) -> str:
        state = requests.get(f"{self.bench.management_url}health", timeout=10).json()["state"]
        (found,) = Path(state, "postgresql").glob("*/socket")
        return str(found)


def bound(bindings: list[dict[str, Any]], role: str) -> None:
    """The server's account has this role, once."""
    members = [member for one in bindings if one["role"] == role for member in one["members"]]
    assert members.count(SERVER) == 1, bindings


def login(socket: str, parameters: dict[str, str]) -> str:
    """What PostgreSQL says to a login; empty where it lets us in."""
    try:
        with psycopg.connect(make_conninfo(host=socket, **parameters)):
            return ""
    except psycopg.OperationalError as error:
        return str(error)
