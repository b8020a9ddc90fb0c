"""A real sandbox process for tests, on loopback addresses of its own, and a small typed client for its APIs."""

import base64
import http.client
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import requests
from google.auth.transport.requests import Request

from sandbox.core.documents import Json
from sandbox.machine import identity
from sandbox.postgres.binaries import install
from sandbox.tests.untyped import credentials_of

ROOT = Path(__file__).parents[2]
CACHE = identity.sandbox().cache
PROJECT = "mlflow-sandbox"
NUMBER = "415104041262"
SERVICES = ("sqladmin", "iam", "secretmanager", "cloudresourcemanager", "iamcredentials")
ATTACHED = f"mlflow-server@{PROJECT}.iam.gserviceaccount.com"
OPERATION_TIMEOUT = 30


@dataclass(frozen=True)
class Reply:
    """An answer: HTTP status, and the JSON body ({} when there is none)."""

    status: int
    body: Json
    headers: dict[str, str]
    content: bytes

    @property
    def message(self) -> str:
        """The error's message."""
        return str(self.body["error"]["message"])

    @property
    def reason(self) -> str:
        """The classic error's reason."""
        return str(self.body["error"]["errors"][0]["reason"])


class Client:
    """Calls the APIs as one account, from its key file."""

    def __init__(self, url: str, key: Json) -> None:
        self.url = url
        self.email = key["client_email"]
        self._session = requests.Session()
        credentials = credentials_of(key)
        credentials.refresh(Request())
        self.token: str = credentials.token

    def call(self, method: str, path: str, body: Any = None, *, data: bytes | None = None, **headers: str) -> Reply:
        """One request. A path that does not start with / is below the project in v1."""
        url = self.url + (path if path.startswith("/") else f"/v1/projects/{PROJECT}/{path}")
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        response = self._session.request(method, url, json=body, data=data, headers=sent, timeout=30)
        # An object's own content may be called JSON too.
        is_json = "json" in response.headers.get("Content-Type", "") and (not response.ok or "alt=media" not in path)
        return Reply(response.status_code, response.json() if is_json else {}, dict(response.headers), response.content)

    def get(self, path: str) -> Json:
        """The body of a GET that must succeed."""
        return self.must("GET", path)

    def must(self, method: str, path: str, body: Any = None) -> Json:
        """The body of a call that must succeed."""
        reply = self.call(method, path, body)
        assert reply.status in (200, 204), f"{method} {path}: {reply.status} {reply.content!r}"
        return reply.body

    def wait(self, operation: Json) -> Json:
        """Poll a Cloud SQL operation until it is DONE."""
        deadline = time.monotonic() + OPERATION_TIMEOUT
        while operation["status"] != "DONE":
            assert time.monotonic() < deadline, f"still not done: {operation}"
            time.sleep(0.02)
            operation = self.get(f"operations/{operation['name']}")
        return operation

    def bind(self, role: str, email: str, condition: str | None = None) -> None:
        """Add a member to a role on the project, perhaps under a condition."""
        asked = {"options": {"requestedPolicyVersion": 3}}
        policy = self.must("POST", f"/v1/projects/{PROJECT}:getIamPolicy", asked) | {"version": 3}
        binding: Json = {"role": role, "members": [f"serviceAccount:{email}"]}
        policy["bindings"].append(
            binding | ({"condition": {"title": "test", "expression": condition}} if condition else {})
        )
        self.must("POST", f"/v1/projects/{PROJECT}:setIamPolicy", {"policy": policy})


class Sandbox:
    """One sandbox process, its addresses and its state directory; `observed` has it write down its exchanges."""

    def __init__(self, operation_seconds: float = 0.05, *, observed: bool = True) -> None:
        self.address = _free_loopback_address()
        self.url = f"http://{self.address}:9010"
        self.management = f"http://{self.address}:9011"
        # Not below pytest's own directories: PostgreSQL's unprivileged user must be able to pass through.
        self.state = Path(tempfile.mkdtemp(prefix="sandbox-", dir="/var/tmp"))
        self.state.chmod(0o711)
        self.target_address = self.address.rpartition(".")[0] + ".200"
        self._operation_seconds = operation_seconds
        self.log = self.state / "serve.log"
        self.exchanges = self.state / "exchanges.jsonl"
        self._program = ["sandbox.tests.conformance.observed", str(self.exchanges)] if observed else ["sandbox.serve"]
        self._process = self._start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def key_file(self) -> Path:
        """The operator's key file."""
        return self.state / "operator.json"

    @cached_property
    def operator(self) -> Client:
        """A client that calls as the operator."""
        return Client(self.url, json.loads(self.key_file.read_text()))

    def account(self, name: str, *roles: str) -> Client:
        """A new service account with these roles on the project, and a client that calls as it."""
        email = self.operator.must("POST", "serviceAccounts", {"accountId": name})["email"]
        for role in roles:
            self.operator.bind(role, email)
        return Client(self.url, self.key_of(email))

    def holder_of(self, role: str) -> Client:
        """An account that holds a new custom role of the project, with no permission in it yet, and nothing else."""
        self.operator.bind("roles/iam.roleAdmin", self.operator.email)
        self.operator.must("POST", "roles", {"roleId": role, "role": {"includedPermissions": []}})
        return self.account(f"holder-of-{role}", f"projects/{PROJECT}/roles/{role}")

    def key_of(self, email: str) -> Json:
        """A new key of an account."""
        key = self.operator.must("POST", f"serviceAccounts/{email}/keys", {})
        credentials: Json = json.loads(base64.b64decode(key["privateKeyData"]))
        return credentials

    def reset(self) -> None:
        """A fresh project, then what tests need: services on, and an operator who may manage accounts and keys."""
        requests.post(f"{self.management}/reset", timeout=30).raise_for_status()
        self.enable(*SERVICES)
        for role in ("roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountKeyAdmin"):
            self.operator.bind(role, self.operator.email)

    def enable(self, *services: str) -> None:
        """Switch services on and wait until they are."""
        names = [f"{service}.googleapis.com" for service in services]
        operation = self.operator.must("POST", "services:batchEnable", {"serviceIds": names})
        while not operation.get("done"):
            time.sleep(0.02)
            operation = self.operator.get(f"/v1/{operation['name']}")

    def requests(self) -> list[Json]:
        """The recorder."""
        recorded: list[Json] = requests.get(f"{self.management}/requests", timeout=10).json()
        return recorded

    def create_instance(self, name: str, **settings: Any) -> Json:
        """A running instance."""
        body: Json = {"name": name, "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
        body |= {"settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE", **settings}}
        operation = self.operator.wait(self.operator.must("POST", "instances", body))
        assert "error" not in operation, operation
        return self.operator.get(f"instances/{name}")

    def metadata(self, path: str, source: str, *, flavor: bool = True) -> tuple[int, str, dict[str, str]]:
        """GET of the metadata server from a source address: (status, text, headers)."""
        connection = http.client.HTTPConnection(self.address, 9010, timeout=10, source_address=(source, 0))
        connection.request("GET", path, headers={"Metadata-Flavor": "Google"} if flavor else {})
        response = connection.getresponse()
        return response.status, response.read().decode(), dict(response.getheaders())

    def kill(self) -> None:
        """SIGKILL, as a machine that loses the process would."""
        self._process.kill()
        self._process.wait()

    def restart(self) -> None:
        """Start the process again over the same state."""
        self._process = self._start()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def destroy(self) -> None:
        """Stop it and delete its state."""
        if self._process.poll() is None:
            self.stop()
        shutil.rmtree(self.state)

    def _start(self) -> subprocess.Popen[bytes]:
        options = ["--state", str(self.state), "--address", self.address, "--loopback", self.address]
        options += ["--target-address", self.target_address, "--attached-account", ATTACHED]
        options += ["--postgres-home", str(install(CACHE)), "--operation-seconds", str(self._operation_seconds)]
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", *self._program, *options]
            process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        deadline = time.monotonic() + OPERATION_TIMEOUT
        while not _answers(self.management):
            assert process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return process


def _answers(management: str) -> bool:
    try:
        return requests.get(f"{management}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def _free_loopback_address() -> str:
    """An address of 127/8 that nobody uses: clients fix the port 3307, so sandboxes differ by address."""
    while True:
        address = f"127.{100 + secrets.randbelow(100)}.{secrets.randbelow(256)}.{1 + secrets.randbelow(190)}"
        with socket.socket() as probe:
            if probe.connect_ex((address, 9010)) != 0:
                return address
