"""Faults of the APIs and of Cloud SQL's operations on demand: which rule strikes a request or an operation."""

from dataclasses import dataclass

from sandbox.core.fault_rules import Action, OperationAction, describe, parse
from sandbox.core.rule_book import RuleBook


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


class Faults(RuleBook):
    """The rules of the APIs."""

    def __init__(self) -> None:
        super().__init__("f", parse)

    def strike_request(self, method: str, path: str, query: str, principal: str) -> Hit | None:
        """Which rule strikes this request."""
        struck = self.strike({"method": method, "path": path, "query": query, "principal": principal})
        return Hit(*struck) if struck else None

    def strike_operation(self, operation: str, instance: str) -> OperationHit | None:
        """Which rule strikes this operation, asked once when it begins."""
        struck = self.strike({"operation": operation, "instance": instance})
        return OperationHit(*struck) if struck else None
