"""What Google's proxy and the clients behind it see of each fault of port 3307, and that they recover."""

import os
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from sandbox.core.documents import Json
from sandbox.tests.clients import auth_proxy
from sandbox.tests.clients.auth_proxy import Proxy, proxy, value
from sandbox.tests.clients.database import CONNECTION_NAME, DATABASE, INSTANCE, Prepared, prepare, write_key
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import Sandbox

NOW = "SELECT 'here'"
CLOSED = "server closed the connection unexpectedly|connection reset by peer|Connection reset"


@pytest.fixture(scope="module")
def prepared(sandbox: Sandbox) -> Prepared:
    """The instances."""
    auth_proxy.ensure()
    return prepare(sandbox)


@pytest.fixture
def running(sandbox: Sandbox, prepared: Prepared, tmp_path: Path) -> Iterator[Proxy]:
    """A proxy that has served a session already, so that it holds a certificate."""
    with proxy(sandbox, f"--credentials-file={write_key(tmp_path, prepared.key)}") as running:
        assert running.query(NOW) == "here"
        yield running


# The action, where, and what the proxy prints (None: nothing, since it only passes the end on to its client).
FAULTS: list[tuple[Json, Json, str | None]] = [
    ({"refuse": True}, {}, "connect: connection refused"),
    # At whatever the proxy was doing just then.
    ({"reset": True}, {}, "connection reset by peer|broken pipe"),
    ({"reset": True}, {"at": "handshake"}, None),
    ({"reset": True, "delay": 0.2}, {"at": "startup", "instance": INSTANCE}, None),
    ({"certificate": "expired"}, {"at": "certificate"}, "x509: certificate has expired or is not yet valid"),
    (
        {"certificate": "foreign"},
        {"at": "certificate", "instance": INSTANCE},
        "x509: certificate signed by unknown authority",
    ),
]


@pytest.mark.parametrize(("action", "where", "printed"), FAULTS, ids=str)
def test_a_fault_ends_the_login_and_the_next_one_passes(
    running: Proxy, data_plane: DataPlane, action: Json, where: Json, printed: str | None
) -> None:
    with running.session() as before:
        data_plane.fault(action, **where)
        with pytest.raises(psycopg.OperationalError, match=CLOSED):
            running.query(NOW)
        if printed:
            assert re.search(printed, running.output)
        assert value(before, NOW) == "here", "a fault is for new sessions"
    data_plane.clear()
    assert running.query(NOW) == "here"


def test_a_fault_strikes_as_often_as_it_says(running: Proxy, data_plane: DataPlane) -> None:
    data_plane.fault({"reset": True}, at="handshake", nth=2, times=2)
    outcomes = [_passes(running) for _ in range(5)]
    assert outcomes == [True, False, False, True, True]
    assert [(rule["seen"], rule["hits"], rule["spent"]) for rule in data_plane.faults()] == [(5, 2, True)]


def test_a_fault_of_another_instance_does_not_matter(running: Proxy, data_plane: DataPlane) -> None:
    data_plane.fault({"reset": True}, at="handshake", instance="another")
    data_plane.fault({"certificate": "expired"}, at="certificate", instance="another")
    assert running.query(NOW) == "here"


def test_a_delay(running: Proxy, data_plane: DataPlane) -> None:
    data_plane.fault([{"delay": 1.0}], at="startup")
    started = time.monotonic()
    assert running.query(NOW) == "here"
    assert time.monotonic() - started > 1
    started = time.monotonic()
    assert running.query(NOW) == "here"
    assert time.monotonic() - started < 1, "the list has one action"


@pytest.mark.parametrize("point", ["connection", "handshake", "startup"])
def test_a_held_login_waits_until_it_is_released(running: Proxy, data_plane: DataPlane, point: str) -> None:
    rule = data_plane.fault({"hold": True}, at=point)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(running.query, NOW)
        deadline = time.monotonic() + 10
        while not data_plane.faults()[0]["held"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert not waiting.done()
        assert data_plane.release(rule) == 1
        assert waiting.result(timeout=10) == "here"
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        running.session(timeout=2)
    data_plane.delete(rule)
    assert running.query(NOW) == "here"


def test_sessions_are_killed_of_one_instance_or_all(
    sandbox: Sandbox, prepared: Prepared, data_plane: DataPlane, tmp_path: Path
) -> None:
    other = auth_proxy.free_port()
    sandbox.operator.must("POST", "instances/another/databases", {"name": DATABASE})
    sandbox.operator.must("POST", "instances/another/users", {"name": "ada", "password": "lovelace"})
    second = f"{CONNECTION_NAME.replace(INSTANCE, 'another')}?port={other}"
    key = write_key(tmp_path, prepared.key)
    with proxy(sandbox, f"--credentials-file={key}", second) as running:
        ours, theirs = running.session(), running.session("ada", "lovelace", port=other)
        assert {(one["instance"], one["user"]) for one in data_plane.sessions()} == {
            (INSTANCE, "mlflow_user"),
            ("another", "ada"),
        }
        assert data_plane.kill("another") == 1
        with pytest.raises(psycopg.OperationalError):
            value(theirs, NOW)
        assert value(ours, NOW) == "here"
        assert data_plane.kill() == 1
        with pytest.raises(psycopg.OperationalError):
            value(ours, NOW)
        assert running.query(NOW) == "here"
        assert running.query(NOW, "ada", "lovelace", port=other) == "here"
    data_plane.wait_for_sessions(0)


def test_a_proxy_that_dies_leaves_no_session(
    sandbox: Sandbox, prepared: Prepared, data_plane: DataPlane, tmp_path: Path
) -> None:
    with proxy(sandbox, f"--credentials-file={write_key(tmp_path, prepared.key)}") as running:
        session = running.session()
        assert len(data_plane.sessions()) == 1
    data_plane.wait_for_sessions(0)
    session.close()


@pytest.mark.parametrize("change", ["restart", "stop"])
def test_a_restart_and_a_stop_end_sessions_in_postgresqls_words(
    sandbox: Sandbox, running: Proxy, data_plane: DataPlane, change: str
) -> None:
    operator, instance = sandbox.operator, f"instances/{INSTANCE}"
    session = running.session()
    if change == "restart":
        operator.wait(operator.must("POST", f"{instance}/restart"))
    else:
        operator.wait(operator.must("PATCH", instance, {"settings": {"activationPolicy": "NEVER"}}))
    with pytest.raises(psycopg.errors.AdminShutdown, match="terminating connection due to administrator command"):
        value(session, NOW)
    if change == "stop":
        # This proxy's certificate still holds, but nobody is there.
        with pytest.raises(psycopg.OperationalError, match=CLOSED):
            running.query(NOW)
        operator.wait(operator.must("PATCH", instance, {"settings": {"activationPolicy": "ALWAYS"}}))
    assert running.query(NOW) == "here"
    data_plane.wait_for_sessions(0)


def test_logins_hear_it_while_postgresql_is_down(sandbox: Sandbox, running: Proxy) -> None:
    operator, instance = sandbox.operator, f"instances/{INSTANCE}"
    identity = operator.get(f"{instance}/connectSettings")["dnsName"].partition(".")[0]
    (file,) = sandbox.state.glob(f"postgresql/{identity}/data/postmaster.pid")
    os.kill(int(file.read_text().split()[0]), signal.SIGQUIT)
    deadline = time.monotonic() + 10
    while file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(psycopg.OperationalError, match="the database system is starting up"):
        running.query(NOW)
    operator.wait(operator.must("POST", f"{instance}/restart"))
    assert running.query(NOW) == "here"


def test_a_certificate_is_renewed_under_an_open_session(
    sandbox: Sandbox, prepared: Prepared, data_plane: DataPlane, tmp_path: Path
) -> None:
    # The proxy renews four minutes before the end.
    data_plane.certificates(seconds=244)
    data_plane.wait_for_sessions(0)
    with proxy(sandbox, f"--credentials-file={write_key(tmp_path, prepared.key)}") as running, running.session() as old:
        first = _certificate(data_plane)
        deadline = time.monotonic() + 15
        while (newest := _certificate_of_a_new_session(running, data_plane)) == first:
            assert time.monotonic() < deadline
            assert value(old, NOW) == "here"
            time.sleep(0.5)
        assert value(old, NOW) == "here"
        assert _certificate(data_plane) == first != newest


def test_an_open_session_outlives_its_certificate(
    sandbox: Sandbox, prepared: Prepared, data_plane: DataPlane, tmp_path: Path
) -> None:
    data_plane.certificates(seconds=2)
    data_plane.wait_for_sessions(0)
    key = write_key(tmp_path, prepared.key)
    # Lazily: a certificate this short would have the proxy renew it without an end.
    with proxy(sandbox, f"--credentials-file={key}", "--lazy-refresh") as running, running.session() as old:
        time.sleep(2.5)
        assert value(old, NOW) == "here"
        first = _certificate(data_plane)
        assert _certificate_of_a_new_session(running, data_plane) != first


def _passes(running: Proxy) -> bool:
    try:
        return running.query(NOW) == "here"
    except psycopg.OperationalError:
        return False


def _certificate(data_plane: DataPlane) -> str:
    """Of the oldest session."""
    return str(data_plane.sessions()[0]["certificate"])


def _certificate_of_a_new_session(running: Proxy, data_plane: DataPlane) -> str:
    with running.session() as new:
        assert value(new, NOW) == "here"
        return str(data_plane.sessions()[-1]["certificate"])
