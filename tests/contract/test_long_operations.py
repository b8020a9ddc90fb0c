"""Operations that take long, hang or are somebody else's: what a run says about them, and that the next one goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests

from tests.contract.bench import PROJECT, Bench, writes

P = f"v1/projects/{PROJECT}"


@contextmanager
def held(bench: Bench, kind: str) -> Iterator[str]:
    """A block in which operations of a kind hang; the address that lets them go on."""
    faults = f"{bench.management_url}faults"
    reply = requests.post(faults, json={"operation": kind, "action": {"hold": True}}, timeout=10)
    reply.raise_for_status()
    try:
        yield f"{faults}/{reply.json()['ids'][0]}:release"
    finally:
        requests.delete(faults, timeout=10).raise_for_status()


@pytest.fixture
def ready(fresh: Bench) -> Bench:
    """A project with its services on and nothing in it."""
    fresh.enable_all()
    return fresh


def told(captured: pytest.CaptureFixture[str]) -> str:
    """What a module warned about."""
    return " ".join(captured.readouterr().err.split())


def running(bench: Bench) -> dict[str, Any]:
    """The operation under way on the instance."""
    found = bench.google().get("sql", f"{P}/operations", instance="db")["items"]
    (operation,) = [one for one in found if one["status"] != "DONE"]
    return dict(operation)


def test_a_creation_that_hangs_is_one_line_and_the_next_run_waits_on(
    ready: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    with held(ready, "CREATE") as release:
        message = ready.fail("sql_instance", **ready.INSTANCE, timeout=1)
        operation = running(ready)
        assert f"CREATE of Cloud SQL instance db (operation {operation['name']} started by " in message
        assert "is still running after " in message
        assert "run again to wait for it; how long a run waits is timeout" in message
        threading.Timer(1.0, requests.post, [release], {"timeout": 10}).start()
        with ready.recorded() as asked:
            result = ready.run("sql_instance", **ready.INSTANCE)
    assert writes(asked) == []
    assert result["changed"] is False
    assert result["resource"]["state"] == "RUNNABLE"
    who, when = operation["user"], operation["startTime"]
    assert f"resumed operation {operation['name']} (CREATE), started by {who} at {when}" in told(capsys)


def test_a_change_waits_for_somebody_elses_and_is_planned_anew(
    ready: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    ready.run("sql_instance", **ready.INSTANCE)
    with held(ready, "UPDATE"):
        theirs = {"settings": {"userLabels": {"theirs": "yes"}}}
        ready.google().write("PATCH", "sql", f"{P}/instances/db", theirs)
        operation = running(ready)

        def let_go() -> None:
            requests.delete(f"{ready.management_url}faults", timeout=10)

        threading.Timer(1.0, let_go).start()
        result = ready.run("sql_instance", **ready.INSTANCE, user_labels={"ours": "yes"})
    assert result["changed"] is True
    assert result["resource"]["settings"]["userLabels"] == {"theirs": "yes", "ours": "yes"}
    assert f"resumed operation {operation['name']} (UPDATE)" in told(capsys)


@pytest.mark.parametrize("message", ["disk full", None])
def test_what_was_resumed_and_failed_is_told(
    ready: Bench, capsys: pytest.CaptureFixture[str], message: str | None
) -> None:
    error = {"code": "INTERNAL_ERROR"} | ({"message": message} if message else {})
    rule = {"operation": "CREATE", "nth": 1, "action": {"seconds": 2, "error": error}}
    requests.post(f"{ready.management_url}faults", json=rule, timeout=10).raise_for_status()
    body = {"name": "db", "region": "europe-west3", "databaseVersion": "POSTGRES_14"}
    settings = {"tier": "db-f1-micro", "edition": "ENTERPRISE"}
    ready.google().write("POST", "sql", f"{P}/instances", body | {"settings": settings})
    assert "FAILED" in ready.fail("sql_instance", **ready.INSTANCE)
    assert f", which failed: INTERNAL_ERROR{f': {message}' if message else ''}" in told(capsys)
