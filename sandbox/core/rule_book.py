"""The rules of faults in force, what became of them and what they hold: one book for the APIs, one for port 3307.

In memory: a reset and a restart forget them, and so does whoever set them.
"""

import itertools
from collections.abc import Callable
from typing import Any

from sandbox.core.documents import Json
from sandbox.core.fault_rules import Rule
from sandbox.core.holds import Holds


class RuleBook:
    """All rules, oldest first, and what they hold. `mark` begins their ids; `parse` makes a rule of its JSON."""

    def __init__(self, mark: str, parse: Callable[[Json], Rule]) -> None:
        self.rules: dict[str, Rule] = {}
        self.holds = Holds()
        self._mark = mark
        self._parse = parse
        self._numbers = itertools.count(1)

    def __bool__(self) -> bool:
        """Whether there is any rule."""
        return bool(self.rules)

    def add(self, given: list[Json]) -> list[str]:
        """Add rules, all or none; their ids. Raises RuleError."""
        rules = [self._parse(rule) for rule in given]
        for rule in rules:
            rule.id = f"{self._mark}{next(self._numbers)}"
            self.rules[rule.id] = rule
        return [rule.id for rule in rules]

    def clear(self) -> None:
        """Forget all rules; what they hold goes on."""
        self.rules.clear()
        self.holds.release()

    def delete(self, rule: str) -> None:
        """Forget one rule; what it holds goes on. KeyError where there is none."""
        del self.rules[rule]
        self.holds.release(rule)

    async def hold(self, rule: str, what: Json, gone: Callable[[], bool]) -> None:
        """Wait until somebody releases this, or its rule goes, or nobody waits for the outcome any more."""
        # The rule may have gone between the strike and now.
        if rule in self.rules:
            await self.holds.wait(rule, what, gone)

    def strike(self, asked: dict[str, str]) -> tuple[str, Any] | None:
        """The oldest rule that is due, and its action. Every rule that matches counts what is asked."""
        matching = [rule for rule in self.rules.values() if rule.matches(asked)]
        for rule in matching:
            rule.seen += 1
        due = next((rule for rule in matching if rule.is_due()), None)
        return (due.id, due.strike()) if due else None

    def as_json(self) -> list[Json]:
        """The rules as they were given, with what became of them."""
        counted = {rule.id: {"id": rule.id, "seen": rule.seen, "hits": rule.hits} for rule in self.rules.values()}
        return [
            {**rule.given, **counted[rule.id], "spent": rule.is_spent, "held": self.holds.of(rule.id)}
            for rule in self.rules.values()
        ]
