"""What every book of fault rules answers alike: add, list, clear, delete, release."""

from collections.abc import Callable
from dataclasses import dataclass

from sandbox.core.documents import Json
from sandbox.core.rule_book import RuleBook
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError


def accept(_: World, __: Json) -> None:
    """Nothing more to check of a rule, nothing to follow up."""


@dataclass(frozen=True)
class Rules:
    """A book of rules at a path. `check` refuses what makes no sense here; `follow` comes after each change."""

    path: str
    book: Callable[[World], RuleBook]
    check: Callable[[World, Json], None] = accept
    follow: Callable[[World, Json], None] = accept

    def routes(self) -> list[ManagementRoute]:
        """The requests."""
        return [
            ManagementRoute("GET", self.path, self.list_rules),
            ManagementRoute("POST", self.path, self.add),
            ManagementRoute("DELETE", self.path, self.clear),
            ManagementRoute("DELETE", f"{self.path}/{{id}}", self.delete),
            ManagementRoute("POST", f"{self.path}/{{id}}:release", self.release),
        ]

    async def list_rules(self, world: World, _: Json) -> list[Json]:
        """The rules in force: how much each has seen, how much it struck, and what it holds now."""
        return self.book(world).as_json()

    async def add(self, world: World, body: Json) -> Json:
        """One rule, or {"rules": [...]}: all are put in force, or none."""
        rules = body.get("rules", [body])
        if "rules" in body and len(body) > 1:
            raise RefusedError("`rules` stands alone: every other key belongs into one of them.")
        if not isinstance(rules, list) or not rules or not all(isinstance(rule, dict) for rule in rules):
            raise RefusedError("`rules` must be a list of rules.")
        for rule in rules:
            self.check(world, rule)
        ids = self.book(world).add(rules)
        self.follow(world, body)
        return {"ids": ids}

    async def clear(self, world: World, body: Json) -> Json:
        """Forget all rules; what they hold goes on."""
        self.book(world).clear()
        self.follow(world, body)
        return {"status": "ok"}

    async def delete(self, world: World, body: Json) -> Json:
        """Forget one rule; what it holds goes on."""
        self._known(world, body["id"]).delete(body["id"])
        self.follow(world, body)
        return {"status": "ok"}

    async def release(self, world: World, body: Json) -> Json:
        """Let what the rule holds go on. The rule stays in force."""
        return {"released": self._known(world, body["id"]).holds.release(body["id"])}

    def _known(self, world: World, rule: str) -> RuleBook:
        book = self.book(world)
        if rule not in book.rules:
            raise RefusedError(f"There is no rule {rule}: GET {self.path} lists those in force.")
        return book
