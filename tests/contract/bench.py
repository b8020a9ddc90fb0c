"""Runs a module for real (AnsibleModule, HTTP, the emulator) in this process, and asks the recorder what was sent."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass, field
from io import StringIO
from typing import Any, ClassVar

import requests
from ansible.module_utils.testing import patch_module_args
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken, find_credentials
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import resolve_endpoints
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import PooledTransport

PROJECT = "mlflow-sandbox"
CREDENTIALS = {"access_token", "credentials_contents", "credentials_file"}
SERVICES = ("cloudresourcemanager", "iam", "secretmanager", "sqladmin")


@dataclass(frozen=True)
class Bench:
    """An emulator, and what it takes to run modules against it as its operator."""

    url: str
    management_url: str
    key: dict[str, Any]
    tokens: list[str] = field(default_factory=list)

    INSTANCE: ClassVar[dict[str, Any]] = {
        "name": "db",
        "database_version": "POSTGRES_14",
        "region": "europe-west3",
        "tier": "db-f1-micro",
        "data_disk_size_gb": 10,
        "deletion_protection_enabled": False,
    }

    @property
    def endpoints(self) -> dict[str, str]:
        """The option `endpoints`."""
        plain = ("sql", "cloudresourcemanager", "iam", "iamcredentials", "secretmanager", "serviceusage")
        return {**dict.fromkeys(plain, self.url), "storage": f"{self.url}storage/v1/"}

    @property
    def common(self) -> dict[str, Any]:
        """The options that every module needs, credentials aside."""
        return {"project": PROJECT, "endpoints": self.endpoints}

    def token(self) -> str:
        """An access token of the operator, minted once for each project."""
        if not self.tokens:
            self.tokens.append(find_credentials({"credentials_contents": self.key}, {}).token())
        return self.tokens[0]

    def output(self, module: str, *, check: bool = False, **options: Any) -> str:
        """What the module prints on stdout; an option that is None is not given."""
        loaded = importlib.import_module(f"ansible_collections.mlflow_ops.gcp.plugins.modules.{module}")
        credentials = {} if CREDENTIALS & options.keys() else {"access_token": self.token()}
        given = {k: v for k, v in {**self.common, **credentials, **options}.items() if v is not None}
        arguments = {**given, "_ansible_check_mode": check, "_ansible_diff": True}
        printed = StringIO()
        with patch_module_args(arguments), redirect_stdout(printed), suppress(SystemExit):
            loaded.main()
        return printed.getvalue()

    def answer(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The module's result, failed or not."""
        result: dict[str, Any] = json.loads(self.output(module, check=check, **options))
        return result

    def run(self, module: str, *, check: bool = False, **options: Any) -> dict[str, Any]:
        """The result of a module that is expected to succeed."""
        result = self.answer(module, check=check, **options)
        assert not result.get("failed"), result["msg"]
        return result

    def fail(self, module: str, *, check: bool = False, **options: Any) -> str:
        """The message of a module that is expected to fail."""
        result = self.answer(module, check=check, **options)
        assert result.get("failed"), result
        message: str = result["msg"]
        assert "\n" not in message
        return message

    def reset(self) -> None:
        """Make the project as new."""
        requests.post(f"{self.management_url}reset", timeout=30).raise_for_status()
        self.tokens.clear()

    def enable_all(self) -> None:
        """Enable what the modules need."""
        self.enable(*SERVICES)

    def enable(self, *services: str) -> None:
        """Enable these APIs, such as iam."""
        google = self.google()
        body = {"serviceIds": [f"{service}.googleapis.com" for service in services]}
        operation = google.write("POST", "serviceusage", f"v1/projects/{PROJECT}/services:batchEnable", body)
        while not operation.get("done"):
            time.sleep(0.02)
            operation = google.get("serviceusage", f"v1/{operation['name']}")

    def requests(self) -> list[dict[str, Any]]:
        """Everything that was asked since the last reset."""
        found: list[dict[str, Any]] = requests.get(f"{self.management_url}requests", timeout=30).json()
        return found

    @contextmanager
    def recorded(self) -> Iterator[list[dict[str, Any]]]:
        """The requests of a block, tokens aside, filled in at its end."""
        before = len(self.requests())
        seen: list[dict[str, Any]] = []
        yield seen
        seen += [request for request in self.requests()[before:] if not request["path"].startswith("/token")]

    @contextmanager
    def without_writes(self) -> Iterator[None]:
        """A block that must not change anything."""
        with self.recorded() as seen:
            yield
        assert writes(seen) == []

    def google(self) -> Google:
        """A client as the operator, to act behind the modules' back."""
        session = Session(FixedToken(self.token()), PooledTransport())
        return Google(session, resolve_endpoints(self.endpoints, {}), PROJECT)


def writes(seen: list[dict[str, Any]]) -> list[str]:
    """The mutating requests as "METHOD path"."""
    return [f"{request['method']} {request['path']}" for request in seen if request["mutating"]]
