"""A fresh login to PostgreSQL with what the environment says (PGHOST, PGUSER, ...) and a password or the passfile."""

from typing import Any

import psycopg2

# Cloud SQL's own role for administrators: cloud.google.com/sql/docs/postgres/users.
SUPERUSER = "cloudsqlsuperuser"


def connect(password: str | None = None, user: str | None = None) -> Any:
    """Log in; raises psycopg2.OperationalError with libpq's own words."""
    given = {"password": password, "user": user}
    return psycopg2.connect("", **{name: value for name, value in given.items() if value is not None})


def schema_revision(session: Any) -> str | None:
    """The Alembic revision of the database, or None where MLflow has never been or where we may not look."""
    with session.cursor() as cursor:
        cursor.execute("SELECT has_table_privilege(to_regclass('alembic_version'), 'SELECT')")
        if not cursor.fetchone()[0]:
            return None
        cursor.execute("SELECT version_num FROM alembic_version")
        row = cursor.fetchone()
        return str(row[0]) if row else None


def has_role(session: Any, name: str) -> bool:
    """Whether PostgreSQL has a role of this name."""
    with session.cursor() as cursor:
        cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
        return cursor.fetchone() is not None


def acting(session: Any, user: str) -> dict[str, Any]:
    """Which role the session acts as, which it should (empty: itself), and whether it may.

    It should act as `user` where that one owns tables here, or the database; else as cloudsqlsuperuser where that one
    owns the database, as of all that Google's API makes.
    """
    with session.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace(current_schema()) "
            "AND relkind = 'r' AND pg_get_userbyid(relowner) = %s)",
            [user],
        )
        owns = cursor.fetchone()[0] or owner(session) == user
        role = user if owns else SUPERUSER if owner(session) == SUPERUSER else ""
        cursor.execute(
            "SELECT current_user, EXISTS (SELECT FROM pg_roles WHERE rolname = %s "
            "AND pg_has_role(session_user, oid, 'MEMBER'))",
            [role],
        )
        acts_as, held = cursor.fetchone()
    return {"acting_as": acts_as, "role": role, "role_held": held}


def obstacle(session: Any) -> str:
    """Why MLflow could not make or change its tables, in PostgreSQL's words; empty where it can. Only asks."""
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_has_role(relowner, 'USAGE') FROM pg_class WHERE oid = to_regclass('alembic_version')")
        if cursor.fetchone() == (False,):
            return "must be owner of table alembic_version"
        cursor.execute("SELECT current_schema(), has_schema_privilege(current_schema(), 'CREATE')")
        schema, may_create = cursor.fetchone()
    if schema is None:
        return "no schema has been selected to create in"
    return "" if may_create else f"permission denied for schema {schema}"


def owner(session: Any) -> str:
    """To whom the database belongs."""
    with session.cursor() as cursor:
        cursor.execute("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()")
        return str(cursor.fetchone()[0])
