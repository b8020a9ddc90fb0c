"""Port 3307 from the inside: its open sessions, its faults, and how long ephemeral certificates live."""

import datetime as dt

from sandbox.cloudsql.engine import INSTANCES
from sandbox.cloudsql.listener import CERTIFICATE_LIFETIME
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError

# Certificates carry whole seconds.
SHORTEST_LIFE = 1


async def show(world: World, _: Json) -> Json:
    """The open sessions, oldest first, and how long new certificates live."""
    listener = world.listener
    sessions = sorted((session.as_json() for session in listener.sessions()), key=lambda one: str(one["since"]))
    return {"sessions": sessions, "certificateSeconds": listener.certificate_lifetime.total_seconds()}


async def list_faults(world: World, _: Json) -> list[Json]:
    """The rules in force: how many sessions each has seen, how many it struck, and what it holds now."""
    return world.listener.faults.as_json()


async def add_faults(world: World, body: Json) -> Json:
    """One rule, or {"rules": [...]}, as /faults has them; their points and actions are in data_plane_faults.py."""
    rules = body.get("rules", [body])
    if "rules" in body and len(body) > 1:
        raise RefusedError("`rules` stands alone: every other key belongs into one of them.")
    if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
        raise RefusedError("`rules` must be a list of rules.")
    for rule in rules:
        _check_instance(world, rule)
    ids = world.listener.faults.add(rules)
    world.listener.follow_faults()
    return {"ids": ids}


async def clear_faults(world: World, _: Json) -> Json:
    """Forget all rules; what they hold goes on."""
    world.listener.faults.clear()
    world.listener.follow_faults()
    return {"status": "ok"}


async def delete_fault(world: World, body: Json) -> Json:
    """Forget one rule; what it holds goes on."""
    _check_rule(world, body["id"])
    world.listener.faults.delete(body["id"])
    world.listener.follow_faults()
    return {"status": "ok"}


async def release(world: World, body: Json) -> Json:
    """Let what the rule holds go on. The rule stays in force."""
    _check_rule(world, body["id"])
    return {"released": world.listener.faults.holds.release(body["id"])}


async def kill(world: World, body: Json) -> Json:
    """{"instance": name}, or {} for all: reset the open sessions now. Answers how many."""
    _check_instance(world, body)
    return {"killed": world.listener.kill(body.get("instance", ""))}


async def set_certificates(world: World, body: Json) -> Json:
    """{"seconds": S}: how long ephemeral certificates live that are issued from now on; {} for Cloud SQL's hour."""
    seconds = body.get("seconds", CERTIFICATE_LIFETIME.total_seconds())
    longest = CERTIFICATE_LIFETIME.total_seconds()
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not SHORTEST_LIFE <= seconds <= longest:
        raise RefusedError(f"`seconds` must be a number from {SHORTEST_LIFE} to {longest:.0f}.")
    world.listener.certificate_lifetime = dt.timedelta(seconds=seconds)
    return {"certificateSeconds": seconds}


def _check_rule(world: World, rule: str) -> None:
    if not world.listener.faults.has(rule):
        raise RefusedError(f"There is no rule {rule}: GET /data-plane/faults lists those in force.")


def _check_instance(world: World, body: Json) -> None:
    name = body.get("instance", "")
    if name and not world.store.has(INSTANCES, str(name)):
        raise RefusedError(f"There is no instance {name!r}: {', '.join(world.store.keys(INSTANCES)) or 'none at all'}.")


ROUTES = [
    ManagementRoute("GET", "/data-plane", show),
    ManagementRoute("GET", "/data-plane/faults", list_faults),
    ManagementRoute("POST", "/data-plane/faults", add_faults),
    ManagementRoute("DELETE", "/data-plane/faults", clear_faults),
    ManagementRoute("DELETE", "/data-plane/faults/{id}", delete_fault),
    ManagementRoute("POST", "/data-plane/faults/{id}:release", release),
    ManagementRoute("POST", "/data-plane/kill", kill),
    ManagementRoute("POST", "/data-plane/certificates", set_certificates),
]
