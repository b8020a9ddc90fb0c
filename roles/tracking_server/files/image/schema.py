"""Create or migrate MLflow's backend store, once and before any server starts.

`mlflow db upgrade` dies on an empty database, so an empty one is initialised by MLflow's own store functions. The
store is opened at the end because that creates experiment 0; left to the server's workers, they race for it.
"""

import os
import sys

import connection
import sqlalchemy
from mlflow.store.db import utils
from mlflow.store.tracking.file_store import FileStore
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

URI = os.environ["_MLFLOW_SERVER_FILE_STORE"]
ARTIFACT_ROOT = os.environ["_MLFLOW_SERVER_ARTIFACT_ROOT"]


def prepare_database() -> None:
    """Tables and experiment 0, whatever was there before."""
    engine = utils.create_sqlalchemy_engine_with_retry(URI)
    if sqlalchemy.inspect(engine).has_table("alembic_version"):
        utils._upgrade_db(engine)
    else:
        utils._initialize_tables(engine)
    SqlAlchemyStore(URI, ARTIFACT_ROOT)
    print("schema revision", utils._get_schema_version(engine))


def main() -> int:
    if URI.startswith("file:"):
        FileStore(URI, ARTIFACT_ROOT)
        return 0
    if URI.startswith("postgresql"):
        connection.connect().close()  # fails at once with libpq's words; MLflow would retry in silence for two minutes
    prepare_database()
    return 0


if __name__ == "__main__":
    sys.exit(main())
