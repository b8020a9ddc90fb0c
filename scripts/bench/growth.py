"""What a plan of more instances costs: 1, 5 and 20 of them, each with a database and a user, all as they should be."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from sandbox.core.documents import Json
from scripts.bench.no_op import TOKENS
from scripts.bench.project import PLAYBOOKS, BenchError, Project

SIZES = (1, 5, 20)
_DATABASE, _USER = "app", "app"


@dataclass(frozen=True)
class Size:
    """So many instances were planned with so many reads in so many seconds."""

    instances: int
    reads: int
    seconds: float


def name_of(number: int) -> str:
    """An instance of the benchmark."""
    return f"bench-{number}"


def make(project: Project, instances: int) -> None:
    """The instances, two at a time: each has a PostgreSQL of its own."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda number: _make_one(project, number), range(instances)))


def _make_one(project: Project, number: int) -> None:
    operator, name = project.sandbox.operator, name_of(number)
    project.sandbox.create_instance(name)
    _done(operator.wait(operator.must("POST", f"instances/{name}/databases", {"name": _DATABASE})))
    user = {"name": _USER, "password": "correct-horse"}
    _done(operator.wait(operator.must("POST", f"instances/{name}/users", user)))


def _done(operation: Json) -> None:
    if "error" in operation:
        raise BenchError(f"the sandbox could not do {operation['operationType']}: {operation['error']}")


def measure(project: Project, say: Callable[[str], None]) -> list[Size]:
    """Plan each number of instances; 1 + 2N reads or fewer, and not one write."""
    found = []
    for size in SIZES:
        say(f"growth: a plan of {size} instances")
        run = project.play(PLAYBOOKS / "plan.yml", bench_resources=_resources(size))
        reads = sum(count for api, count in run.by_api().items() if api != TOKENS)
        if run.writes or reads > 1 + 2 * size:
            raise BenchError(f"a plan of {size} instances took {reads} reads and wrote {run.writes}")
        found.append(Size(size, reads, run.seconds))
    return found


def _resources(size: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(size):
        name = name_of(number)
        found += [
            {"module": "sql_instance", "params": {"name": name, "tier": "db-f1-micro", "region": "europe-west3"}},
            {"module": "sql_database", "params": {"instance": name, "name": _DATABASE}},
            {"module": "sql_user", "params": {"instance": name, "name": _USER}},
        ]
    return [{"owner": "bench", **entry} for entry in found]
