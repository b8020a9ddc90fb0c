"""A fresh login to PostgreSQL with what the environment says (PGHOST, PGUSER, ...) and a password or the passfile."""

from typing import Any

import psycopg2


def connect(password: str | None = None) -> Any:
    """Log in; raises psycopg2.OperationalError with libpq's own words."""
    if password is None:
        return psycopg2.connect("")
    return psycopg2.connect("", password=password)


def schema_revision(session: Any) -> str | None:
    """The Alembic revision of the database, or None where MLflow has never been."""
    with session.cursor() as cursor:
        cursor.execute("SELECT to_regclass('alembic_version')")
        if cursor.fetchone()[0] is None:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
        return str(row[0]) if row else None
