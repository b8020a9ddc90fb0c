"""Prove the path to PostgreSQL and, with --bucket, to Cloud Storage; print what was found as one line of JSON.

The password comes from standard input with --password, otherwise from the passfile that the server itself reads.
Nothing is written anywhere. The exit code is 0 whatever was found: the reader decides.
"""

import argparse
import json
import pathlib
import sys
import urllib.parse

import connection
import psycopg2

REVISION = pathlib.Path("/opt/mlflow_ops/schema_revision")


def check_login(password):
    try:
        session = connection.connect(password)
    except psycopg2.OperationalError as error:
        reason = " ".join(str(error).split())
        return {"login": False, "refused": "authentication failed" in reason, "reason": reason}
    with session:
        revision = connection.schema_revision(session)
    session.close()
    return {"login": True, "refused": False, "reason": "", "schema": revision, "schema_wanted": REVISION.read_text().strip()}


def check_bucket(uri):
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage

    parts = urllib.parse.urlsplit(uri)
    try:
        next(iter(storage.Client().list_blobs(parts.netloc, prefix=parts.path.lstrip("/"), max_results=1, timeout=20)), None)
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        return {"bucket": False, "bucket_reason": " ".join(str(error).split())}
    return {"bucket": True, "bucket_reason": ""}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--password", action="store_true", help="read the password from standard input")
    parser.add_argument("--bucket", metavar="URI", help="list this gs:// location too")
    arguments = parser.parse_args()
    found = check_login(sys.stdin.read() if arguments.password else None)
    if arguments.bucket:
        found.update(check_bucket(arguments.bucket))
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
