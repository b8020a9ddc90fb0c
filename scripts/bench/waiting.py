"""How much longer than an operation a module waits for it: at most a second and a twentieth of its length."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.credentials import FixedToken
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.endpoints import resolve_endpoints
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import Session
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.transport import PooledTransport

from sandbox.tests.running import PROJECT
from scripts.bench.growth import name_of
from scripts.bench.project import BenchError, Project

LENGTHS = (2.0, 10.0, 30.0)


@dataclass(frozen=True)
class Wait:
    """An operation's length by the server's clock, and how long after its end the wait for it was over."""

    seconds: float
    over: float
    polls: int

    @property
    def allowed(self) -> float:
        """What the wait may cost."""
        return 1.0 + 0.05 * self.seconds


def measure(project: Project, say: Callable[[str], None]) -> list[Wait]:
    """Wait for operations of each length, side by side."""
    say(f"waiting: operations of {', '.join(f'{seconds:.0f}' for seconds in LENGTHS)} s")
    for number, seconds in enumerate(LENGTHS):
        project.strike(instance=name_of(number), operation="UPDATE", action={"seconds": seconds})
    with ThreadPoolExecutor(len(LENGTHS)) as pool:
        found = list(pool.map(lambda number: _one(project, number), range(len(LENGTHS))))
    for wait in found:
        if wait.over > wait.allowed:
            raise BenchError(f"an operation of {wait.seconds:.1f} s was noticed {wait.over:.2f} s after its end")
    return found


def _one(project: Project, number: int) -> Wait:
    name = name_of(number)
    token = FixedToken(project.sandbox.operator.token)
    address = f"{project.sandbox.url}/"
    google = Google(Session(token, PooledTransport()), resolve_endpoints({"sql": address}, {}), PROJECT)
    body = {"settings": {"userLabels": {"bench": "yes"}}}
    cloud_sql.write(google, "PATCH", cloud_sql.instance_path(google, name), name, body=body)
    ended = google.clock.wall()
    (operation,) = [
        one
        for one in google.get("sql", f"{cloud_sql.project_path(google)}/operations", instance=name)["items"]
        if one["operationType"] == "UPDATE"
    ]
    polls = [one for one in project.sandbox.requests() if one["path"].endswith(f"/operations/{operation['name']}")]
    begun, over = (_moment(operation[key]) for key in ("insertTime", "endTime"))
    return Wait(over - begun, ended - over, len(polls))


def _moment(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
