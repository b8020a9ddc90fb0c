"""Faults of the APIs on demand: README.md ("Faults") has the language with examples.

Those of port 3307 are /data-plane's.
"""

from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


async def list_faults(world: World, _: Json) -> list[Json]:
    """The rules in force: how many matching calls each has seen, how many it struck, and what it holds now."""
    return world.faults.as_json()


async def add_faults(world: World, body: Json) -> Json:
    """One rule, or {"rules": [...]}: all are put in force, or none."""
    rules = body.get("rules", [body])
    if "rules" in body and len(body) > 1:
        raise RefusedError("`rules` stands alone: every other key belongs into one of them.")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise RefusedError("`rules` must be a list of rules.")
    return {"ids": world.faults.add(rules)}


async def clear_faults(world: World, _: Json) -> Json:
    """Forget all rules; what they hold goes on."""
    world.faults.clear()
    return {"status": "ok"}


async def delete_fault(world: World, body: Json) -> Json:
    """Forget one rule; what it holds goes on."""
    _require(world, body["id"])
    world.faults.delete(body["id"])
    return {"status": "ok"}


async def release(world: World, body: Json) -> Json:
    """Let what the rule holds go on. The rule stays in force."""
    _require(world, body["id"])
    return {"released": world.faults.holds.release(body["id"])}


def _require(world: World, rule: str) -> None:
    if not world.faults.has(rule):
        raise RefusedError(f"There is no rule {rule}: GET /faults lists those in force.")


ROUTES = [
    ManagementRoute("GET", "/faults", list_faults),
    ManagementRoute("POST", "/faults", add_faults),
    ManagementRoute("DELETE", "/faults", clear_faults),
    ManagementRoute("DELETE", "/faults/{id}", delete_fault),
    ManagementRoute("POST", "/faults/{id}:release", release),
]
