"""Conditions of role bindings: the part of CEL that IAM documents for resource, time and API attributes. Pure.

https://cloud.google.com/iam/docs/conditions-overview and .../conditions-attribute-reference. `compile_condition` checks
types as Google does when a policy is set; what it has let through cannot fail when it is asked. Not here: tags, access
levels, destination addresses. A condition that uses them is refused, never ignored.
"""

import datetime as dt
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MOST_OPERATORS = 12
MOST_NESTED = 50


class ConditionError(Exception):
    """The expression is not one that IAM would take (or not one that is known here)."""


@dataclass(frozen=True)
class Attributes:
    """What a condition may ask about a request. A service without resource attributes leaves them empty."""

    name: str = ""
    type: str = ""
    service: str = ""
    time: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    api: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Term:
    """A part of an expression: CEL's type of its value, and how to get the value for a request."""

    type: str
    value: Callable[[Attributes], Any]


def _constant(kind: str, value: Any) -> Term:
    return Term(kind, lambda _: value)


TOKEN = re.compile(
    r"""\s*(?:(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<int>-?\d+)|(?P<name>[A-Za-z_]\w*)"""
    r"""|(?P<mark>&&|\|\||==|!=|<=|>=|[<>!().,\[\]]))"""
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}
VARIABLES: dict[str, Term] = {
    "resource.name": Term("string", lambda request: request.name),
    "resource.type": Term("string", lambda request: request.type),
    "resource.service": Term("string", lambda request: request.service),
    "request.time": Term("timestamp", lambda request: request.time),
    "true": _constant("bool", True),
    "false": _constant("bool", False),
}
ORDER = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
EQUALITY = {"==": operator.eq, "!=": operator.ne}
ORDERED_TYPES = ("string", "int", "timestamp")
# In a role binding "Cloud Storage methods will work incorrectly and fail unexpectedly" with it. Here it is refused:
# https://cloud.google.com/iam/docs/conditions-attribute-reference#api-attributes-storage.
BOUNDARIES_ONLY = ("storage.googleapis.com/objectListPrefix",)
# Sunday is 0; months and days of the year count from 0, getDate from 1, as in CEL's standard definitions.
CLOCK: dict[str, Callable[[dt.datetime], int]] = {
    "getFullYear": lambda time: time.year,
    "getMonth": lambda time: time.month - 1,
    "getDate": lambda time: time.day,
    "getDayOfMonth": lambda time: time.day - 1,
    "getDayOfWeek": lambda time: time.isoweekday() % 7,
    "getDayOfYear": lambda time: time.timetuple().tm_yday - 1,
    "getHours": lambda time: time.hour,
    "getMinutes": lambda time: time.minute,
    "getSeconds": lambda time: time.second,
}


@lru_cache(maxsize=1000)
def compile_condition(expression: str) -> Callable[[Attributes], bool]:
    """The question that the expression asks about a request. Raises ConditionError with what is wrong in it."""
    term = _Parser(expression).whole()
    if term.type != "bool":
        raise ConditionError(f"the expression must be a bool, not a {term.type}")
    return term.value


class _Parser:
    """Recursive descent over the tokens; each method reads one level of CEL's grammar and returns its term."""

    def __init__(self, expression: str) -> None:
        self._tokens = _tokens(expression)
        self._next = 0
        self._depth = 0
        if sum(text in ("&&", "||", "!") for _, text in self._tokens) > MOST_OPERATORS:
            raise ConditionError(f"the expression has more than {MOST_OPERATORS} logical operators")

    def whole(self) -> Term:
        term = self._or()
        if self._next < len(self._tokens):
            raise ConditionError(f"unexpected {self._peek()!r}")
        return term

    def _or(self) -> Term:
        left = self._and()
        while self._take("||"):
            left = _logical("||", left, self._and())
        return left

    def _and(self) -> Term:
        left = self._relation()
        while self._take("&&"):
            left = _logical("&&", left, self._relation())
        return left

    def _relation(self) -> Term:
        left = self._unary()
        for sign in (*EQUALITY, *ORDER):
            if self._take(sign):
                return _comparison(sign, left, self._unary())
        if self._take("in"):
            return _membership(left, self._unary())
        return left

    def _unary(self) -> Term:
        if self._take("!"):
            term = self._unary()
            _need(term, "bool", "!")
            return Term("bool", lambda request: not term.value(request))
        term = self._primary()
        while self._take("."):
            term = _method(term, self._name(), self._arguments())
        return term

    def _primary(self) -> Term:
        if self._take("("):
            term = self._nested()
            self._demand(")")
            return term
        if self._take("["):
            return _list_of(self._until("]"))
        kind, text = self._any()
        if kind == "string":
            return _constant("string", _unquoted(text))
        if kind == "int":
            return _constant("int", int(text))
        if kind == "name":
            return self._named(text)
        raise ConditionError(f"unexpected {text!r}")

    def _named(self, name: str) -> Term:
        if name in VARIABLES:
            return VARIABLES[name]
        if name == "timestamp":
            return _timestamp(self._arguments())
        self._demand(".")
        name = f"{name}.{self._name()}"
        if name == "api.getAttribute":
            return _api_attribute(self._arguments())
        if name not in VARIABLES:
            raise ConditionError(f"undeclared reference to {name!r}")
        return VARIABLES[name]

    def _nested(self) -> Term:
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise ConditionError("the expression is nested too deeply")
        term = self._or()
        self._depth -= 1
        return term

    def _arguments(self) -> list[Term]:
        self._demand("(")
        return self._until(")")

    def _until(self, end: str) -> list[Term]:
        found: list[Term] = []
        while not self._take(end):
            if found:
                self._demand(",")
            found.append(self._nested())
        return found

    def _name(self) -> str:
        kind, text = self._any()
        if kind != "name":
            raise ConditionError(f"expected a name, not {text!r}")
        return text

    def _peek(self) -> str:
        return self._tokens[self._next][1] if self._next < len(self._tokens) else "end of expression"

    def _take(self, text: str) -> bool:
        taken = self._next < len(self._tokens) and self._tokens[self._next][1] == text
        self._next += taken
        return taken

    def _demand(self, text: str) -> None:
        if not self._take(text):
            raise ConditionError(f"expected {text!r}, not {self._peek()!r}")

    def _any(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            raise ConditionError("unexpected end of expression")
        self._next += 1
        return self._tokens[self._next - 1]


def _tokens(expression: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    position, end = 0, len(expression.rstrip())
    while position < end:
        match = TOKEN.match(expression, position)
        if match is None or match.lastgroup is None:
            raise ConditionError(f"syntax error at {expression[position : position + 20].strip()!r}")
        found.append((match.lastgroup, match[match.lastgroup]))
        position = match.end()
    return found


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: ESCAPES.get(found[1], found[1]), text[1:-1])


def _need(term: Term, kind: str, where: str) -> None:
    if term.type != kind:
        raise ConditionError(f"found no matching overload for {where!r}: a {kind} is needed, not a {term.type}")


def _logical(sign: str, left: Term, right: Term) -> Term:
    _need(left, "bool", sign)
    _need(right, "bool", sign)
    if sign == "&&":
        return Term("bool", lambda request: left.value(request) and right.value(request))
    return Term("bool", lambda request: left.value(request) or right.value(request))


def _comparison(sign: str, left: Term, right: Term) -> Term:
    _need(right, left.type, sign)
    if sign in ORDER and left.type not in ORDERED_TYPES:
        raise ConditionError(f"found no matching overload for {sign!r}: a {left.type} has no order")
    compare = (EQUALITY | ORDER)[sign]
    return Term("bool", lambda request: compare(left.value(request), right.value(request)))


def _membership(left: Term, right: Term) -> Term:
    _need(right, "list", "in")
    return Term("bool", lambda request: left.value(request) in right.value(request))


def _list_of(terms: list[Term]) -> Term:
    for term in terms:
        _need(term, "string", "[]")
    return Term("list", lambda request: [term.value(request) for term in terms])


def _method(term: Term, name: str, arguments: list[Term]) -> Term:
    if name in CLOCK:
        return _clock_part(term, name, arguments)
    if name not in METHODS or len(arguments) != 1:
        raise ConditionError(f"found no matching overload for {name!r}")
    on, takes, gives, ask = METHODS[name]
    _need(term, on, name)
    _need(arguments[0], takes, name)
    return Term(gives, lambda request: ask(term.value(request), arguments[0].value(request)))


def _clock_part(term: Term, name: str, arguments: list[Term]) -> Term:
    _need(term, "timestamp", name)
    zone = _literal(arguments[0], name) if len(arguments) == 1 else "UTC"
    try:
        where = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConditionError(f"{name}: unknown time zone {zone!r}") from error
    return Term("int", lambda request: CLOCK[name](term.value(request).astimezone(where)))


def _timestamp(arguments: list[Term]) -> Term:
    if len(arguments) != 1:
        raise ConditionError("found no matching overload for 'timestamp'")
    text = _literal(arguments[0], "timestamp")
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ConditionError(f"timestamp: {text!r} is not in RFC 3339") from error
    if moment.tzinfo is None:
        raise ConditionError(f"timestamp: {text!r} has no time zone, such as Z")
    return _constant("timestamp", moment)


def _api_attribute(arguments: list[Term]) -> Term:
    """An attribute that the called method provides; the default stands in where it provides none."""
    if len(arguments) != len(("name", "default")):
        raise ConditionError("found no matching overload for 'api.getAttribute'")
    name, default = _literal(arguments[0], "api.getAttribute"), arguments[1]
    if name in BOUNDARIES_ONLY:
        raise ConditionError(f"{name} is supported only in Credential Access Boundaries")
    return Term(default.type, lambda request: request.api.get(name, default.value(request)))


def _literal(term: Term, where: str) -> str:
    _need(term, "string", where)
    return str(term.value(Attributes()))


def _extract(text: str, template: str) -> str:
    """The part of the text that stands where the template has {name}; empty if the text does not fit."""
    found = re.fullmatch(r"([^{}]*)\{\w+\}([^{}]*)", template, re.DOTALL)
    if not found:
        return ""
    _, prefix, rest = text.partition(found[1]) if found[1] else ("", "-", text)
    part, suffix, _ = rest.partition(found[2]) if found[2] else (rest, "-", "")
    return part if prefix and suffix else ""


def _has_only(given: list[str], allowed: list[str]) -> bool:
    return set(given) <= set(allowed)


# Method: the type it is called on, its argument's, its answer's, and what it does.
METHODS: dict[str, tuple[str, str, str, Callable[[Any, Any], Any]]] = {
    "startsWith": ("string", "string", "bool", str.startswith),
    "endsWith": ("string", "string", "bool", str.endswith),
    "extract": ("string", "string", "string", _extract),
    "hasOnly": ("list", "list", "bool", _has_only),
}
