"""Filters and pages of Secret Manager's lists: https://cloud.google.com/secret-manager/docs/filtering.

Of that language the sandbox knows terms FIELD:TEXT (contains) and FIELD=TEXT (is), joined by spaces or AND, perhaps
with NOT or - before one.
"""

import re

from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call

LONGEST_LIST = 25000
TERM = re.compile(
    r"(?P<no>NOT\s+|-)?(?P<field>name|state|(?:labels|annotations)\.[\w-]+)\s*(?P<how>[:=])\s*(?P<text>\"[^\"]*\"|\S+)"
)


def fits(resource: Json, query: str) -> bool:
    """Whether all terms fit."""
    rest, verdict = query.strip(), True
    while rest:
        term = TERM.match(rest)
        if term is None:
            # Wording ours.
            raise modern(
                400, f"The sandbox filters by name, state, labels.KEY and annotations.KEY only, not by {rest!r}."
            )
        verdict &= _holds(resource, term) != bool(term["no"])
        rest = re.sub(r"^\s*(AND\s+)?", "", rest[term.end() :])
    return verdict


def page(call: Call, collection: str, found: list[Json]) -> Json:
    """One page of a list; Google counts only what is not filtered."""
    total: Json = {"totalSize": len(found)} if found and not call.query.get("filter") else {}
    return total | call.page(collection, found, default=LONGEST_LIST, most=LONGEST_LIST)


def _holds(resource: Json, term: re.Match[str]) -> bool:
    kind, _, key = term["field"].partition(".")
    value = resource.get(kind, {}).get(key) if key else resource.get(kind)
    text = term["text"].strip('"')
    if value is None:
        return False
    own = str(value).rpartition("/")[2] if kind == "name" else str(value)
    return text in own if term["how"] == ":" and kind != "state" else own == text
