"""`demo`: from nothing to a logged training run, and the proof that the database and the bucket hold it."""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import docker
import requests

from sandbox.machine import engine, evidence, files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox, add_name, named
from sandbox.machine.images import MLFLOW
from sandbox.machine.progress import Progress, Step
from sandbox.machine.up import Wishes, up

OPERATION_SECONDS = 0.6
"""Long enough to be seen, as Google's operations are."""

_TASK = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?P<name>.*)\] \*+")
_PLAY = re.compile(r"PLAY \[(?P<name>.*)\] \*+")
_RESULT = re.compile(r"(?P<status>changed|fatal|failed): \[")
_RECAP = re.compile(r"^(?P<host>\S+)\s*: (?P<counts>ok=.*)")
_MLFLOW_PORT = 5000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `demo`."""
    add_name(parser)


def run(arguments: argparse.Namespace) -> int:
    """`python -m sandbox demo`."""
    with Progress() as progress:
        demo(named(arguments), progress)
    return 0


def demo(sandbox: Sandbox, progress: Progress) -> None:
    """Everything, in order; the first thing that is not as it should be ends it with one line."""
    card = up(sandbox, Wishes(operation_seconds=OPERATION_SECONDS), progress)
    times = {"sandbox": progress.seconds}
    times["site.yml"] = _site(sandbox, progress, "site.yml")
    times["site.yml again"] = _site_again(sandbox, card, progress)
    client = engine.connect()
    if client is None:
        raise SandboxError("The Docker engine went away: repeat the command.")
    url = f"http://{card['target']['host']}:{_MLFLOW_PORT}"
    result = _train(client, sandbox, url, progress)
    with progress.step("Read PostgreSQL and the bucket themselves") as step:
        logged, stored = evidence.Counts.logged(result), evidence.stored(card, result["run_id"])
        if logged != stored:
            raise SandboxError(f"Logged were {logged}; PostgreSQL and the bucket hold {stored}.")
        step.outcome = "equal to what was logged"
    _summary(progress, url, result, stored, times | {"all": progress.seconds})


def _site(sandbox: Sandbox, progress: Progress, title: str) -> float:
    """Run site.yml; shows plays, what changed and what failed, and keeps all it said in a log."""
    log = sandbox.private / "site.log"
    said: list[str] = []
    with progress.step(title) as step:
        started = time.monotonic()
        show = _Compact(progress, step)

        def on_line(line: str) -> None:
            said.append(line)
            show(line)

        command = [str(Path(sys.executable).parent / "ansible-playbook"), "site.yml"]
        environment = {"SANDBOX_NAME": sandbox.name, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        code, _ = processes.stream(command, sandbox.id, env=environment, cwd=sandbox.checkout, on_line=on_line)
        files.write(log, "\n".join(said) + "\n", mode=0o600)
        if code:
            raise SandboxError(f"ansible-playbook site.yml ended with {code}; all it said: {log}")
        step.outcome = show.recap
        return time.monotonic() - started


def _site_again(sandbox: Sandbox, card: dict[str, Any], progress: Progress) -> float:
    before = _mutating(card)
    seconds = _site(sandbox, progress, "site.yml again")
    sent = _mutating(card) - before
    if sent or "changed=0" not in progress.outcomes["site.yml again"]:
        outcome = progress.outcomes["site.yml again"]
        raise SandboxError(f"The second run was to change nothing: {outcome}, {sent} mutating requests.")
    return seconds


def _mutating(card: dict[str, Any]) -> int:
    with requests.Session() as session:
        session.trust_env = False
        recorded = session.get(f"{card['management_url']}/requests", timeout=30).json()
    return sum(1 for request in recorded if request["mutating"])


def _train(client: docker.DockerClient, sandbox: Sandbox, url: str, progress: Progress) -> dict[str, Any]:
    """Run the training program in a container beside the target, as a data scientist's machine would be."""
    program = Path(__file__).with_name("training_run.py")
    with progress.step("Training run") as step:
        container = client.containers.create(
            MLFLOW,
            ["python", "/training_run.py", url],
            labels={**sandbox.labels, f"{LABEL}.part": "temporary"},
            network=sandbox.id,
            user="65534:65534",
            environment={"HOME": "/home/trainer", "TMPDIR": "/home/trainer", "GIT_PYTHON_REFRESH": "quiet"},
            tmpfs={"/home/trainer": "mode=1777"},
            volumes={str(program): {"bind": "/training_run.py", "mode": "ro"}},
        )
        try:
            container.start()
            status = container.wait()["StatusCode"]
            printed = container.logs(stdout=True, stderr=False).decode().strip().splitlines()
            if status or not printed:
                last = container.logs(tail=1).decode(errors="replace").strip()
                raise SandboxError(f"The training run ended with {status}: {last}")
        finally:
            container.remove(force=True, v=True)
        result: dict[str, Any] = json.loads(printed[-1])
        step.outcome = f"run {result['run_id']}, read back equal"
        return result


def _summary(
    progress: Progress, url: str, result: dict[str, Any], stored: evidence.Counts, times: dict[str, float]
) -> None:
    page = f"{url}/#/experiments/{result['experiment_id']}/runs/{result['run_id']}"
    lines = [
        "",
        f"MLflow   {url}",
        f"Run      {result['run_id']}",
        f"         {page}",
        f"Stored   {stored}",
        f"Times    {', '.join(f'{name} {seconds:.1f} s' for name, seconds in times.items())}",
    ]
    for line in lines:
        progress.say(line)


class _Compact:
    """Shows of Ansible's output the plays, the tasks that changed something, failures in full, and the recap."""

    def __init__(self, progress: Progress, step: Step) -> None:
        self._say: Callable[[str], None] = progress.say
        self._step = step
        self._task = self._shown = ""
        self._in_failure = False
        self.recap = ""

    def __call__(self, line: str) -> None:
        if play := _PLAY.match(line):
            self._say(f"{'':>8}  play {play['name']}")
        elif task := _TASK.match(line):
            self._task = self._step.doing = task["name"]
            self._in_failure = False
        elif result := _RESULT.match(line):
            self._in_failure = result["status"] != "changed"
            if self._in_failure:
                self._say(f"{'':>10}{line}")
            elif self._task != self._shown:  # a task with many items is one line
                self._say(f"{'':>10}changed  {self._task}")
                self._shown = self._task
        elif recap := _RECAP.match(line):
            self._in_failure = False
            self.recap = "; ".join(
                filter(None, [self.recap, f"{recap['host']} {' '.join(recap['counts'].split()[:2])}"])
            )
        elif self._in_failure or line.startswith(("[WARNING]", "[ERROR]", "ERROR")):
            self._say(f"{'':>10}{line}")
