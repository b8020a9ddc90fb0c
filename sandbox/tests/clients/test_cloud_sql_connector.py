"""cloud-sql-python-connector with both its synchronous PostgreSQL drivers: logins, refusals, renewal, faults."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
import psycopg
import pytest
from google.cloud.sql.connector import Connector, DnsResolver
from google.cloud.sql.connector.exceptions import CloudSQLIPTypeError

from sandbox.core.documents import Json
from sandbox.tests.clients.database import CONNECTION_NAME, DATABASE, INSTANCE, PASSWORD, USER, Prepared, prepare
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import PROJECT, Sandbox
from sandbox.tests.untyped import credentials_of, pg8000

DRIVERS = ("pg8000", "psycopg")
# A refused login, in either driver's words around PostgreSQL's.
REFUSED = (pg8000.DatabaseError, psycopg.OperationalError)
# A session that breaks.
BROKEN = (pg8000.Error, psycopg.OperationalError, OSError)
NETWORK = f"projects/{PROJECT}/global/networks/default"


@pytest.fixture(scope="module")
def prepared(sandbox: Sandbox) -> Prepared:
    """The instance."""
    return prepare(sandbox)


@pytest.fixture(params=DRIVERS)
def driver(request: pytest.FixtureRequest) -> str:
    """Every test with each of the drivers."""
    return str(request.param)


@pytest.fixture
def connector(sandbox: Sandbox, prepared: Prepared) -> Iterator[Connector]:
    """A connector of the account that may connect."""
    with make(sandbox, prepared.key) as connector:
        yield connector


def make(sandbox: Sandbox, key: Json, **options: Any) -> Connector:
    """A connector of an account."""
    return Connector(credentials=credentials_of(key), sqladmin_api_endpoint=sandbox.url, **options)


def connect(connector: Connector, driver: str, name: str = CONNECTION_NAME, **options: Any) -> Any:
    """A DB-API connection through TLS."""
    return connector.connect(name, driver, **{"user": USER, "password": PASSWORD, "db": DATABASE, **options})


def ask(connection: Any, query: str) -> list[list[Any]]:
    """Rows of the last statement."""
    cursor = connection.cursor()
    cursor.execute(query)
    while getattr(cursor, "nextset", bool)():
        pass
    return [list(row) for row in cursor.fetchall()]


def alive(connection: Any) -> bool:
    """Whether the session answers."""
    return ask(connection, "SELECT 1") == [[1]]


def test_a_login_reaches_a_real_postgresql_14_as_the_api_user(connector: Connector, driver: str) -> None:
    connection = connect(connector, driver)
    assert ask(connection, "SELECT current_user, current_database(), split_part(version(), ' ', 2) LIKE '14.%'") == [
        [USER, DATABASE, True]
    ]
    ask(connection, "CREATE TABLE IF NOT EXISTS public.runs (id int); INSERT INTO public.runs VALUES (1); SELECT 1")
    assert ask(connection, "SELECT pg_has_role(current_user, 'cloudsqlsuperuser', 'usage')") == [[True]]
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    assert ask(connection, owner) == [["cloudsqlsuperuser"]]
    assert ask(connection, "SHOW max_connections") == [["25"]]
    connection.close()


def test_a_wrong_password_is_postgresqls_own_refusal(connector: Connector, driver: str) -> None:
    with pytest.raises(REFUSED, match=f'password authentication failed for user "{USER}"'):
        connect(connector, driver, password="wrong")


def test_a_password_set_through_the_api_counts_at_once(sandbox: Sandbox, connector: Connector, driver: str) -> None:
    sandbox.operator.must("PUT", f"instances/{INSTANCE}/users?name={USER}", {"password": "rotated"})
    connect(connector, driver, password="rotated").close()
    with pytest.raises(REFUSED, match="password authentication failed"):
        connect(connector, driver)
    sandbox.operator.must("PUT", f"instances/{INSTANCE}/users?name={USER}", {"password": PASSWORD})


def test_the_services_own_role_is_closed(connector: Connector, driver: str) -> None:
    with pytest.raises(REFUSED, match="cloudsqladmin"):
        connect(connector, driver, user="cloudsqladmin", db="postgres")


def test_the_other_instance_is_another_server(connector: Connector, driver: str) -> None:
    with pytest.raises(REFUSED, match="password authentication failed"):
        connect(connector, driver, CONNECTION_NAME.replace(INSTANCE, "another"))


def test_iam_login_goes_by_token_and_needs_the_role(sandbox: Sandbox, prepared: Prepared, driver: str) -> None:
    as_itself = {"user": prepared.iam_user, "db": "postgres"}
    with make(sandbox, prepared.key, enable_iam_auth=True) as connector:
        connection = connect(connector, driver, password=None, **as_itself)
        assert ask(connection, "SELECT current_user") == [[prepared.iam_user]]
        connection.close()
    with make(sandbox, prepared.key) as connector, pytest.raises(REFUSED, match="IAM service account"):
        connect(connector, driver, password="guess", **as_itself)


def test_without_cloudsql_client_the_refusal_names_the_permission(
    sandbox: Sandbox, prepared: Prepared, driver: str
) -> None:
    with make(sandbox, prepared.outsider_key) as connector, pytest.raises(aiohttp.ClientResponseError) as refused:
        connect(connector, driver)
    assert (refused.value.status, "cloudsql.instances.connect" in refused.value.message) == (403, True)


def test_a_private_address_is_for_clients_that_ask_for_it(sandbox: Sandbox, connector: Connector, driver: str) -> None:
    name = f"private-{driver}"
    sandbox.create_instance(name, ipConfiguration={"ipv4Enabled": False, "privateNetwork": NETWORK})
    sandbox.operator.must("POST", f"instances/{name}/users", {"name": USER, "password": PASSWORD})
    private = CONNECTION_NAME.replace(INSTANCE, name)
    connection = connect(connector, driver, private, db="postgres", ip_type="private")
    assert alive(connection)
    connection.close()
    with pytest.raises(CloudSQLIPTypeError, match="PRIMARY"):
        connect(connector, driver, private, db="postgres")
    with pytest.raises(CloudSQLIPTypeError, match="PRIVATE"):
        connect(connector, driver, ip_type="private")


def test_an_instance_is_found_by_its_dns_name(sandbox: Sandbox, prepared: Prepared, driver: str) -> None:
    name = sandbox.operator.get(f"instances/{INSTANCE}/connectSettings")["dnsName"].removesuffix(".")
    with make(sandbox, prepared.key, resolver=DnsResolver) as connector:
        connection = connect(connector, driver, name)
        assert ask(connection, "SELECT current_database()") == [[DATABASE]]
        connection.close()
        with pytest.raises(aiohttp.ClientResponseError, match="The Cloud SQL instance does not exist"):
            connect(connector, driver, f"x{name}")


def test_certificates_are_renewed_under_an_open_session(
    connector: Connector, data_plane: DataPlane, driver: str
) -> None:
    # The connector renews four minutes before the end.
    data_plane.certificates(seconds=243)
    data_plane.wait_for_sessions(0)
    old = connect(connector, driver)
    first = data_plane.sessions()[0]["certificate"]
    deadline = time.monotonic() + 15
    while _certificate_of_a_new_session(connector, driver, data_plane) == first:
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert alive(old)
    assert data_plane.sessions()[0]["certificate"] == first
    old.close()
    data_plane.wait_for_sessions(0)


def test_an_open_session_outlives_its_certificate(
    sandbox: Sandbox, prepared: Prepared, data_plane: DataPlane, driver: str
) -> None:
    data_plane.certificates(seconds=2)
    data_plane.wait_for_sessions(0)
    with make(sandbox, prepared.key, refresh_strategy="lazy") as connector:
        old = connect(connector, driver)
        time.sleep(2.5)
        assert alive(old)
        assert _certificate_of_a_new_session(connector, driver, data_plane) != data_plane.sessions()[0]["certificate"]
        old.close()


def _certificate_of_a_new_session(connector: Connector, driver: str, data_plane: DataPlane) -> str:
    new = connect(connector, driver)
    certificate = str(data_plane.sessions()[-1]["certificate"])
    new.close()
    data_plane.wait_for_sessions(1)
    return certificate


@pytest.mark.parametrize(
    ("action", "where"),
    [
        ({"refuse": True}, {}),
        ({"reset": True}, {"at": "connection"}),
        ({"reset": True}, {"at": "handshake", "instance": INSTANCE}),
        ({"reset": True}, {"at": "startup", "instance": INSTANCE}),
        # This connector does not say in TLS whom it looks for: its handshakes are struck by rules for all.
        ({"certificate": "expired"}, {"at": "certificate"}),
        ({"certificate": "foreign"}, {"at": "certificate"}),
    ],
    ids=str,
)
def test_a_fault_ends_the_login_and_the_next_one_passes(
    connector: Connector, data_plane: DataPlane, driver: str, action: Json, where: Json
) -> None:
    connect(connector, driver).close()
    data_plane.fault(action, **where)
    with pytest.raises(BROKEN):
        connect(connector, driver)
    data_plane.clear()
    connection = connect(connector, driver)
    assert alive(connection)
    connection.close()


def test_a_killed_session_breaks_and_the_next_one_passes(
    connector: Connector, data_plane: DataPlane, driver: str
) -> None:
    data_plane.wait_for_sessions(0)
    connection = connect(connector, driver)
    assert data_plane.kill(INSTANCE) == 1
    with pytest.raises(BROKEN):
        alive(connection)
    with contextlib.closing(connect(connector, driver)) as fresh:
        assert alive(fresh)


def test_a_role_that_owns_tables_is_not_dropped(sandbox: Sandbox, connector: Connector) -> None:
    connection = connect(connector, "pg8000")
    ask(connection, "CREATE TABLE IF NOT EXISTS public.owned (id int); SELECT 1")
    connection.commit()
    users = sandbox.operator.call("DELETE", f"instances/{INSTANCE}/users?name={USER}")
    assert users.status == 400
    assert f'role "{USER}" cannot be dropped because some objects depend on it Details:' in users.message
    connection.close()


def test_what_sql_made_is_listed_by_the_api(sandbox: Sandbox, connector: Connector) -> None:
    connection = connect(connector, "pg8000")
    connection.autocommit = True
    ask(connection, "CREATE ROLE by_hand LOGIN; SELECT 1")
    names = {user["name"] for user in sandbox.operator.get(f"instances/{INSTANCE}/users")["items"]}
    assert "by_hand" in names
