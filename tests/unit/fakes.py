"""Google as the unit tests see it: scripted answers, a clock that never waits, and a record of what was asked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import GOOGLE
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Clock, Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import Reply

PROJECT = "demo-project"
READS = ("GET",)
QUESTIONS = (":getIamPolicy", ":testIamPermissions")
Answer = Reply | Exception


def ok(body: Mapping[str, Any] | None = None) -> Reply:
    """A good answer."""
    return Reply(200, json.dumps(body or {}).encode())


def bad(status: int, reason: str = "", message: str = "said Google", **headers: str) -> Reply:
    """An error answer of the classic shape."""
    errors = [{"domain": "global", "reason": reason, "message": message}] if reason else []
    body = {"error": {"code": status, "message": message, **({"errors": errors} if errors else {})}}
    return Reply(status, json.dumps(body).encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def disabled(service: str) -> Reply:
    """403 because an API is off."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": service, "consumer": "projects/415104041262"},
    }
    error = {"code": 403, "message": f"{service} has not been used", "status": "PERMISSION_DENIED", "details": [info]}
    return Reply(403, json.dumps({"error": error}).encode())


NO_INSTANCE = bad(404, "instanceDoesNotExist", "The Cloud SQL instance does not exist.")
NOT_FOUND = bad(404, "notFound", "Not found.")
DONE = ok({"name": "op-1", "status": "DONE", "operationType": "CREATE", "targetId": "db"})


@dataclass
class Sent:
    """One recorded request."""

    method: str
    path: str
    params: dict[str, Any]
    body: Any

    @property
    def line(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"


@dataclass
class FakeTransport:
    """Answers by "METHOD end-of-path"; of several answers each is given once, and the last one for good."""

    answers: dict[str, list[Answer]]
    sent: list[Sent] = field(default_factory=list)

    def send(
        self, method: str, url: str, params: Mapping[str, Any] | None, body: object, headers: Mapping[str, str]
    ) -> Reply:
        """See transport.Transport."""
        assert headers["Authorization"].startswith("Bearer ")
        path = unquote(url.split("/", 3)[3])
        self.sent.append(Sent(method, path, dict(params or {}), json.loads(json.dumps(body))))
        matching = [
            key
            for key in self.answers
            if f"{method} {path}".endswith(key.split(" ", 1)[1]) and key.startswith(f"{method} ")
        ]
        assert matching, f"nothing prepared for {method} {path}"
        queue = self.answers[max(matching, key=len)]
        answer = queue.pop(0) if len(queue) > 1 else queue[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def lines(self) -> list[str]:
        """All requests as "METHOD path"."""
        return [sent.line for sent in self.sent]

    @property
    def writes(self) -> list[Sent]:
        """What was sent to change something."""
        return [s for s in self.sent if s.method not in READS and not s.path.endswith(QUESTIONS)]


@dataclass
class FakeTime:
    """A clock that jumps instead of waiting; chance is always the most."""

    seconds: float = 0.0
    pauses: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        """Jump."""
        self.pauses.append(seconds)
        self.seconds += seconds

    def clock(self) -> Clock:
        """As the session takes it."""
        return Clock(now=lambda: self.seconds, wall=lambda: self.seconds, sleep=self.sleep, chance=lambda: 1.0)


@dataclass
class Cloud:
    """A client, with what it sent and how long it waited."""

    google: Google
    transport: FakeTransport
    time: FakeTime


def cloud(answers: Mapping[str, Answer | list[Answer]], budget: float = 120.0) -> Cloud:
    """A client whose requests get these answers."""
    prepared = {key: list(value) if isinstance(value, list) else [value] for key, value in answers.items()}
    transport, time = FakeTransport(prepared), FakeTime()
    session = Session(FixedToken("t0ken"), transport, time.clock(), budget)
    return Cloud(Google(session, GOOGLE, PROJECT), transport, time)
