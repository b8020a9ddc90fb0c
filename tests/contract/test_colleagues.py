"""Somebody else makes the same object between our reading and our writing: it is taken as it is, nothing is twice."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import session

from tests.contract.bench import PROJECT, Bench
from tests.contract.stage import faults, manage

P = f"/v1/projects/{PROJECT}"
SNAPSHOT = "colleagues"
INSTANCE: dict[str, Any] = {
    "name": "new",
    "databaseVersion": "POSTGRES_14",
    "region": "europe-west3",
    "settings": {"tier": "db-f1-micro", "edition": "ENTERPRISE", "dataDiskSizeGb": "10"},
}
# Module, its options, where it is made, and what somebody else sends there.
MADE: dict[str, tuple[dict[str, Any], str, dict[str, Any]]] = {
    "sql_instance": ({**Bench.INSTANCE, "name": "new"}, f"{P}/instances", INSTANCE),
    "sql_database": ({"instance": "db", "name": "mlflow"}, f"{P}/instances/db/databases", {"name": "mlflow"}),
    "sql_user": (
        {"instance": "db", "name": "mlflow_user", "password": "Ours-0123456789"},
        f"{P}/instances/db/users",
        {"name": "mlflow_user", "password": "Theirs-0123456789"},
    ),
    "secret": ({"name": "s"}, f"{P}/secrets?secretId=s", {"replication": {"automatic": {}}}),
    "service_account": ({"account_id": "mlflow-server"}, f"{P}/serviceAccounts", {"accountId": "mlflow-server"}),
    "bucket": (
        {"name": "colleagues-bucket", "location": "EUROPE-WEST3"},
        f"/storage/v1/b?project={PROJECT}",
        {"name": "colleagues-bucket", "location": "EUROPE-WEST3"},
    ),
}


@pytest.fixture
def project(furnished: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """All services on and the instance db; afterwards as before. The client waits little where chance decides."""
    manage(furnished, "POST", "snapshots", {"name": SNAPSHOT})
    monkeypatch.setattr(session, "Clock", partial(session.Clock, chance=lambda: 0.05))
    yield furnished
    manage(furnished, "POST", f"snapshots/{SNAPSHOT}:restore")
    manage(furnished, "DELETE", f"snapshots/{SNAPSHOT}")
    furnished.tokens.clear()


@pytest.mark.parametrize("module", MADE)
def test_somebody_else_is_faster(project: Bench, module: str) -> None:
    options, path, body = MADE[module]
    theirs = {"method": "POST", "path": path, "body": body}
    race = {"method": "POST", "path": path.partition("?")[0], "times": 1, "action": {"meanwhile": theirs}}
    with faults(project, race):
        project.run(module, **options)
    with project.without_writes():
        assert not project.run(module, **options)["changed"]
