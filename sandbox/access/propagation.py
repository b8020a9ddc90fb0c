"""Eventual consistency on demand: how long a change of IAM takes until others see it, and writers who get in between.

Nothing runs in between: the next reader compares times, so a kill interrupts nothing. Without a delay (the default)
everything counts at once. Google promises minutes: https://cloud.google.com/iam/docs/access-change-propagation.
"""

import time

from sandbox.core.documents import Json
from sandbox.core.store import Store

PROPAGATION = "propagation"
SETTINGS = "settings"
NOT_FOUND = 404
# Key of a policy -> what was in force before it, each until its time.
FORMER_POLICIES = "former_policies"
# E-mail of a new account, name of a new custom role -> when others see it.
UNSEEN = "unseen"


def configure(store: Store, changes: Json) -> Json:
    """Change some of the settings; all of them as they are now."""
    settings = current(store) | changes
    store.put(PROPAGATION, SETTINGS, settings)
    return settings


def current(store: Store) -> Json:
    """`seconds` of delay, HTTP status of an `unseen_account`, reads still to be followed by `other_writers`."""
    return {"seconds": 0, "unseen_account": NOT_FOUND, "other_writers": 0} | (store.get(PROPAGATION, SETTINGS) or {})


def delay_policy(store: Store, key: str, former: Json) -> None:
    """Let a policy that is being replaced stay in force for the delay; without one, end what still waits."""
    if not (seconds := current(store)["seconds"]):
        store.delete(FORMER_POLICIES, key)
    else:
        now = time.time()
        waiting = [one for one in _former(store, key) if one["until"] > now]
        store.put(FORMER_POLICIES, key, {"policies": [*waiting, {"until": now + seconds, "policy": former}]})


def policy_in_force(store: Store, key: str, written: Json) -> Json:
    """The policy that counts now: the one `written`, or the oldest that it or its successors wait for."""
    now = time.time()
    waiting: Json | None = next((one["policy"] for one in _former(store, key) if one["until"] > now), None)
    return written if waiting is None else waiting


def hide(store: Store, name: str) -> None:
    """Hide a new account or role from everybody for the delay."""
    store.put(UNSEEN, name, {"until": time.time() + current(store)["seconds"]})


def is_seen(store: Store, name: str) -> bool:
    """Whether others see the account or role by now."""
    unseen = store.get(UNSEEN, name)
    return unseen is None or unseen["until"] <= time.time()


def takes_turn(store: Store) -> int:
    """Whether somebody else writes the policy that is just being read: the number of the turn, 0 for no."""
    left: int = current(store)["other_writers"]
    if left:
        configure(store, {"other_writers": left - 1})
    return left


def _former(store: Store, key: str) -> list[Json]:
    policies: list[Json] = (store.get(FORMER_POLICIES, key) or {"policies": []})["policies"]
    return policies
