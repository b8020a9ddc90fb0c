"""Database users that can never be."""

from __future__ import annotations

from typing import Any

from tests.contract.bad_input import EMAIL, INSTANCE, USER, BadInput

ACCOUNT = "CLOUD_IAM_SERVICE_ACCOUNT"
LONG = f"{'x' * 30}@{'p' * 30}.iam.gserviceaccount.com"


def given(name: str, **options: Any) -> dict[str, Any]:
    return {"instance": INSTANCE, "name": name, **options}


ROWS = (
    BadInput("name", "is not empty", given("", password="corr3ct-horse"), ("is empty", "set mlflow_database_user")),
    BadInput("name", "fits PostgreSQL", given("x" * 64, password="corr3ct-horse"), ("63 bytes at most", "shorter")),
    BadInput("name", "is not PostgreSQL's own", given("pg_reader", password="corr3ct-horse"), ("a role of their own",)),
    BadInput("name", "is not Cloud SQL's own", given("cloudsqladmin", password="corr3ct-horse"), ("set mlflow_data",)),
    BadInput("name", "of an account is in lower case", given(EMAIL.title(), type=ACCOUNT), (f"write {EMAIL}",)),
    BadInput("name", "of an account is its address", given("mlflow-server", type=ACCOUNT), ("e-mail of a service ac",)),
    BadInput("name", "of an account fits PostgreSQL", given(LONG, type=ACCOUNT), ("65 bytes", "a shorter ID")),
    BadInput("name", "of a person is its address", given("ada", type="CLOUD_IAM_USER"), ("as ada@example.com",)),
    BadInput("name", "of a person is not a service account's", given(EMAIL, type="CLOUD_IAM_USER"), ("set type to",)),
    BadInput("name", "of a group is in lower case", given("A@b.example", type="CLOUD_IAM_GROUP"), ("write a@b.exam",)),
    BadInput(
        "type",
        "is fixed",
        given("ada@example.com", type="CLOUD_IAM_USER"),
        ("'BUILT_IN' -> 'CLOUD_IAM_USER'", "a user's type can't change"),
        existing=(("sql_user", given("ada@example.com", password="corr3ct-horse")),),
    ),
    BadInput("password", "is not empty", given(USER, password=""), ("choose another", "backend_store_password")),
    BadInput("password", "has no line break", given(USER, password="corr3ct\nhorse"), ("holds a line break",)),
    BadInput("password", "has no single quote", given(USER, password="corr3ct'horse"), ("a single quote",)),
    BadInput("password", "is none of an account", given(EMAIL, type=ACCOUNT, password="corr3ct"), ("leave it out",)),
    BadInput("database_roles", "have names", given(USER, database_roles=["readers", ""]), ("an empty name",)),
    BadInput("database_roles", "are others", given(USER, database_roles=[USER]), (f"{USER} itself",)),
    BadInput("update_database_roles", "gives some", given(USER, update_database_roles="always"), ("set database_ro",)),
    BadInput(
        "revoke_existing_roles",
        "goes with an update",
        given(USER, database_roles=["readers"], revoke_existing_roles=True),
        ("set update_database_roles to always",),
    ),
    BadInput("confirm_delete", "is there", given(USER, state="absent"), ("can't be undone", f"confirm_delete: {USER}")),
    BadInput("confirm_delete", "is the name", given(USER, state="absent", confirm_delete="mlflow"), ("'mlflow'",)),
)
