"""The language of faults: which requests and operations go wrong, how, and how often. README.md has examples.

Pure: parsing and matching only. What makes no sense is refused when given: a fault that never comes proves nothing.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from http import HTTPMethod
from typing import Any

from sandbox.core.documents import Json

BEFORE, AFTER = "before", "after"
REQUEST_KEYS = frozenset({"method", "path", "query", "principal"})
OPERATION_KEYS = frozenset({"operation", "instance"})
COUNT_KEYS = frozenset({"nth", "times"})
FIRST_ERROR, LAST_ERROR = 400, 599
# What the sandbox has of https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations#SqlOperationType.
OPERATION_TYPES = (
    *(
        "CREATE",
        "UPDATE",
        "DELETE",
        "RESTART",
        "CLONE",
        "BACKUP_VOLUME",
        "DELETE_BACKUP",
        "UPDATE_BACKUP",
        "RESTORE_VOLUME",
    ),
    *("CREATE_USER", "UPDATE_USER", "DELETE_USER", "CREATE_DATABASE", "DELETE_DATABASE"),
)


class RuleError(ValueError):
    """A rule that makes no sense; the text says which key and why."""


@dataclass(frozen=True)
class Meanwhile:
    """A call that the sandbox makes itself, as the operator. `wait`: until the operation that it starts is DONE."""

    method: str
    path: str
    body: Json | None = None
    wait: bool = True


@dataclass(frozen=True)
class Bind:
    """A member that the sandbox binds itself, as the operator; resources are /v1/projects/P, /storage/v1/b/B, ..."""

    resource: str
    role: str
    member: str


@dataclass(frozen=True)
class Action:
    """What happens to one matching request. All keys are optional and combine; none at all: nothing happens.

    `at` says whether the request is handled, and its change committed, before (`after`) or not (`before`).
    """

    at: str = BEFORE
    meanwhile: Meanwhile | Bind | None = None
    delay: float = 0
    hold: bool = False
    reset: bool = False
    truncate: int | None = None
    """How many bytes of the answer's body still arrive."""
    status: int | None = None
    reason: str | None = None
    message: str | None = None
    retry_after: int | None = None


@dataclass(frozen=True)
class OperationAction:
    """What happens to one matching operation: how long it lasts, and the error it ends with.

    `at` says whether its work is done (`after`) or not (`before`) when it is held or fails.
    """

    at: str = BEFORE
    seconds: float | None = None
    hold: bool = False
    error: Json | None = None


@dataclass
class Rule:
    """One rule: what it matches, which of the matching calls it strikes (from `first` on), and with which actions."""

    id: str
    given: Json
    actions: list[Any]
    first: int = 1
    strikes: int | None = None
    seen: int = 0
    hits: int = 0
    patterns: dict[str, re.Pattern[str]] = field(default_factory=dict)

    @property
    def is_spent(self) -> bool:
        """Whether nothing can hit any more."""
        return self.strikes is not None and self.hits >= self.strikes

    def matches(self, asked: dict[str, str]) -> bool:
        """Whether a request or an operation is meant; every key that the rule names must fit as a whole."""
        return all(name in asked and pattern.fullmatch(asked[name]) for name, pattern in self.patterns.items())

    def is_due(self) -> bool:
        """Whether the matching call that was counted last is one to strike."""
        return self.seen >= self.first and not self.is_spent

    def strike(self) -> Any:
        """The action of this hit: a list is gone through, a single action repeats."""
        self.hits += 1
        return self.actions[min(self.hits, len(self.actions)) - 1]


def describe(action: Action) -> str:
    """An action in a few words: what differs from doing nothing."""
    values = [(one.name, getattr(action, one.name), one.default) for one in fields(action)]
    changed = {name: value for name, value, default in values if value != default}
    if isinstance(action.meanwhile, Meanwhile):
        changed["meanwhile"] = f"{action.meanwhile.method} {action.meanwhile.path}"
    elif action.meanwhile:
        changed["meanwhile"] = f"{action.meanwhile.member} bound on {action.meanwhile.resource}"
    return ", ".join(f"{name} {value}" if value is not True else name for name, value in changed.items()) or "nothing"


def parse(given: Json) -> Rule:
    """A rule from JSON. Raises RuleError for what is misspelt, contradicts itself or can never match."""
    of_operation = not OPERATION_KEYS.isdisjoint(given)
    known = (OPERATION_KEYS if of_operation else REQUEST_KEYS) | COUNT_KEYS | {"action"}
    only(given, known, "A rule for operations" if of_operation else "A rule for requests")
    given_actions: Any = given.get("action")
    listed: list[Any] = given_actions if isinstance(given_actions, list) else [given_actions]
    if not listed or not all(isinstance(one, dict) for one in listed):
        raise RuleError("`action` must be an object, or a list of them that is gone through hit by hit.")
    actions = [_operation_action(one) if of_operation else _request_action(one) for one in listed]
    rule = Rule("", given, actions, patterns=_operation_patterns(given) if of_operation else _request_patterns(given))
    rule.first = count(given, "nth") or 1
    times = count(given, "times")
    if times and isinstance(given_actions, list):
        raise RuleError("`times` and a list of actions both say how often: give one of them.")
    rule.strikes = len(listed) if isinstance(given_actions, list) else times or (1 if "nth" in given else None)
    return rule


def _request_patterns(given: Json) -> dict[str, re.Pattern[str]]:
    method = given.get("method")
    if method is not None and method not in list(HTTPMethod):
        raise RuleError(f"`method` {method!r} can never match: it is one of {', '.join(HTTPMethod)}.")
    path = given.get("path", "/.*")
    if isinstance(path, str) and path[:1] not in ("/", ".", "(", "["):
        raise RuleError(f"`path` {path!r} can never match: it is compared with the whole path, which begins with `/`.")
    if isinstance(path, str) and r"\?" in path:
        raise RuleError(f"`path` {path!r} can never match: what comes after the `?` is matched by `query`.")
    patterns = {name: _pattern(name, given[name]) for name in ("path", "query") if name in given}
    return patterns | {name: _literal(name, given[name]) for name in ("method", "principal") if name in given}


def _operation_patterns(given: Json) -> dict[str, re.Pattern[str]]:
    kind = given.get("operation")
    if kind is not None and kind not in OPERATION_TYPES:
        raise RuleError(f"`operation` {kind!r} can never match: it is one of {', '.join(OPERATION_TYPES)}.")
    return {name: _literal(name, given[name]) for name in ("operation", "instance") if name in given}


def _request_action(given: Json) -> Action:
    only(given, {one.name for one in fields(Action)}, "An action for requests")
    types(given, {"delay": (int, float), "hold": bool, "reset": bool, "reason": str, "message": str})
    types(given, {"truncate": int, "status": int, "retry_after": int})
    values = dict(given)
    if "truncate" in given:
        values.setdefault("at", AFTER)
    if "meanwhile" in given:
        values["meanwhile"] = _meanwhile(given["meanwhile"])
    action = Action(**values)
    _at(action.at)
    ends = [name for name in ("reset", "truncate", "status") if name in given and given[name] is not False]
    if len(ends) > 1:
        raise RuleError(f"An action ends in one way: {' or '.join(f'`{name}`' for name in ends)}.")
    if action.truncate is not None and (action.at == BEFORE or action.truncate < 0):
        raise RuleError("`truncate` is how many bytes of the answer arrive (0 or more), so `at` must be `after`.")
    if action.status is None and not {"reason", "message", "retry_after"}.isdisjoint(given):
        raise RuleError("`reason`, `message` and `retry_after` belong to a `status`.")
    if action.status is not None and not FIRST_ERROR <= action.status <= LAST_ERROR:
        raise RuleError(f"`status` {action.status} is no error: 400 to 599.")
    return action


def _operation_action(given: Json) -> OperationAction:
    only(given, {one.name for one in fields(OperationAction)}, "An action for operations")
    types(given, {"seconds": (int, float), "hold": bool, "error": dict})
    action = OperationAction(**given)
    _at(action.at)
    if action.error is not None:
        only(action.error, {"code", "message"}, "An operation's `error`")
        types(action.error, {"code": str, "message": str})
        if "code" not in action.error:
            raise RuleError("An operation's `error` has a `code`, and perhaps a `message`.")
    return action


def _meanwhile(given: Any) -> Meanwhile | Bind:
    if isinstance(given, dict) and "resource" in given:
        names = [one.name for one in fields(Bind)]
        only(given, names, "`meanwhile` with a `resource`")
        types(given, dict.fromkeys(names, str))
        if set(given) != set(names):
            raise RuleError("`meanwhile` binds a `member` to a `role` on a `resource`: give all three.")
        return Bind(**given)
    if not isinstance(given, dict) or not {"method", "path"} <= set(given):
        raise RuleError(
            "`meanwhile` must be an object with `method`, `path` and perhaps `body` and `wait`, or with `resource`, "
            "`role` and `member`."
        )
    only(given, {one.name for one in fields(Meanwhile)}, "`meanwhile`")
    types(given, {"method": str, "path": str, "body": (dict, type(None)), "wait": bool})
    if not given["path"].startswith("/"):
        raise RuleError(f"`meanwhile` calls the sandbox itself: its path {given['path']!r} must begin with `/`.")
    return Meanwhile(**given)


def only(given: Json, known: Iterable[str], what: str) -> None:
    """Refuse keys that are not known. Raises RuleError."""
    if unknown := sorted(set(given) - set(known)):
        raise RuleError(f"{what} has no {', '.join(f'`{name}`' for name in unknown)}: {', '.join(sorted(known))}.")


def types(given: Json, wanted: dict[str, Any]) -> None:
    """Refuse values of another type, and negative numbers. Raises RuleError."""
    for name, kind in wanted.items():
        kinds = kind if isinstance(kind, tuple) else (kind,)
        value = given.get(name)
        # JSON's true is no number, though Python's is.
        if name in given and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
            raise RuleError(f"`{name}` {value!r} must be {' or '.join(one.__name__ for one in kinds)}.")
        if isinstance(value, int | float) and value < 0:
            raise RuleError(f"`{name}` {value!r} must not be negative.")


def _at(value: Any) -> None:
    if value not in (BEFORE, AFTER):
        raise RuleError(f"`at` {value!r} must be `before` or `after` (the change is committed).")


def count(given: Json, name: str) -> int | None:
    """A key that counts from 1, if it is given. Raises RuleError."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise RuleError(f"`{name}` {value!r} can never match: it counts from 1.")
    return value


def _pattern(name: str, text: Any) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise RuleError(f"`{name}` {text!r} is no regular expression: {error}") from error


def _literal(name: str, text: Any) -> re.Pattern[str]:
    if not isinstance(text, str) or not text:
        raise RuleError(f"`{name}` {text!r} must be a text.")
    return re.compile(re.escape(text))
