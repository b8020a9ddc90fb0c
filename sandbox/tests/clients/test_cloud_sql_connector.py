"""cloud-sql-python-connector with pg8000 through the TLS listener: logins, refusals, what a session may do."""

from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
from google.cloud.sql.connector import Connector

from sandbox.core.documents import Json
from sandbox.tests.clients.database import CONNECTION_NAME, DATABASE, INSTANCE, PASSWORD, USER, Prepared, prepare
from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import credentials_of, pg8000


@pytest.fixture(scope="module")
def prepared(sandbox: Sandbox) -> Prepared:
    """The instance."""
    return prepare(sandbox)


@pytest.fixture
def connector(sandbox: Sandbox, prepared: Prepared) -> Iterator[Connector]:
    """A connector of the account that may connect."""
    with make(sandbox, prepared.key) as connector:
        yield connector


def make(sandbox: Sandbox, key: Json, **options: Any) -> Connector:
    """A connector of an account."""
    return Connector(credentials=credentials_of(key), sqladmin_api_endpoint=sandbox.url, **options)


def connect(connector: Connector, name: str = CONNECTION_NAME, **options: Any) -> Any:
    """A DB-API connection through TLS."""
    return connector.connect(name, "pg8000", **{"user": USER, "password": PASSWORD, "db": DATABASE, **options})


def ask(connection: Any, query: str) -> list[Any]:
    """Rows."""
    cursor = connection.cursor()
    cursor.execute(query)
    return list(cursor.fetchall())


def test_a_login_reaches_a_real_postgresql_14_as_the_api_user(connector: Connector) -> None:
    connection = connect(connector)
    assert ask(connection, "SELECT current_user, current_database(), split_part(version(), ' ', 2) LIKE '14.%'") == [
        [USER, DATABASE, True]
    ]
    ask(connection, "CREATE TABLE public.runs (id int); INSERT INTO public.runs VALUES (1); SELECT 1")
    assert ask(connection, "SELECT pg_has_role(current_user, 'cloudsqlsuperuser', 'usage')") == [[True]]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert ask(connection, owner) == [["cloudsqlsuperuser"]]
    assert ask(connection, "SHOW max_connections") == [["25"]]


def test_a_wrong_password_is_postgresqls_own_28p01(connector: Connector) -> None:
    with pytest.raises(pg8000.DatabaseError, match="28P01"):
        connect(connector, password="wrong")


def test_a_password_set_through_the_api_counts_at_once(sandbox: Sandbox, connector: Connector) -> None:
    sandbox.operator.must("PUT", f"instances/{INSTANCE}/users?name={USER}", {"password": "rotated"})
    connect(connector, password="rotated").close()
    with pytest.raises(pg8000.DatabaseError, match="28P01"):
        connect(connector)
    sandbox.operator.must("PUT", f"instances/{INSTANCE}/users?name={USER}", {"password": PASSWORD})


def test_the_services_own_role_is_closed(connector: Connector) -> None:
    with pytest.raises(pg8000.DatabaseError, match="cloudsqladmin"):
        connect(connector, user="cloudsqladmin", db="postgres")


def test_the_other_instance_is_another_server(connector: Connector) -> None:
    with pytest.raises(pg8000.DatabaseError, match="28P01"):
        connect(connector, CONNECTION_NAME.replace(INSTANCE, "another"))


def test_iam_login_goes_by_token_and_needs_the_role(sandbox: Sandbox, prepared: Prepared) -> None:
    with make(sandbox, prepared.key, enable_iam_auth=True) as connector:
        connection = connect(connector, user=prepared.iam_user, password=None, db="postgres")
        assert ask(connection, "SELECT current_user") == [[prepared.iam_user]]
    with make(sandbox, prepared.key) as connector, pytest.raises(pg8000.DatabaseError, match="IAM service account"):
        connect(connector, user=prepared.iam_user, password="guess", db="postgres")


def test_without_cloudsql_client_the_refusal_names_the_permission(sandbox: Sandbox, prepared: Prepared) -> None:
    with make(sandbox, prepared.outsider_key) as connector, pytest.raises(aiohttp.ClientResponseError) as refused:
        connect(connector)
    assert (refused.value.status, "cloudsql.instances.connect" in refused.value.message) == (403, True)


def test_a_role_that_owns_tables_is_not_dropped(sandbox: Sandbox, connector: Connector) -> None:
    connection = connect(connector)
    ask(connection, "CREATE TABLE IF NOT EXISTS public.owned (id int); SELECT 1")
    connection.commit()
    users = sandbox.operator.call("DELETE", f"instances/{INSTANCE}/users?name={USER}")
    assert users.status == 400
    assert f'role "{USER}" cannot be dropped because some objects depend on it Details:' in users.message
    connection.close()


def test_what_sql_made_is_listed_by_the_api(sandbox: Sandbox, connector: Connector) -> None:
    connection = connect(connector)
    connection.autocommit = True
    ask(connection, "CREATE ROLE by_hand LOGIN; SELECT 1")
    names = {user["name"] for user in sandbox.operator.get(f"instances/{INSTANCE}/users")["items"]}
    assert "by_hand" in names
    assert PROJECT in CONNECTION_NAME
