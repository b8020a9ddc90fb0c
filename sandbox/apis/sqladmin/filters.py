"""The `filter` of list methods: `path:value` and `path=value`, joined by AND, perhaps after NOT or `-`.

https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/instances/list and https://google.aip.dev/160.
"""

import re
from collections.abc import Iterable

from sandbox.apis.sqladmin.resources import invalid
from sandbox.core.documents import Json

TERM = re.compile(
    r"""(?P<no>NOT\s+|-)?(?P<path>[\w.-]+)\s*(?P<operator>!=|[:=])\s*(?P<value>"[^"]*"|'[^']*'|[^\s()"']+)"""
)
AND = re.compile(r"\s+(?:AND\s+)?")


def select(resources: Iterable[Json], expression: str) -> list[Json]:
    """Those that fit every term. What this does not understand is refused, never ignored."""
    rest, chosen = expression.strip(), list(resources)
    while rest:
        found = TERM.match(rest)
        rest = rest[found.end() :] if found else rest
        following = AND.match(rest)
        if found is None or (rest and following is None) or rest.strip().startswith("OR "):
            # Wording ours: Google's text is not known.
            raise invalid(f"Invalid filter ({expression}): the sandbox knows path:value terms joined by AND.")
        chosen = [one for one in chosen if _fits(one, found)]
        rest = rest[following.end() :] if following else ""
    return chosen


def _fits(resource: Json, term: re.Match[str]) -> bool:
    found: object = resource
    for word in term["path"].split("."):
        found = found.get(word) if isinstance(found, dict) else None
    values = found if isinstance(found, list) else [found]
    wanted = term["value"].strip("\"'")
    has = wanted == "*" and found is not None
    has = has or any(_text(value) == wanted for value in values if value is not None)
    return has != (bool(term["no"]) != (term["operator"] == "!="))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
