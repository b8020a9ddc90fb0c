"""Rows of sql_backup_info."""

from __future__ import annotations

from tests.contract.bad_input import BadInput

ROWS = (
    BadInput("instance", "is no name", {"instance": "Mlflow_DB"}, ("'Mlflow_DB'", "lower-case letters")),
    BadInput("instance", "is a connection name", {"instance": "p:europe-west3:db"}, ("the name alone, db",)),
)
