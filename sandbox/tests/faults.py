"""Sets faults on a running sandbox, and waits until one holds something."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests

from sandbox.core.documents import Json
from sandbox.tests.running import Sandbox

PATIENCE = 10


@contextmanager
def faults(sandbox: Sandbox, *rules: Json) -> Iterator[list[str]]:
    """Rules in force within the block; their ids."""
    reply = requests.post(f"{sandbox.management}/faults", json={"rules": rules}, timeout=10)
    assert reply.ok, reply.text
    try:
        yield reply.json()["ids"]
    finally:
        requests.delete(f"{sandbox.management}/faults", timeout=10).raise_for_status()


def refused(sandbox: Sandbox, rule: Any) -> str:
    """What is said to a rule that makes no sense."""
    reply = requests.post(f"{sandbox.management}/faults", json=rule, timeout=10)
    assert reply.status_code == 400, reply.text
    return str(reply.json()["error"])


def rule(sandbox: Sandbox, number: int = 0) -> Json:
    """What became of a rule in force."""
    found: Json = requests.get(f"{sandbox.management}/faults", timeout=10).json()[number]
    return found


def held(sandbox: Sandbox, number: int = 0) -> Json:
    """The first thing that a rule holds, once it does."""
    deadline = time.monotonic() + PATIENCE
    while not (found := rule(sandbox, number)["held"]):
        assert time.monotonic() < deadline, "nothing came to be held"
        time.sleep(0.01)
    first: Json = found[0]
    return first


def release(sandbox: Sandbox, identity: str) -> int:
    """Let go on what a rule holds; how many."""
    reply = requests.post(f"{sandbox.management}/faults/{identity}:release", timeout=10)
    assert reply.ok, reply.text
    return int(reply.json()["released"])
