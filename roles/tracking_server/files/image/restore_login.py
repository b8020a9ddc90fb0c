"""Let the database user log in again after somebody took that from it (ALTER ROLE ... NOLOGIN).

No call of Google's API does it, so a temporary user, made through it a moment ago, does it in SQL. PostgreSQL lets no
role drop itself: the restored user drops the temporary one. Without a password of the temporary user (a run before was
killed in between) only the dropping is left. Standard input is a JSON object of both passwords, the argument names the
temporary user; prints one line of JSON, with exit code 0 whatever happened: the reader decides.
"""

import contextlib
import json
import os
import sys
from typing import Any

import connection
import psycopg2
from psycopg2 import sql
from psycopg2.extensions import encrypt_password


def allow_login(temporary: str, temporary_password: str, password: str) -> None:
    """LOGIN and the password, as a verifier: PostgreSQL's log may keep statements."""
    user = os.environ["PGUSER"]
    with contextlib.closing(connection.connect(temporary_password, temporary)) as opened, opened as session:
        verifier = encrypt_password(password, user, session, "scram-sha-256")
        run(session, sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(user), sql.Literal(verifier)))


def drop(temporary: str, password: str) -> None:
    """Remove the temporary user."""
    with contextlib.closing(connection.connect(password)) as opened, opened as session:
        run(session, sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(temporary)))


def run(session: Any, statement: sql.Composed) -> None:
    with session.cursor() as cursor:
        cursor.execute(statement)


def restore(temporary: str, temporary_password: str, password: str) -> dict[str, Any]:
    """What came of it; PostgreSQL's own words where it refused."""
    done = {"restored": not temporary_password, "dropped": False, "reason": ""}
    try:
        if temporary_password:
            allow_login(temporary, temporary_password, password)
            done["restored"] = True
        drop(temporary, password)
        done["dropped"] = True
    except psycopg2.Error as error:
        done["reason"] = " ".join(str(error).split())
    return done


if __name__ == "__main__":
    passwords = json.load(sys.stdin)
    print(json.dumps(restore(sys.argv[1], passwords["temporary"], passwords["current"])))
