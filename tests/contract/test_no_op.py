"""What a run that finds nothing to change asks of Google, counted by the recorder. `make bench` adds the seconds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.contract.bench import PROJECT, Bench, writes
from tests.contract.test_project import SERVER, declared, with_password

P = f"/v1/projects/{PROJECT}"
SIZES = (1, 5)


@pytest.fixture(scope="module")
def complete(emulator: Bench) -> Bench:
    """A project with everything that an MLflow server needs."""
    emulator.reset()
    for entry in declared():
        emulator.run(entry["module"], **with_password(entry))
    return emulator


@pytest.fixture(scope="module")
def many(complete: Bench) -> Bench:
    """More instances beside the project's own, each with a database and a user."""
    for entry in instances(max(SIZES)):
        complete.run(entry["module"], **with_password(entry))
    return complete


def instances(size: int) -> list[dict[str, Any]]:
    """The project's instance and others like it, with what is in them."""
    found: list[dict[str, Any]] = []
    for name in ["db", *(f"db-{number}" for number in range(1, size))]:
        found += [
            {"module": "sql_instance", "params": {**Bench.INSTANCE, "name": name}},
            {"module": "sql_database", "params": {"instance": name, "name": "mlflow"}},
            {"module": "sql_user", "params": {"instance": name, "name": "mlflow_user"}},
        ]
    return [{"owner": "team", **entry} for entry in found]


def test_every_object_is_asked_for_once_with_one_token_and_nothing_is_written(complete: Bench) -> None:
    before = len(complete.requests())
    again = complete.run("plan", resources=declared(), credentials_contents=json.dumps(complete.key))
    asked = complete.requests()[before:]
    assert again["pending_owners"] == []
    assert writes(asked) == []
    assert sorted(f"{one['method']} {one['path']}" for one in asked) == [
        "GET /storage/v1/b/df_traffic_cyclist1",
        "GET /storage/v1/b/df_traffic_cyclist1/iam",
        f"GET {P}/instances/db",
        f"GET {P}/instances/db/databases/mlflow",
        f"GET {P}/instances/db/users",
        f"GET {P}/secrets/mlflow-db-password",
        f"GET {P}/secrets/mlflow-db-password/versions/latest",
        f"GET {P}/secrets/mlflow-db-password:getIamPolicy",
        f"GET {P}/serviceAccounts/{SERVER.removeprefix('serviceAccount:').replace('@', '%40')}",
        f"GET {P}/services:batchGet",
        "POST /token",
        f"POST {P}:getIamPolicy",
    ]
    print(f"[no-op] a complete project: {len(asked) - 1} reads, 1 token, 0 writes")


@pytest.mark.parametrize("size", SIZES)
def test_a_plan_of_many_instances_grows_by_two_reads_each(many: Bench, size: int) -> None:
    with many.recorded() as asked:
        planned = many.run("plan", resources=instances(size))
    assert planned["pending_owners"] == []
    assert writes(asked) == []
    assert len(asked) == 1 + 2 * size
    print(f"[no-op] a plan of {size} instances, each with database and user: {len(asked)} reads")


@pytest.mark.parametrize("entry", declared(), ids=lambda entry: entry["module"])
def test_a_module_that_has_nothing_to_do_writes_nothing(complete: Bench, entry: dict[str, Any]) -> None:
    with complete.without_writes():
        assert complete.run(entry["module"], **with_password(entry))["changed"] is False
