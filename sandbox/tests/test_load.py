"""The sandbox under load: no error, and figures for the log (calls, queries, latency, memory, start-up)."""

import asyncio
import base64
import itertools
import socket
import ssl
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import aiohttp
import psycopg
import pytest
from psycopg import conninfo

from sandbox.core.documents import Json
from sandbox.tests.clients import auth_proxy
from sandbox.tests.clients.auth_proxy import Proxy, Session, proxy
from sandbox.tests.clients.database import DATABASE, INSTANCE, PASSWORD, USER, write_key
from sandbox.tests.data_plane import DataPlane
from sandbox.tests.running import NUMBER, PROJECT, Sandbox
from sandbox.tests.untyped import SCOPE

SESSIONS, SESSION_SECONDS = 64, 30
PARALLEL_CALLS, ROUNDS = 200, 15
MINTED = f"minted@{PROJECT}.iam.gserviceaccount.com"
# Memory that 5000 calls may cost: the recorder keeps them, at most 2 kB each, and the allocator rounds up.
CALLS, CALLS_MEGABYTES = 5000, 12
# A session must leave nothing: what it holds would be 10 kB and more. What is allowed is the allocator's.
LOGINS, LOGINS_MEGABYTES = 1000, 8
FIRST_ANSWER_SECONDS = 2.0
BIG = 64 << 20
LINE = b"x" * 1023 + b"\n"
# Of a session whose other side waits, the sandbox holds some blocks.
WAITING_MEGABYTES = 10

Report = Callable[[str], None]


@dataclass(frozen=True)
class Usage:
    """What the process holds."""

    megabytes: float
    descriptors: int

    @classmethod
    def of(cls, sandbox: Sandbox) -> "Usage":
        """Now, once clients that have hung up are let go."""
        time.sleep(0.5)
        status = Path(f"/proc/{sandbox.pid}/status").read_text()
        kilobytes = int(status.split("VmRSS:")[1].split()[0])
        return cls(kilobytes / 1024, len(list(Path(f"/proc/{sandbox.pid}/fd").iterdir())))

    def __str__(self) -> str:
        return f"{self.megabytes:.0f} MB, {self.descriptors} descriptors"


@pytest.fixture
def report(capsys: pytest.CaptureFixture[str]) -> Report:
    """Prints past pytest's capture, so that the figures are in the log of a run that passes too."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n[load] {text}", flush=True)

    return say


@pytest.fixture(scope="module")
def loaded() -> Iterator[Sandbox]:
    """A sandbox of its own, as users run it, with an instance that takes 100 connections."""
    auth_proxy.ensure()
    sandbox = Sandbox(observed=False)
    sandbox.reset()
    sandbox.account("minted")
    sandbox.operator.bind("roles/iam.serviceAccountTokenCreator", sandbox.operator.email)
    sandbox.create_instance(INSTANCE, tier="db-custom-1-3840")
    sandbox.operator.must("POST", f"instances/{INSTANCE}/databases", {"name": DATABASE})
    sandbox.operator.must("POST", f"instances/{INSTANCE}/users", {"name": USER, "password": PASSWORD})
    yield sandbox
    sandbox.destroy()


@pytest.fixture(scope="module")
def running(loaded: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """A proxy to it."""
    client = loaded.account("sql-client", "roles/cloudsql.client")
    key = write_key(tmp_path_factory.mktemp("load"), loaded.key_of(client.email))
    with proxy(loaded, f"--credentials-file={key}") as running:
        yield running


class Caller:
    """Calls the API as the operator and keeps the time of each call."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self._url = sandbox.url
        self._session = session
        self._headers = {"Authorization": f"Bearer {sandbox.operator.token}", "Metadata-Flavor": "Google"}
        self.seconds: list[float] = []

    async def call(self, method: str, path: str, body: Json | None = None, data: bytes | None = None) -> None:
        """One call, which must succeed."""
        started = time.monotonic()
        url = self._url + path
        async with self._session.request(method, url, json=body, data=data, headers=self._headers) as reply:
            content = await reply.read()
            assert reply.status == 200, f"{method} {path}: {reply.status} {content[:300]!r}"
        self.seconds.append(time.monotonic() - started)


READS = (
    f"/v1/projects/{PROJECT}/instances",
    f"/v1/projects/{PROJECT}/instances/{INSTANCE}",
    f"/sql/v1beta4/projects/{PROJECT}/instances/{INSTANCE}/connectSettings",
    f"/v1/projects/{PROJECT}/instances/{INSTANCE}/databases",
    f"/v1/projects/{PROJECT}/instances/{INSTANCE}/users",
    f"/v1/projects/{PROJECT}/operations?instance={INSTANCE}",
    "/v1/flags?databaseVersion=POSTGRES_14",
    f"/v1/projects/{PROJECT}/serviceAccounts",
    f"/v1/projects/{PROJECT}",
    f"/v3/projects/{PROJECT}",
    f"/v1/projects/{NUMBER}/services?filter=state:ENABLED",
    f"/v1/projects/{PROJECT}/secrets",
    f"/storage/v1/b?project={PROJECT}",
    "/storage/v1/b/load/o",
    "/computeMetadata/v1/instance/service-accounts/default/email",
)


def writes(number: int) -> list[tuple[str, str, Json | None, bytes | None]]:
    """Writes to resources that only this worker has, and a token of its own."""
    name, secrets = f"load-{number}", f"/v1/projects/{PROJECT}/secrets"
    payload = {"payload": {"data": base64.b64encode(name.encode()).decode()}}
    return [
        ("POST", f"{secrets}?secretId={name}", {"replication": {"automatic": {}}}, None),
        ("POST", f"{secrets}/{name}:addVersion", payload, None),
        ("GET", f"{secrets}/{name}/versions/latest:access", None, None),
        ("POST", f"/storage/v1/b?project={PROJECT}", {"name": f"{name}-bucket"}, None),
        ("POST", f"/upload/storage/v1/b/load/o?uploadType=media&name={name}", None, b"x" * 1000),
        ("GET", f"/storage/v1/b/load/o/{name}?alt=media", None, None),
        ("POST", f"/v1/projects/{PROJECT}/serviceAccounts", {"accountId": name}, None),
        ("POST", f"/v1/projects/-/serviceAccounts/{MINTED}:generateAccessToken", {"scope": [SCOPE]}, None),
    ]


async def work(caller: Caller, number: int, rounds: int) -> None:
    """One worker: writes of its own, then reads of everything."""
    # Each begins somewhere else, so that all are read at the same time.
    paths = itertools.islice(itertools.cycle(READS), number % len(READS), None)
    calls = itertools.chain(writes(number), (("GET", path, None, None) for path in paths))
    for call in itertools.islice(calls, rounds):
        await caller.call(*call)


def call_in_parallel(sandbox: Sandbox, jobs: Callable[[Caller], list[Awaitable[None]]]) -> tuple[float, list[float]]:
    """Run the jobs at once; how long all took, and each call."""

    async def run() -> tuple[float, list[float]]:
        timeout = aiohttp.ClientTimeout(total=60)
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:
            caller = Caller(sandbox, session)
            started = time.monotonic()
            await asyncio.gather(*jobs(caller))
            return time.monotonic() - started, caller.seconds

    return asyncio.run(run())


def in_figures(seconds: float, each: list[float], unit: str) -> str:
    """Rate and latency."""
    hundredths = statistics.quantiles(each, n=100)
    latency = f"median {statistics.median(each) * 1000:.1f} ms, p99 {hundredths[98] * 1000:.1f} ms"
    return f"{len(each)} {unit} in {seconds:.1f} s: {len(each) / seconds:.0f}/s, {latency}"


def test_two_hundred_parallel_api_calls(loaded: Sandbox, report: Report) -> None:
    loaded.operator.must("POST", f"/storage/v1/b?project={PROJECT}", {"name": "load"})
    seconds, each = call_in_parallel(
        loaded, lambda caller: [work(caller, number, ROUNDS) for number in range(PARALLEL_CALLS)]
    )
    assert len(each) == PARALLEL_CALLS * ROUNDS
    report(f"{PARALLEL_CALLS} clients at once: {in_figures(seconds, each, 'API calls')}; {Usage.of(loaded)}")


def test_sixty_four_parallel_sessions_through_the_proxy(loaded: Sandbox, running: Proxy, report: Report) -> None:
    started = time.monotonic()
    each = asyncio.run(query_in_parallel(running.port, SESSION_SECONDS))
    seconds = time.monotonic() - started
    assert min(len(times) for times in each) > SESSION_SECONDS, "every session made progress"
    figures = in_figures(seconds, [one for times in each for one in times], "queries")
    report(f"{SESSIONS} sessions through cloud-sql-proxy: {figures}; {Usage.of(loaded)}")
    DataPlane(loaded).wait_for_sessions(0)


async def query_in_parallel(port: int, seconds: float) -> list[list[float]]:
    """The time of each query of each session."""
    together = asyncio.Barrier(SESSIONS)

    async def query_until_the_end(number: int) -> list[float]:
        login = conninfo.make_conninfo(host="127.0.0.1", port=port, user=USER, password=PASSWORD, dbname=DATABASE)
        async with await psycopg.AsyncConnection.connect(login) as connection:
            await together.wait()
            end, times = time.monotonic() + seconds, []
            while (started := time.monotonic()) < end:
                cursor = await connection.execute("SELECT %s::int, repeat('x', 500)", (number,))
                assert (await cursor.fetchone() or ())[0] == number
                times.append(time.monotonic() - started)
            return times

    return await asyncio.gather(*(query_until_the_end(number) for number in range(SESSIONS)))


def test_calls_and_sessions_leave_nothing_behind(loaded: Sandbox, running: Proxy, report: Report) -> None:
    log_in_often(running, LOGINS // 10)
    read_often(loaded, CALLS // 10)
    before = Usage.of(loaded)
    log_in_often(running, LOGINS)
    knock_often(loaded, LOGINS // 3)
    DataPlane(loaded).wait_for_sessions(0)
    after_logins = Usage.of(loaded)
    read_often(loaded, CALLS)
    after_calls = Usage.of(loaded)
    report(f"at first {before}; after {LOGINS} sessions {after_logins}; after {CALLS} calls {after_calls}")
    assert after_logins.megabytes - before.megabytes < LOGINS_MEGABYTES
    assert after_calls.megabytes - after_logins.megabytes < CALLS_MEGABYTES
    assert max(after_logins.descriptors, after_calls.descriptors) <= before.descriptors + 2


def log_in_often(running: Proxy, times: int) -> None:
    """So many sessions, eight at a time."""
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: running.query("SELECT 1"), range(times))) == {1}


def knock_often(sandbox: Sandbox, times: int) -> None:
    """Clients that hang up, talk nonsense or have no certificate: none gets a session."""
    stranger = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    stranger.check_hostname, stranger.verify_mode = False, ssl.CERT_NONE
    for _ in range(times):
        for rudeness in (b"", b"GET / HTTP/1.1\r\n\r\n", None):
            with socket.create_connection((sandbox.address, 3307), timeout=10) as connection:
                if rudeness is None:
                    with stranger.wrap_socket(connection) as tls, pytest.raises(ssl.SSLError, match="required"):
                        tls.recv(1)
                else:
                    connection.sendall(rudeness)


def read_often(sandbox: Sandbox, times: int) -> None:
    """So many calls, fifty at a time."""

    async def read(caller: Caller) -> None:
        for path in itertools.islice(itertools.cycle(READS[:6]), times // 50):
            await caller.call("GET", path)

    call_in_parallel(sandbox, lambda caller: [read(caller) for _ in range(50)])


def test_copy_of_many_megabytes_both_ways(running: Proxy, report: Report) -> None:
    with running.session() as connection:
        connection.execute("CREATE TEMP TABLE big (line text)")
        started = time.monotonic()
        send_big(connection, "big")
        loaded_at = time.monotonic()
        with connection.cursor().copy("COPY big TO STDOUT") as copy:
            came = sum(len(block) for block in copy)
        read_at = time.monotonic()
    assert came == BIG
    there, back = ((BIG >> 20) / seconds for seconds in (loaded_at - started, read_at - loaded_at))
    report(f"COPY of {BIG >> 20} MB through cloud-sql-proxy: {there:.0f} MB/s in, {back:.0f} MB/s out")


def send_big(connection: Session, table: LiteralString) -> None:
    """Load the table."""
    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
        for _ in range(BIG // len(LINE)):
            copy.write(LINE)


def test_what_one_side_does_not_take_waits_on_the_other(loaded: Sandbox, running: Proxy) -> None:
    running.query("CREATE TABLE slow (line text); SELECT 1")
    before = Usage.of(loaded)
    with running.session() as locked, running.session() as writer, ThreadPoolExecutor(1) as pool:
        locked.execute("LOCK TABLE slow")
        sending = pool.submit(send_big, writer, "slow")
        time.sleep(2)
        meanwhile = Usage.of(loaded)
        assert not sending.done(), "PostgreSQL takes nothing yet"
        locked.rollback()
        sending.result()
    with running.session() as reader, reader.cursor().copy("COPY slow TO STDOUT") as copy:
        came = len(next(iter(copy)))
        time.sleep(2)
        afterwards = Usage.of(loaded)
        came += sum(len(block) for block in copy)
    assert came == BIG
    assert meanwhile.megabytes - before.megabytes < WAITING_MEGABYTES
    assert afterwards.megabytes - before.megabytes < WAITING_MEGABYTES


def test_a_query_is_cancelled_through_the_proxy(running: Proxy) -> None:
    with running.session() as connection, ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(connection.execute, "SELECT pg_sleep(30)")
        time.sleep(0.5)
        connection.cancel()
        with pytest.raises(psycopg.errors.QueryCanceled):
            asleep.result(timeout=10)


def test_the_first_answer_comes_soon(report: Report) -> None:
    sandbox = Sandbox(observed=False)
    seconds = []
    try:
        sandbox.enable("sqladmin")
        for _ in range(3):
            sandbox.stop()
            started = time.monotonic()
            sandbox.restart()
            assert sandbox.operator.get("instances")["kind"] == "sql#instancesList"
            seconds.append(time.monotonic() - started)
        usage = Usage.of(sandbox)
    finally:
        sandbox.destroy()
    report(f"start to first API answer without PostgreSQL: {min(seconds):.2f} s; {usage}")
    assert min(seconds) <= FIRST_ANSWER_SECONDS
