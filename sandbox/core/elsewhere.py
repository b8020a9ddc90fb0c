"""Names that this project cannot have: buckets of other owners, and Cloud SQL instances deleted within the last week.

Nothing else of the outside world exists here; a test declares them on the management port.
"""

from collections.abc import Iterable

from sandbox.core.store import Store

ELSEWHERE = "elsewhere"
KINDS = ("buckets", "instances")


def declare(store: Store, kind: str, names: Iterable[str]) -> None:
    """Let these names be taken."""
    for name in names:
        store.put(ELSEWHERE, f"{kind}/{name}", {})


def is_elsewhere(store: Store, kind: str, name: str) -> bool:
    """Whether the name is taken outside of this project."""
    return store.has(ELSEWHERE, f"{kind}/{name}")
