"""Rows of plan: what is wrong with one of the resources, named by its place, its owner and its module."""

from __future__ import annotations

from typing import Any

from tests.contract.bad_input import INSTANCE, BadInput

FINE = {
    "name": "another",
    "database_version": "POSTGRES_14",
    "region": "europe-west3",
    "tier": "db-f1-micro",
}


def planned(option: str, rule: str, words: tuple[str, ...], module: str, **params: Any) -> BadInput:
    """A row about one resource."""
    resource = {"owner": "backend_store", "module": module, "params": params}
    return BadInput(option, rule, {"resources": [resource]}, words)


def instance(option: str, rule: str, words: tuple[str, ...], **settings: Any) -> BadInput:
    """A row about an instance that would be fine without these settings."""
    return planned(option, rule, words, "sql_instance", **{**FINE, **settings})


ROWS = (
    planned("resources", "is of no module", ("resources[0]", "sql_instnace", "use one of"), "sql_instnace", name="db"),
    planned(
        *("resources", "holds a secret", ("resources[0]", "takes no secrets", "leave out password"), "sql_user"),
        instance="db",
        name="reader",
        password="corr3ct-horse",
    ),
    instance("tier", "has another hyphen", ("sql_instance", "NON-BREAKING HYPHEN"), tier="db\u2011f1\u2011micro"),
    instance("tier", "is missing for a new instance", ("sql_instance another", "set them"), tier=None),
    instance(
        *("availability_type", "needs backups", ("sql_instance another", "needs automated backups")),
        availability_type="REGIONAL",
    ),
    instance(
        *("database_flags.wrok_mem", "is no flag", (f"sql_instance {INSTANCE}", "perhaps to work_mem")),
        name=INSTANCE,
        database_flags={"wrok_mem": "64"},
    ),
)
