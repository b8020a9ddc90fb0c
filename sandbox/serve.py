"""`python -m sandbox serve`: runs the emulator in the foreground until SIGTERM or Ctrl-C."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from sandbox.access.tokens import Tokens
from sandbox.cloudsql.engine import Engine
from sandbox.cloudsql.listener import Listener
from sandbox.core import snapshots
from sandbox.core.dispatch import Dispatcher
from sandbox.core.guardrails import introduce
from sandbox.core.mishaps import cut
from sandbox.core.recorder import Recorder
from sandbox.core.routing import collect
from sandbox.core.settings import Settings, UnsafeAddressError
from sandbox.core.store import StateInUseError, Store
from sandbox.core.world import World
from sandbox.https_proxy.proxy import Proxy
from sandbox.management import management_application
from sandbox.postgres import binaries
from sandbox.postgres.processes import ClusterError, require_reachable
from sandbox.postgres.server import SocketPathError

WANTED_POSTGRES = 14
# A chunk of a resumable upload arrives as one body, which handlers stream; what they read whole is JSON.
LARGEST_JSON = 4 << 20
PROBLEMS = (UnsafeAddressError, StateInUseError, SocketPathError, ClusterError, binaries.UnavailableError, OSError)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `serve`; every one has a default that works without Docker."""
    default = Settings(Path("/nowhere"))
    parser.add_argument("--state", type=Path, required=True, help="folder that holds everything the sandbox knows")
    parser.add_argument("--address", default=default.address, help="where the APIs and port 3307 answer (private only)")
    parser.add_argument("--loopback", default=default.loopback, help="loopback address for the APIs and management")
    parser.add_argument("--port", type=int, default=default.port, help="port of the APIs (%(default)s)")
    parser.add_argument(
        "--management-port", type=int, default=default.management_port, help="port of /health, /requests, /reset"
    )
    parser.add_argument(
        "--https-proxy-port",
        type=int,
        default=default.https_proxy_port,
        help="port of the proxy for clients with fixed addresses (%(default)s)",
    )
    parser.add_argument("--target-address", help="whom the metadata server gives the attached account")
    parser.add_argument("--attached-account", help="e-mail of the service account attached to the target VM")
    parser.add_argument(
        "--postgres-home", type=Path, help="folder that holds PostgreSQL's bin/ (default: nearest found)"
    )
    parser.add_argument(
        "--operation-seconds",
        type=float,
        default=default.operation_seconds,
        help="how long a long-running operation lasts (%(default)s)",
    )


def run(arguments: argparse.Namespace, dispatcher: type[Dispatcher] = Dispatcher) -> int:
    """Serve; 0 after a clean stop, 1 with one clear line when it cannot start."""
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    try:
        settings = Settings(
            state=arguments.state.resolve(),
            address=arguments.address,
            loopback=arguments.loopback,
            port=arguments.port,
            management_port=arguments.management_port,
            https_proxy_port=arguments.https_proxy_port,
            target_address=arguments.target_address,
            attached_account=arguments.attached_account,
            postgres_home=arguments.postgres_home and arguments.postgres_home.resolve(),
            operation_seconds=arguments.operation_seconds,
        )
        asyncio.run(serve(settings, dispatcher))
    except PROBLEMS as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


async def serve(settings: Settings, dispatcher: type[Dispatcher]) -> None:
    """Bring everything up, wait for a signal, take everything down."""
    stop = _stop_event()
    _prepare_folder(settings.state)
    _report_postgres(settings)
    store = Store(settings.state)
    engine = Engine(settings, store)
    listener = Listener(settings, store, engine)
    proxy = Proxy(settings, store)
    world = World(settings, store, Tokens(store), engine, listener, Recorder())
    world.prepare()
    runners = [web.AppRunner(_api_application(dispatcher, world), handle_signals=False, access_log=None)]
    runners.append(web.AppRunner(management_application(world), handle_signals=False, access_log=None))
    try:
        await snapshots.recover(world)
        await listener.start()
        await _listen(runners[0], settings.listen_addresses, settings.port)
        await proxy.start(runners[0].server)
        await _listen(runners[1], [settings.loopback], settings.management_port)
        print(f"sandbox of project {settings.project} listens on {settings.url}", flush=True)
        await stop.wait()
    finally:
        listener.stop()
        proxy.stop()
        for runner in runners:
            await runner.cleanup()
        await engine.shut_down()
        store.close()


def _api_application(dispatcher: type[Dispatcher], world: World) -> web.Application:
    application = web.Application(client_max_size=LARGEST_JSON)
    application.on_response_prepare.extend((introduce, cut))
    application.router.add_route("*", "/{path:.*}", dispatcher(world, collect("sandbox.apis")))
    return application


async def _listen(runner: web.AppRunner, addresses: list[str], port: int) -> None:
    await runner.setup()
    for address in addresses:
        await web.TCPSite(runner, address, port, shutdown_timeout=2.0).start()


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def _prepare_folder(state: Path) -> None:
    """PostgreSQL's unprivileged user must be able to pass through; nobody else may list or read anything."""
    state.mkdir(mode=0o711, parents=True, exist_ok=True)
    clusters = state / "postgresql"
    clusters.mkdir(mode=0o711, exist_ok=True)
    if os.geteuid() == 0:
        state.chmod(0o711)
    require_reachable(clusters)


def _report_postgres(settings: Settings) -> None:
    found = binaries.find(WANTED_POSTGRES, settings.postgres_home)
    if found.major != WANTED_POSTGRES:
        print(
            f"warning: no PostgreSQL {WANTED_POSTGRES} here: POSTGRES_{WANTED_POSTGRES} instances will run "
            f"{found.cloud_sql_name} from {found.home}",
            file=sys.stderr,
        )


if __name__ == "__main__":
    command_line = argparse.ArgumentParser(description=__doc__)
    add_arguments(command_line)
    sys.exit(run(command_line.parse_args()))
