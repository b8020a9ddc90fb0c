"""Faults of port 3307 on demand, in the language of sandbox/core/fault_rules.py. A reset and a restart forget them.

A session passes four points: `connection` (TCP is there, nothing is known of the client), `certificate` (the client
has said in TLS whom it looks for; old ones and connectors of some languages do not), `handshake` (TLS is done, the
client's certificate has told the instance) and `startup` (the client has sent PostgreSQL's start-up message).
"""

import asyncio
import enum
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from sandbox.core.documents import Json
from sandbox.core.fault_rules import Rule, RuleError, count, only, types
from sandbox.core.rule_book import RuleBook

LISTED = "`action` must be an object, or a list of them that is gone through hit by hit."
KEYS = {"at", "instance", "nth", "times", "action"}


class CutError(Exception):
    """A rule says that the connection is to be reset."""


class Point(enum.StrEnum):
    """Where in a session a rule strikes."""

    CONNECTION = "connection"
    CERTIFICATE = "certificate"
    HANDSHAKE = "handshake"
    STARTUP = "startup"


class CertificateFault(enum.StrEnum):
    """What is wrong with the server certificate."""

    EXPIRED = "expired"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Action:
    """What happens to a session at a rule's point.

    `refuse` closes the port (at `connection`), `certificate` says what is wrong with the server's (at `certificate`);
    the others combine, in this order: wait, wait until released, reset the TCP connection.
    """

    refuse: bool = False
    certificate: CertificateFault | None = None
    delay: float = 0
    hold: bool = False
    reset: bool = False


class Faults(RuleBook):
    """The rules of port 3307."""

    def __init__(self) -> None:
        super().__init__("d", parse)

    @property
    def refuses(self) -> bool:
        """Whether the port is to be closed."""
        return any(action.refuse for rule in self.rules.values() for action in rule.actions)

    def certificate(self, instance: str) -> CertificateFault | None:
        """What is wrong with the server certificate of this handshake ("" where the client names no instance)."""
        struck = self.strike({"at": Point.CERTIFICATE, "instance": instance})
        if struck is None:
            return None
        action: Action = struck[1]
        return action.certificate

    async def meet(self, point: Point, instance: str = "", gone: Callable[[], bool] = lambda: False) -> None:
        """Let happen what the rules say of this point; `gone` says that the client waits no more. Raises CutError."""
        struck = self.strike({"at": point, "instance": instance})
        if struck is None:
            return
        rule, action = struck
        await asyncio.sleep(action.delay)
        if action.hold:
            await self.hold(rule, {"at": point, "instance": instance}, gone)
        if action.reset:
            raise CutError(f"{rule}: reset at {point}")


def parse(given: Json) -> Rule:
    """A rule from JSON. Raises RuleError for what is misspelt, contradicts itself or can never strike."""
    only(given, KEYS, "A rule for the data plane")
    point = given.get("at", Point.CONNECTION)
    if point not in list(Point):
        raise RuleError(f"`at` {point!r} must be one of {', '.join(Point)}.")
    listed = given["action"] if isinstance(given.get("action"), list) else [given.get("action")]
    actions = [_action(one, Point(point), given) for one in listed]
    if not actions:
        raise RuleError(LISTED)
    rule = Rule("", given, actions, patterns={"at": re.compile(point)})
    if instance := given.get("instance"):
        rule.patterns["instance"] = re.compile(re.escape(str(instance)))
    rule.first = count(given, "nth") or 1
    times = len(actions) if isinstance(given["action"], list) else count(given, "times")
    rule.strikes = times or (1 if "nth" in given else None)
    return rule


def _action(given: Any, point: Point, rule: Json) -> Action:
    if not isinstance(given, dict):
        raise RuleError(LISTED)
    only(given, {one.name for one in fields(Action)}, "An action for the data plane")
    types(given, {"refuse": bool, "certificate": str, "delay": (int, float), "hold": bool, "reset": bool})
    _check_connection(given, point, rule)
    _check_certificate(given, point)
    certificate = given.get("certificate")
    return Action(**given | {"certificate": CertificateFault(certificate) if certificate else None})


def _check_connection(given: Json, point: Point, rule: Json) -> None:
    if point is Point.CONNECTION and rule.get("instance"):
        raise RuleError(
            "All instances share port 3307, so a bare connection does not say which one it is for: leave `instance` "
            f"out, or strike `at` {Point.HANDSHAKE}."
        )
    counts = not {"nth", "times"}.isdisjoint(rule) or isinstance(rule["action"], list)
    if given.get("refuse") and (point is not Point.CONNECTION or len(given) > 1 or counts):
        raise RuleError(
            "`refuse` closes the port until the rule goes: `at` connection, alone, without `nth`, `times` or a list."
        )


def _check_certificate(given: Json, point: Point) -> None:
    if ("certificate" in given) is not (point is Point.CERTIFICATE):
        raise RuleError(f"`certificate` is what goes wrong `at` {Point.CERTIFICATE}, and nothing else does.")
    if point is Point.CERTIFICATE and (len(given) > 1 or given["certificate"] not in list(CertificateFault)):
        raise RuleError(f"`certificate` must be one of {', '.join(CertificateFault)}, alone.")
