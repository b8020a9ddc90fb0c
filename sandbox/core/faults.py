"""Faults on demand: the rules in force, which of them strikes, and what they hold.

In memory: a reset and a restart forget them, and so does whoever set them (DELETE /faults).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.core.documents import Json
from sandbox.core.fault_rules import Action, OperationAction, Rule, describe, parse
from sandbox.core.holds import Holds


@dataclass(frozen=True)
class Hit:
    """A request that a rule strikes."""

    rule: str
    action: Action

    def __str__(self) -> str:
        """For the recorder: the rule and what it does."""
        return f"{self.rule}: {describe(self.action)}"


@dataclass(frozen=True)
class OperationHit:
    """An operation that a rule strikes."""

    rule: str
    action: OperationAction


class Faults:
    """All rules, oldest first, and what they hold."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._numbers = itertools.count(1)
        self.holds = Holds()

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self._rules)

    def add(self, given: list[Json]) -> list[str]:
        """Add rules, all or none; their ids."""
        rules = [parse(rule) for rule in given]
        for rule in rules:
            rule.id = f"f{next(self._numbers)}"
            self._rules[rule.id] = rule
        return [rule.id for rule in rules]

    def clear(self) -> None:
        """Forget all rules; what they hold goes on."""
        self._rules.clear()
        self.holds.release()

    def delete(self, rule: str) -> None:
        """Forget one rule; what it holds goes on. KeyError where there is none."""
        del self._rules[rule]
        self.holds.release(rule)

    async def hold(self, rule: str, what: Json, gone: Callable[[], bool]) -> None:
        """Wait until somebody releases this, or its rule goes, or nobody waits for the outcome any more."""
        # The rule may have gone between the strike and now.
        if rule in self._rules:
            await self.holds.wait(rule, what, gone)

    def strike_request(self, method: str, path: str, query: str, principal: str) -> Hit | None:
        """Which rule strikes this request. Every rule that matches counts it; of those due the oldest acts."""
        rule = self._due({"method": method, "path": path, "query": query, "principal": principal})
        return Hit(rule.id, rule.strike()) if rule else None

    def strike_operation(self, operation: str, instance: str) -> OperationHit | None:
        """Which rule strikes this operation, asked once when it begins."""
        rule = self._due({"operation": operation, "instance": instance})
        return OperationHit(rule.id, rule.strike()) if rule else None

    def as_json(self) -> list[Json]:
        """The rules as they were given, with what became of them."""
        counted = {rule.id: {"id": rule.id, "seen": rule.seen, "hits": rule.hits} for rule in self._rules.values()}
        return [
            {**rule.given, **counted[rule.id], "spent": rule.is_spent, "held": self.holds.of(rule.id)}
            for rule in self._rules.values()
        ]

    def has(self, rule: str) -> bool:
        """Whether there is such a rule."""
        return rule in self._rules

    def _due(self, asked: dict[str, str]) -> Rule | None:
        matching = [rule for rule in self._rules.values() if rule.matches(asked)]
        for rule in matching:
            rule.seen += 1
        return next((rule for rule in matching if rule.is_due()), None)
