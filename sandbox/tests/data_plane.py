"""The management port's side of port 3307, for tests of what clients do when something goes wrong there."""

import time
from typing import Any

import requests

from sandbox.core.documents import Json
from sandbox.tests.running import Sandbox


class DataPlane:
    """Faults, sessions and certificates of a sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url = f"{sandbox.management}/data-plane"

    def sessions(self) -> list[Json]:
        """The open sessions, oldest first."""
        found: list[Json] = requests.get(self._url, timeout=10).json()["sessions"]
        return found

    def faults(self) -> list[Json]:
        """The rules in force."""
        found: list[Json] = requests.get(f"{self._url}/faults", timeout=10).json()
        return found

    def fault(self, action: Any, **rule: Any) -> str:
        """Put a rule in force; its id."""
        reply = requests.post(f"{self._url}/faults", json=rule | {"action": action}, timeout=10)
        reply.raise_for_status()
        return str(reply.json()["ids"][0])

    def release(self, rule: str) -> int:
        """Let what a rule holds go on; how many sessions."""
        reply = requests.post(f"{self._url}/faults/{rule}:release", timeout=10)
        return int(reply.json()["released"])

    def delete(self, rule: str) -> None:
        """Forget one rule."""
        requests.delete(f"{self._url}/faults/{rule}", timeout=10).raise_for_status()

    def refusal(self, body: Json, path: str = "faults") -> str:
        """What the management port says to a body that makes no sense."""
        reply = requests.post(f"{self._url}/{path}", json=body, timeout=10)
        assert reply.status_code == 400, reply.text
        return str(reply.json()["error"])

    def clear(self) -> None:
        """No faults."""
        requests.delete(f"{self._url}/faults", timeout=10).raise_for_status()

    def kill(self, instance: str | None = None) -> int:
        """Reset open sessions; how many."""
        reply = requests.post(f"{self._url}/kill", json={"instance": instance} if instance else {}, timeout=10)
        return int(reply.json()["killed"])

    def certificates(self, seconds: float | None = None) -> None:
        """How long new ephemeral certificates live (None: Cloud SQL's hour)."""
        body = {} if seconds is None else {"seconds": seconds}
        requests.post(f"{self._url}/certificates", json=body, timeout=10).raise_for_status()

    def wait_for_sessions(self, number: int) -> None:
        """Until so many sessions are open."""
        deadline = time.monotonic() + 10
        while len(self.sessions()) != number:
            assert time.monotonic() < deadline, self.sessions()
            time.sleep(0.05)
