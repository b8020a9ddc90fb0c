"""`demo`: from nothing to training runs of a second machine, and the proof that database and bucket hold them."""

import argparse
from typing import Any

import requests

from sandbox import plays
from sandbox.machine import engine, evidence
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox, add_name, named
from sandbox.machine.progress import Progress
from sandbox.machine.up import Wishes, up
from sandbox.training import TrainingMachine

OPERATION_SECONDS = 0.6
"""Long enough to be seen, as Google's operations are."""

_MLFLOW_PORT = 5000
_DIRECT = ("--extra-vars", "mlflow_artifact_mode=direct")
_DIRECT_EXPERIMENT = "diabetes-progression-direct"


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
    card = up(sandbox, Wishes(operation_seconds=OPERATION_SECONDS, trainer=True), progress)
    times = {"sandbox": progress.seconds}
    times["site.yml"] = plays.run(sandbox, progress, "site.yml", "site.yml")
    times["site.yml again"] = _site_again(sandbox, card, progress)
    client = engine.connect()
    if client is None:
        raise SandboxError("The Docker engine went away: repeat the command.")
    machine = TrainingMachine(client, sandbox, card)
    machine.attach(None)
    times["playbooks/train.yml"] = plays.run(sandbox, progress, "playbooks/train.yml", "playbooks/train.yml")
    result, stored = machine.train(progress, "Training through the server, without a Google account")
    machine.attach(machine.account)
    plays.run(sandbox, progress, "site.yml, direct", "site.yml", *_DIRECT)
    plays.run(sandbox, progress, "playbooks/train.yml, direct", "playbooks/train.yml", *_DIRECT)
    machine.train(progress, "Training straight to the bucket", _DIRECT_EXPERIMENT)
    machine.is_refused(progress)
    _summary(progress, card, result, stored, times | {"all": progress.seconds})


def _site_again(sandbox: Sandbox, card: dict[str, Any], progress: Progress) -> float:
    before = _mutating(card)
    seconds = plays.run(sandbox, progress, "site.yml again", "site.yml")
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


def _summary(
    progress: Progress, card: dict[str, Any], result: dict[str, Any], stored: evidence.Counts, times: dict[str, float]
) -> None:
    url = f"http://{card['target']['host']}:{_MLFLOW_PORT}"
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
