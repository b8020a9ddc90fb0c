"""Which service account is attached to a machine besides the target VM.

At Google that is a setting of the machine (Compute Engine, which is not emulated): here the management port says it.
"""

from sandbox.core.store import Store

MACHINES = "machines"


def attach(store: Store, address: str, account: str | None) -> None:
    """Attach an account to the machine at an address in place of the one before; None: no account."""
    if account is None:
        store.delete(MACHINES, address)
    else:
        store.put(MACHINES, address, {"account": account})


def attached(store: Store) -> dict[str, str]:
    """Account by address."""
    return {address: machine["account"] for address, machine in store.items(MACHINES)}
