"""An instance with a database, a built-in and an IAM user, shared by the tests of connectors and proxy."""

import json
from dataclasses import dataclass
from pathlib import Path

from sandbox.core.documents import Json
from sandbox.tests.running import PROJECT, Sandbox

INSTANCE = "mlflow-metadata"
CONNECTION_NAME = f"{PROJECT}:europe-west3:{INSTANCE}"
DATABASE, USER, PASSWORD = "mlflow", "mlflow_user", "correct-horse"


@dataclass(frozen=True)
class Prepared:
    """The instance's clients: `key` may connect and log in by IAM as `iam_user`, `outsider_key` has no role."""

    key: Json
    outsider_key: Json
    iam_user: str


def prepare(sandbox: Sandbox) -> Prepared:
    """Two instances (so that routing matters), database, users and accounts."""
    operator = sandbox.operator
    sandbox.create_instance("another")
    sandbox.create_instance(INSTANCE, databaseFlags=[{"name": "cloudsql.iam_authentication", "value": "on"}])
    operator.must("POST", f"instances/{INSTANCE}/databases", {"name": DATABASE})
    operator.must("POST", f"instances/{INSTANCE}/users", {"name": USER, "password": PASSWORD})
    client = sandbox.account("sql-client", "roles/cloudsql.client", "roles/cloudsql.instanceUser")
    iam_user = client.email.removesuffix(".gserviceaccount.com")
    body = {"name": iam_user, "type": "CLOUD_IAM_SERVICE_ACCOUNT"}
    operator.must("POST", f"instances/{INSTANCE}/users", body)
    outsider = sandbox.account("sql-outsider")
    return Prepared(sandbox.key_of(client.email), sandbox.key_of(outsider.email), iam_user)


def write_key(directory: Path, key: Json) -> Path:
    """A key as the file that clients want."""
    path = directory / f"{key['client_email'].partition('@')[0]}.json"
    path.write_text(json.dumps(key))
    return path
