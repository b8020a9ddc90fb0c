"""Log in to PostgreSQL with the password on standard input, and print what was found as one line of JSON.

Nothing is written anywhere. The exit code is 0 whatever was found: the reader decides.
"""

import json
import pathlib
import sys
from typing import Any

import connection
import psycopg2

REVISION = pathlib.Path("/opt/mlflow_ops/schema_revision")


def look(password: str | None) -> dict[str, Any]:
    """Whether PostgreSQL lets us in, and the schema revision there beside the one that this MLflow wants."""
    try:
        session = connection.connect(password)
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        return {"login": False, "refused": "authentication failed" in reason, "reason": reason}
    with session:
        revision = connection.schema_revision(session)
    session.close()
    wanted = REVISION.read_text().strip()
    return {"login": True, "refused": False, "reason": "", "schema": revision, "schema_wanted": wanted}


if __name__ == "__main__":
    print(json.dumps(look(sys.stdin.read())))
