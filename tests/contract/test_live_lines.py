"""What a person sees while Google takes its time: through ansible-playbook itself, line by line as it is printed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.contract.bench import PROJECT, Bench
from tests.contract.test_playbook import PROGRAMS, environment

_SECONDS = 60


@dataclass
class Run:
    """A running playbook of one task, and each line that it has printed with the second in which it came."""

    process: subprocess.Popen[str]
    temporary: Path
    started: float = field(default_factory=time.monotonic)
    lines: list[tuple[float, str]] = field(default_factory=list)

    def read(self) -> None:
        """Follow what is printed, until the end."""
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append((time.monotonic() - self.started, line.rstrip()))

    def seen(self, text: str) -> list[tuple[float, str]]:
        """The lines that begin so."""
        return [(when, line) for when, line in self.lines if line.startswith(text)]

    def until(self, text: str) -> str:
        """Wait for a line that begins so."""
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            running = self.process.poll() is None
            if found := self.seen(text):
                return found[0][1]
            if not running:
                break
            time.sleep(0.05)
        pytest.fail(f"no line {text!r}: {self.lines}")

    def end(self) -> float:
        """Wait for the end; when it was, in seconds from the start."""
        self.process.wait(_SECONDS)
        return time.monotonic() - self.started

    def left_over(self) -> list[str]:
        """Pipes and their folders below Ansible's temporary folder."""
        return [str(path) for path in self.temporary.rglob("live-*")]


@contextmanager
def running(bench: Bench, folder: Path, module: str, options: dict[str, Any], **keywords: Any) -> Iterator[Run]:
    """A playbook with one task; its options come from the action group's defaults, too."""
    common = {**bench.common, "access_token": bench.token()}
    task = {"name": "wait", f"mlflow_ops.gcp.{module}": options, **keywords}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task]}
    path = folder / "play.yml"
    path.write_text(yaml.safe_dump([play | {"module_defaults": {"group/mlflow_ops.gcp.all": common}}]))
    temporary = folder / "tmp"
    command = [str(PROGRAMS / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(path)]
    process = subprocess.Popen(
        command,
        env=environment(folder) | {"ANSIBLE_LOCAL_TEMP": str(temporary), "PYTHONUNBUFFERED": "1"},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    run = Run(process, temporary)
    reader = threading.Thread(target=run.read)
    reader.start()
    try:
        yield run
        reader.join(_SECONDS)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def strike(bench: Bench, **rule: Any) -> str:
    """Add a fault; its id."""
    reply = requests.post(f"{bench.management_url}faults", json=rule, timeout=10)
    reply.raise_for_status()
    (added,) = reply.json()["ids"]
    return str(added)


@pytest.fixture
def ready(fresh: Bench) -> Bench:
    """A project with its services on and nothing in it."""
    fresh.enable_all()
    return fresh


def operation(bench: Bench, kind: str) -> str:
    """The id of the one operation of a kind."""
    found = bench.google().get("sql", f"v1/projects/{PROJECT}/operations", instance="db")["items"]
    (name,) = [str(item["name"]) for item in found if item["operationType"] == kind]
    return name


def test_a_creation_is_seen_while_it_runs(ready: Bench, tmp_path: Path) -> None:
    strike(ready, operation="CREATE", action={"seconds": 7})
    with running(ready, tmp_path, "sql_instance", ready.INSTANCE) as run:
        line = run.until("sql_instance db: CREATE, operation ")
        assert run.process.poll() is None
        assert run.left_over() == []
        ended = run.end()
    seen = run.seen("sql_instance db: ")
    name = operation(ready, "CREATE")
    assert [text for _, text in seen] == [line, line.replace(", 2 s", ", 5 s")]
    assert line == f"sql_instance db: CREATE, operation {name}, 2 s"
    assert seen[1][0] - seen[0][0] == pytest.approx(3, abs=0.9)
    assert ended - seen[1][0] > 1
    assert run.process.returncode == 0
    assert run.left_over() == []


def test_a_failure_leaves_nothing_and_no_op_says_nothing(ready: Bench, tmp_path: Path) -> None:
    strike(ready, operation="CREATE", nth=1, action={"seconds": 3, "error": {"code": "INTERNAL_ERROR"}})
    with running(ready, tmp_path, "sql_instance", ready.INSTANCE) as failed:
        failed.end()
    assert failed.process.returncode == 2
    assert len(failed.seen("sql_instance db: CREATE, operation ")) == 1
    assert failed.left_over() == []
    with running(ready, tmp_path, "project_service", {"name": "sqladmin.googleapis.com"}) as quiet:
        quiet.end()
    assert quiet.process.returncode == 0
    assert quiet.seen("project_service") == []


@pytest.mark.parametrize("chosen", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_leaves_nothing_and_the_next_one_says_what_it_resumes(
    ready: Bench, tmp_path: Path, chosen: signal.Signals
) -> None:
    fault = strike(ready, operation="CREATE", action={"hold": True})
    with running(ready, tmp_path, "sql_instance", ready.INSTANCE) as stopped:
        stopped.until("sql_instance db: CREATE, operation ")
        # As a terminal does it for Ctrl-C: Ansible itself hears of it, its workers do by it.
        stopped.process.send_signal(chosen)
        stopped.end()
    assert stopped.left_over() == []
    with running(ready, tmp_path, "sql_instance", ready.INSTANCE) as second:
        line = second.until("sql_instance db: resumed operation ")
        assert second.process.poll() is None
        requests.post(f"{ready.management_url}faults/{fault}:release", timeout=10).raise_for_status()
        second.end()
    who = re.escape(ready.key["client_email"])
    expected = (
        rf"resumed operation {operation(ready, 'CREATE')} \(CREATE\), started by {who} at \d{{4}}-\d\d-\d\dT[^ ]*Z"
    )
    assert re.fullmatch(f"sql_instance db: {expected}", line)
    printed = " ".join(text for _, text in second.lines)
    assert re.search(rf"\[WARNING\]: .*instance db: {expected}", printed)
    assert "changed=0" in printed


def test_a_wait_that_google_asks_for_is_said(ready: Bench, tmp_path: Path) -> None:
    strike(ready, method="GET", path=".*/services/.*", nth=1, action={"status": 429, "retry_after": 3})
    with running(ready, tmp_path, "project_service", {"name": "sqladmin.googleapis.com"}) as run:
        run.end()
    assert run.process.returncode == 0
    ((_, line),) = run.seen("project_service sqladmin.googleapis.com: 429 ")
    assert line.endswith(" to GET /v1/projects/mlflow-sandbox/services/sqladmin.googleapis.com: asking again, 2 s")


@pytest.mark.parametrize("keywords", [{"no_log": True}, {"async": 30, "poll": 1}])
def test_a_task_that_is_hidden_or_in_the_background_runs_without(
    ready: Bench, tmp_path: Path, keywords: dict[str, Any]
) -> None:
    strike(ready, operation="CREATE", action={"seconds": 3})
    with running(ready, tmp_path, "sql_instance", ready.INSTANCE, **keywords) as run:
        run.end()
    assert run.process.returncode == 0, run.lines
    assert run.seen("sql_instance db: ") == []
