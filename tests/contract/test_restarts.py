"""Changes of an instance that restart PostgreSQL, seen by a client: Google's connector, logged in before and after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.cloud.sql.connector import Connector

from sandbox.tests.untyped import credentials_of, pg8000
from tests.contract.bench import PROJECT, Bench, writes

NAME = f"{PROJECT}:europe-west3:db"
LOGIN = {"user": "reader", "password": "corr3ct-horse", "db": "postgres"}
GONE = (pg8000.DatabaseError, pg8000.InterfaceError, OSError)


@pytest.fixture
def connector(furnished: Bench) -> Iterator[Connector]:
    """The operator's connector, and a user to log in as."""
    furnished.run("sql_user", instance="db", name=LOGIN["user"], password=LOGIN["password"])
    with Connector(credentials=credentials_of(furnished.key), sqladmin_api_endpoint=furnished.url.rstrip("/")) as made:
        yield made


class Client:
    """A session."""

    def __init__(self, connector: Connector) -> None:
        self._connection: Any = connector.connect(NAME, "pg8000", **LOGIN)
        self._connection.autocommit = True

    def ask(self, query: str) -> str:
        """One value."""
        cursor = self._connection.cursor()
        cursor.execute(query)
        return str(cursor.fetchone()[0])

    @property
    def limit(self) -> str:
        """How many connections PostgreSQL takes."""
        return self.ask("SHOW max_connections")

    @property
    def started(self) -> str:
        """When PostgreSQL started."""
        return self.ask("SELECT pg_postmaster_start_time()")


def test_tier_and_flags_restart_postgresql_with_leave_and_change_what_clients_get(
    furnished: Bench, connector: Connector
) -> None:
    first = Client(connector)
    started = first.started
    assert first.limit == "25"
    bigger = {**furnished.INSTANCE, "tier": "db-g1-small"}
    with furnished.without_writes():
        assert "restarts the database" in furnished.fail("sql_instance", **bigger)
    assert first.started == started, "refused: nobody is disturbed"

    result = furnished.run("sql_instance", **bigger, allow_restart=True)
    assert [change["blast_radius"] for change in result["changes"]] == ["restarts the database"]
    with pytest.raises(GONE):
        first.ask("SELECT 1")
    second = Client(connector)
    assert (second.limit, second.started > started) == ("50", True)

    flagged = {**bigger, "allow_restart": True, "database_flags": {"max_connections": "40"}}
    assert furnished.run("sql_instance", **flagged)["changed"]
    with pytest.raises(GONE):
        second.ask("SELECT 1")
    third = Client(connector)
    assert (third.limit, third.started > started) == ("40", True)
    assert not furnished.run("sql_instance", **flagged)["changed"]


def test_a_flag_that_needs_no_restart_reaches_open_sessions(furnished: Bench, connector: Connector) -> None:
    session = Client(connector)
    started, before = session.started, session.ask("SHOW work_mem")
    found = furnished.run("sql_instance_info", name="db")["instance"]["settings"]
    flags = {flag["name"]: flag["value"] for flag in found.get("databaseFlags", [])} | {"work_mem": "8192"}
    options = {**furnished.INSTANCE, "tier": found["tier"], "database_flags": flags}
    assert furnished.run("sql_instance", **options)["changed"]
    assert before != "8MB"
    assert (session.ask("SHOW work_mem"), session.started) == ("8MB", started)


def test_many_changes_that_restart_cause_one_restart(furnished: Bench, connector: Connector) -> None:
    """Tier, flags, length of queries and point-in-time recovery: one PATCH, and the sessions break once."""
    found = furnished.run("sql_instance_info", name="db")["instance"]["settings"]
    tier = "db-g1-small" if found["tier"] == "db-f1-micro" else "db-f1-micro"
    wanted: dict[str, Any] = {
        "name": "db",
        "tier": tier,
        "database_flags": {"max_connections": "33", "track_commit_timestamp": "on", "work_mem": "4096"},
        "insights_config": {"query_insights_enabled": True, "query_string_length": 4500},
        "backup_configuration": {"enabled": True, "point_in_time_recovery_enabled": True},
        "user_labels": {"restarts": "once"},
    }
    session = Client(connector)
    started = session.started
    refused = furnished.fail("sql_instance", **wanted)
    assert refused.count("this restarts the database") == 5
    # What does no harm is done already, and nobody is disturbed.
    assert (session.ask("SHOW work_mem"), session.started) == ("4MB", started)
    with furnished.recorded() as seen:
        furnished.run("sql_instance", **wanted, allow_restart=True)
    assert len(writes(seen)) == 1
    with pytest.raises(GONE):
        session.ask("SELECT 1")
    again = Client(connector)
    assert (again.limit, again.ask("SHOW track_commit_timestamp"), again.started > started) == ("33", "on", True)
