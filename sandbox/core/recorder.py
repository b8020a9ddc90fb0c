"""What was asked of the emulated APIs, so that tests can say "the second run changed nothing"."""

from collections import deque
from dataclasses import asdict, dataclass

from sandbox.core.documents import Json

KEPT = 50_000


@dataclass(frozen=True)
class RecordedRequest:
    """One request and its answer. `mutating` says the intent: a refused write is mutating too.

    `fault` names the rule that struck it and what the rule did; the status is then what the client got, or would have.
    """

    time: str
    principal: str | None
    method: str
    path: str
    query: str
    status: int
    mutating: bool
    fault: str | None = None


class Recorder:
    """The last requests, in memory only."""

    def __init__(self) -> None:
        self._requests: deque[RecordedRequest] = deque(maxlen=KEPT)

    def add(self, request: RecordedRequest) -> None:
        """Remember one request; the oldest beyond 50,000 is forgotten."""
        self._requests.append(request)

    def clear(self) -> None:
        """Forget them all."""
        self._requests.clear()

    def as_json(self) -> list[Json]:
        """Oldest first."""
        return [asdict(request) for request in self._requests]
