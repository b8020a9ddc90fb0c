"""Which Google APIs are switched on. Switching takes an operation's time and then takes effect by itself.

Nothing runs in between (the next reader lets it take effect), so a kill interrupts nothing.
"""

import time

from sandbox.core.documents import Json
from sandbox.core.store import Store

SERVICES = "services"
SWITCHES = "service_operations"
DISABLE = "DisableService"
FIRST_SERVICES = (
    "serviceusage.googleapis.com",
    "storage.googleapis.com",
    "storage-api.googleapis.com",
    "storage-component.googleapis.com",
)
"""What is on in a fresh project."""


def is_enabled(store: Store, service: str) -> bool:
    """Whether the service answers now."""
    settle(store)
    return store.has(SERVICES, service)


def enable(store: Store, service: str) -> None:
    """Switch it on at once."""
    store.put(SERVICES, service, {"state": "ENABLED"})


def settle(store: Store) -> None:
    """Let switches whose time has come take effect, in the order they were asked for."""
    for name, switch in list(store.items(SWITCHES)):
        if not switch["done"] and switch["until"] <= time.time():
            _apply(store, switch)
            store.put(SWITCHES, name, switch | {"done": True})


def _apply(store: Store, switch: Json) -> None:
    for service in switch["services"]:
        if switch["kind"] == DISABLE:
            store.delete(SERVICES, service)
        else:
            enable(store, service)
