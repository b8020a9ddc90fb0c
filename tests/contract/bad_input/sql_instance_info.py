"""Rows of sql_instance_info."""

from __future__ import annotations

from tests.contract.bad_input import BadInput

ROWS = (
    BadInput("name", "is no name", {"name": "Mlflow_DB"}, ("'Mlflow_DB'", "lower-case letters")),
    BadInput("name", "is a connection name", {"name": "mlflow-sandbox:europe-west3:db"}, ("the name alone, db",)),
)
