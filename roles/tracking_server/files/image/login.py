"""Log in to PostgreSQL with the password on standard input, and print what was found as one line of JSON.

--leftover names the temporary user of restore_login.py, which a killed run may have left. --acting-as is for a login by
IAM, which has no password, and says which role it acts as (see act_as.py); it names the user whose tables may be there.
Nothing is written. The exit code is 0 whatever was found: the reader decides.
"""

import argparse
import json
import pathlib
import sys
from typing import Any

import connection
import psycopg2

REVISION = pathlib.Path("/opt/mlflow_ops/schema_revision")


def look(password: str | None, temporary: str = "", owner: str = "") -> dict[str, Any]:
    """Whether PostgreSQL lets us in, and the schema revision there beside the one that this MLflow wants."""
    try:
        session = connection.connect(password)
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        refused, disabled = "authentication failed" in reason, "is not permitted to log in" in reason
        return {"login": False, "refused": refused, "disabled": disabled, "leftover": False, "reason": reason}
    with session:
        revision = connection.schema_revision(session)
        leftover = connection.has_role(session, temporary)
        database = {"owner": connection.owner(session), "obstacle": connection.obstacle(session)}
        database |= connection.acting(session, owner) if owner else {}
    session.close()
    wanted = REVISION.read_text().strip()
    found = {"login": True, "refused": False, "disabled": False, "leftover": leftover, "reason": ""}
    return found | database | {"schema": revision, "schema_wanted": wanted}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--leftover", default="")
    parser.add_argument("--acting-as", default="")
    given = parser.parse_args()
    print(json.dumps(look(None if given.acting_as else sys.stdin.read(), given.leftover, given.acting_as)))
