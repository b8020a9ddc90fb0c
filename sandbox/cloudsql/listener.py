"""The data plane on port 3307: TLS 1.3 with ephemeral client certificates, relayed to the instance's PostgreSQL.

One address serves all instances. A certificate counts when a session begins and never again: like Cloud SQL, the
listener keeps a session whose certificate has expired since, and clients renew theirs for the next one.
"""

import asyncio
import contextlib
import datetime as dt
import logging
import socket
import ssl
import struct
from dataclasses import dataclass

from cryptography import x509

from sandbox.cloudsql import certificates, relay, startup
from sandbox.cloudsql.data_plane_faults import CutError, Faults, Point
from sandbox.cloudsql.engine import INSTANCES, Engine
from sandbox.cloudsql.logins import STARTING, Logins
from sandbox.cloudsql.tls import Contexts
from sandbox.cloudsql.tunnel import Tunnel
from sandbox.core.documents import Json, timestamp
from sandbox.core.settings import Settings
from sandbox.core.store import Store

LOG = logging.getLogger(__name__)
QUEUE = 512
# As long as PostgreSQL's authentication_timeout.
STARTUP_SECONDS = 60
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
# After the process ran out of descriptors.
PAUSE_SECONDS = 1
CERTIFICATE_LIFETIME = dt.timedelta(hours=1)
PROBLEMS = (OSError, asyncio.IncompleteReadError, TimeoutError, startup.ProtocolError)


@dataclass(eq=False)
class Session:
    """One client, from its TCP connection to its end."""

    connection: socket.socket
    task: asyncio.Task[None] | None = None
    since: str = ""
    instance: str = ""
    user: str = ""
    certificate: x509.Certificate | None = None

    def reset_on_close(self) -> None:
        """Let the close be a TCP reset."""
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)

    def reset(self) -> None:
        """End it with a TCP reset, whatever is under way."""
        self.reset_on_close()
        if self.task:
            self.task.cancel()

    def as_json(self) -> Json:
        """For the management port."""
        shown = {"since": self.since, "instance": self.instance, "user": self.user}
        if self.certificate:
            expires = timestamp(self.certificate.not_valid_after_utc)
            shown |= {"certificate": str(self.certificate.serial_number), "certificateExpires": expires}
        return shown


def is_stopped(record: Json) -> bool:
    """Whether the instance was stopped (activationPolicy NEVER)."""
    return bool(record["settings"]["activationPolicy"] == "NEVER")


class Listener:
    """The port and its sessions."""

    def __init__(self, settings: Settings, store: Store, engine: Engine) -> None:
        self.faults = Faults()
        self.certificate_lifetime = CERTIFICATE_LIFETIME
        """How long ephemeral certificates that are issued from now on live."""
        self._settings = settings
        self._store = store
        self._engine = engine
        self._contexts = Contexts(settings, store, engine)
        self._logins = Logins(settings, store, engine)
        self._sessions: set[Session] = set()
        self._door: socket.socket | None = None

    async def start(self) -> None:
        """Listen."""
        self.follow_faults()

    def stop(self) -> None:
        """Take no more sessions. Those that run end with their PostgreSQL."""
        if self._door:
            asyncio.get_running_loop().remove_reader(self._door)
            self._door.close()
            self._door = None

    def reset(self) -> None:
        """A fresh project has neither faults nor sessions."""
        self.faults.clear()
        self.certificate_lifetime = CERTIFICATE_LIFETIME
        self.follow_faults()
        self.kill()

    def follow_faults(self) -> None:
        """Open or close the port as the rules say."""
        if self.faults.refuses:
            self.stop()
        elif self._door is None:
            self._door = socket.create_server((self._settings.address, self._settings.data_plane_port), backlog=QUEUE)
            self._door.setblocking(False)
            context = self._contexts.door(self.faults.certificate)
            asyncio.get_running_loop().add_reader(self._door, self._accept, self._door, context)

    def sessions(self, instance: str = "") -> list[Session]:
        """The open sessions, of one instance or all."""
        return [session for session in self._sessions if instance in ("", session.instance)]

    def kill(self, instance: str = "") -> int:
        """Reset the open sessions of one instance or all; how many those were."""
        doomed = self.sessions(instance)
        for session in doomed:
            session.reset()
        return len(doomed)

    def _accept(self, door: socket.socket, context: ssl.SSLContext) -> None:
        try:
            connection, _ = door.accept()
        except BlockingIOError:
            return
        except OSError as error:
            LOG.warning("port %s cannot accept: %s", self._settings.data_plane_port, error)
            self.stop()
            asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.follow_faults)
            return
        session = Session(connection, since=timestamp())
        session.task = asyncio.get_running_loop().create_task(self._serve(session, context))
        self._sessions.add(session)
        session.task.add_done_callback(lambda _: self._sessions.discard(session))

    async def _serve(self, session: Session, door: ssl.SSLContext) -> None:
        try:
            tunnel = Tunnel(session.connection, door)
            await self.faults.meet(Point.CONNECTION, gone=tunnel.has_hung_up)
            await asyncio.wait_for(tunnel.handshake(), STARTUP_SECONDS)
            await self._talk(session, tunnel)
            await tunnel.close()
        except CutError as cut:
            LOG.debug("fault: %s", cut)
            session.reset_on_close()
        except PROBLEMS as error:
            LOG.debug("session on the data plane ended: %r", error)
        finally:
            session.connection.close()

    async def _talk(self, session: Session, tunnel: Tunnel) -> None:
        """From the end of the handshake to the session's end."""
        session.certificate = x509.load_der_x509_certificate(tunnel.client_certificate)
        session.instance = self._contexts.instance_of(session.certificate) or ""
        record = self._store.get(INSTANCES, session.instance)
        if record is None:
            return
        await self.faults.meet(Point.HANDSHAKE, session.instance, tunnel.has_hung_up)
        first = await asyncio.wait_for(startup.read_startup(tunnel), STARTUP_SECONDS)
        session.user = first.user
        await self.faults.meet(Point.STARTUP, session.instance, tunnel.has_hung_up)
        if is_stopped(record):
            # Cloud SQL's machine is off then and nobody answers; the port is shared, so this is the nearest.
            raise CutError(f"instance {session.instance} is stopped")
        principal = certificates.login_principal(session.certificate)
        if refusal := await self._logins.refusal(record, first.user, principal):
            await tunnel.write(refusal)
        elif upstream := await self._upstream(session.instance):
            await relay.relay(first.packet, tunnel, upstream)
        else:
            await tunnel.write(STARTING)

    async def _upstream(self, instance: str) -> socket.socket | None:
        path = self._engine.socket(instance)
        try:
            return await relay.connect(path) if path else None
        except OSError:
            return None
