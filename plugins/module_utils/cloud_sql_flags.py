# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Database flags: Google's catalog of them, what it says of a restart, and what it does not take.

https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/flags
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_changes import key_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import flags_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

Catalog = Mapping[str, JsonObject]
_PAGE = "https://cloud.google.com/sql/docs/postgres/flags"


def read_catalog(google: Google, version: str) -> Catalog:
    """What Google knows about a version's flags, by name; empty where it does not say."""

    def read() -> Catalog:
        try:
            reply = google.get(cloud_sql.API, "v1/flags", databaseVersion=version)
        except NotFoundError:
            return {}
        flags = reply.get("items", [])
        # Those of the connection pool bear the same names.
        return {flag["name"]: flag for flag in flags if flag.get("flagScope") != "SQL_FLAG_SCOPE_CONNECTION_POOL"}

    return google.once(("flags", version), read)


def flag_changes(params: Mapping[str, Any], body: JsonObject, catalog: Catalog | None = None) -> list[Change]:
    """Flags that differ. One that Google does not describe is taken to need a restart."""
    changes = plans.managed_keys("database_flags", params.get("database_flags"), flags_of(body))
    safe = {name for name, flag in (catalog or {}).items() if not flag.get("requiresRestart")}
    return [
        change if key_of(change) in safe else replace(change, blast_radius=BlastRadius.RESTARTS) for change in changes
    ]


def wrong_flags(changes: Iterable[Change], catalog: Catalog, version: str) -> Iterator[str]:
    """What Google would refuse, each as one sentence with the way out; nothing where the catalog is not known."""
    for change in changes:
        if change.after is None or not catalog:
            continue
        name, value = key_of(change), str(change.after)
        known = catalog.get(name)
        if known is None:
            yield f"database_flags.{name} is no flag of {version}: {_nearest(name, catalog)}"
        elif rule := _broken_rule(known, value):
            yield f"database_flags.{name} {value!r} {rule} in {setting('sql_instance', 'database_flags')}"


def _nearest(name: str, catalog: Catalog) -> str:
    close = get_close_matches(name, catalog, n=1, cutoff=0.6)
    correct = f"correct {setting('sql_instance', 'database_flags')}"
    return f"{correct}, perhaps to {close[0]}" if close else f"{correct}, the names are on {_PAGE}"


def _broken_rule(flag: JsonObject, value: str) -> str:
    """Empty if Google takes the value, else the rule and what to set."""
    kind = flag.get("type")
    if kind == "BOOLEAN":
        return "" if value in {"on", "off"} else f"is no switch: set '{_switch(value)}'"
    if kind == "INTEGER":
        return _number_rule(flag, value)
    if kind == "FLOAT":
        return "" if _is_number(value) else "is no number: set one such as '0.5'"
    allowed = [str(one) for one in flag.get("allowedStringValues") or []]
    parts = [part.strip() for part in value.split(",")] if kind == "REPEATED_STRING" else [value]
    if allowed and not {*parts} <= {*allowed}:
        close = get_close_matches(value.lower(), allowed, n=1)
        return f"is none of {', '.join(allowed)}: set {repr(close[0]) if close else 'one of them'}"
    return ""


def _number_rule(flag: JsonObject, value: str) -> str:
    least, most = flag.get("minValue"), flag.get("maxValue")
    allowed = [str(one) for one in flag.get("allowedIntValues") or []]
    bounds = [f"from {least}" if least is not None else "", f"to {most}" if most is not None else ""]
    span = " ".join(filter(None, bounds)) or (f"of {', '.join(allowed)}" if allowed else "")
    if not value.removeprefix("-").isdecimal():
        return f"is no whole number (Google takes no units): set one {span}".rstrip()
    number = int(value)
    if str(number) in allowed:
        return ""
    outside = (least is not None and number < int(least)) or (most is not None and number > int(most))
    if outside or (allowed and least is None and most is None):
        return f"is out of range: set a number {span}"
    return ""


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _switch(value: str) -> str:
    return "on" if value.lower() in {"true", "1", "yes", "on"} else "off"
