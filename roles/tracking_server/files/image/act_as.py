"""Have whoever logs in to this database by IAM act as another role from the next login on, which the argument names.

PostgreSQL keeps it (ALTER ROLE ... IN DATABASE ... SET role). Everybody may say it of oneself; without the membership a
login would stay what it is, with a warning.
"""

import contextlib
import sys

import connection
from psycopg2 import sql


def act_as(role: str) -> None:
    """Say it as the one who has logged in, whatever role that one acts as until now."""
    with contextlib.closing(connection.connect()) as opened, opened as session, session.cursor() as cursor:
        cursor.execute("SET ROLE NONE")
        cursor.execute("SELECT session_user, current_database()")
        user, database = map(sql.Identifier, cursor.fetchone())
        statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET role = {}").format(user, database, sql.Literal(role))
        cursor.execute(statement)


if __name__ == "__main__":
    act_as(sys.argv[1])
