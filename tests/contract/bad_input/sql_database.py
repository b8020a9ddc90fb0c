"""Databases that can never be."""

from __future__ import annotations

from typing import Any

from tests.contract.bad_input import DATABASE, INSTANCE, BadInput


def given(name: str, **options: Any) -> dict[str, Any]:
    return {"instance": INSTANCE, "name": name, **options}


ROWS = (
    BadInput("name", "is not empty", given(""), ("is empty", "set mlflow_database (option name)")),
    BadInput("name", "fits PostgreSQL", given("x" * 64), ("63 bytes at most", "to a shorter one")),
    BadInput("name", "is not PostgreSQL's own", given("template1"), ("a database of Cloud SQL's own",)),
    BadInput("name", "is not looked for by clients", given("postgres", state="absent"), ("many clients", "leave it")),
    BadInput(
        "charset", "is the one that Google makes", given("new", charset="LATIN1"), ("creates databases with UTF8",)
    ),
    BadInput(
        "collation", "is the one that Google makes", given("new", collation="C"), ("set collation to en_US.UTF8",)
    ),
    BadInput("charset", "is fixed", given(DATABASE, charset="LATIN1"), ("'UTF8' -> 'LATIN1'", "fixed at creation")),
    BadInput("collation", "is fixed", given(DATABASE, collation="C"), ("'en_US.UTF8' -> 'C'", "a new name")),
    BadInput("confirm_delete", "is there", given(DATABASE, state="absent"), (f"confirm_delete: {DATABASE}",)),
    BadInput("confirm_delete", "is the name", given(DATABASE, state="absent", confirm_delete="x"), ("is 'x', but",)),
)
