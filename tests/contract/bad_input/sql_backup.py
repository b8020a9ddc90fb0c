"""Backups that can never be."""

from __future__ import annotations

from typing import Any

from tests.contract.bad_input import INSTANCE, BadInput


def given(**options: Any) -> dict[str, Any]:
    return {"instance": INSTANCE, **options}


ROWS = (
    BadInput("instance", "is no name", {"instance": "Mlflow_DB"}, ("'Mlflow_DB'", "lower-case letters")),
    BadInput("instance", "is a connection name", {"instance": "p:europe-west3:db"}, ("the name alone, db",)),
    BadInput("id", "is Google's to choose", given(id="17"), ("Google chooses the id", "leave it out")),
    BadInput("id", "is a number", given(state="absent", id="latest"), ("'latest'", "gcloud sql backups list")),
    BadInput("location", "is no place", given(location="Europe"), ("'Europe'", "us, eu or asia: correct it")),
    BadInput("timeout", "is no time", given(timeout=0), ("1 or more",)),
)
