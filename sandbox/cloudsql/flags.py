"""What database flags may be set to, and how they reach postgresql.conf."""

import contextlib

from sandbox.cloudsql.flag_table import TABLE, Flag
from sandbox.core.documents import Json

FLAGS = {flag.name: flag for flag in TABLE}
TRUE, FALSE = ("on", "true", "1"), ("off", "false", "0")


def is_known(name: str, major: int) -> bool:
    """Whether instances of that major version have the flag."""
    return name in FLAGS and FLAGS[name].since <= major


def normalized(flag: Json) -> Json:
    """As the service shows it: a switch is `on` or `off`, however it was set."""
    name, value = flag.get("name", ""), str(flag.get("value", ""))
    if name in FLAGS and FLAGS[name].type == "BOOLEAN":
        value = "on" if value.lower() in TRUE else "off" if value.lower() in FALSE else value
    return {"name": name, "value": value}


def problem_with(name: str, value: str) -> str | None:
    """Why Cloud SQL would refuse a known flag's value; None when it would not.

    Texts as recorded in google/exposure-notifications-server#746 (a number) and wandb/terraform-google-wandb#183.
    """
    flag = FLAGS[name]
    allowed = flag.values or (("on", "off") if flag.type == "BOOLEAN" else ())
    if allowed and value not in allowed:
        return f"Value requested is not valid. Failed to set {name}: {value} was not an expected string."
    if flag.type in ("INTEGER", "FLOAT") and not _is_in_range(flag, value):
        return "Value requested is not valid."
    return None


def parameters(flags: list[Json]) -> dict[str, str]:
    """The flags as PostgreSQL's parameters."""
    values = {flag["name"]: flag["value"] for flag in flags if FLAGS[flag["name"]].parameter}
    if {"name": "cloudsql.logical_decoding", "value": "on"} in flags:
        values["wal_level"] = "logical"
    return values


def _is_in_range(flag: Flag, value: str) -> bool:
    number: float | None = None
    with contextlib.suppress(ValueError):
        number = int(value) if flag.type == "INTEGER" else float(value)
    if number is None:
        return False
    above = flag.minimum is None or number >= flag.minimum
    return above and (flag.maximum is None or number <= flag.maximum)
