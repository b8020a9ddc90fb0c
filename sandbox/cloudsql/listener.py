"""The data plane on port 3307: TLS 1.3 with ephemeral client certificates, relayed to the instance's PostgreSQL.

One address serves all instances: the server certificate is chosen by SNI (its DNS name, or PROJECT:INSTANCE as old
proxies send it), the instance by the issuer of the client's certificate, which the state keeps over restarts.
"""

import asyncio
import contextlib
import logging
import ssl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cryptography import x509

from sandbox.access.enforcement import Question, is_allowed
from sandbox.cloudsql import certificates, startup
from sandbox.cloudsql.engine import INSTANCES, Engine
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.postgres.cluster import ADMIN, ClusterError

LOG = logging.getLogger(__name__)
BLOCK = 256 * 1024


def dns_name(record: Json) -> str:
    """The instance's DNS name, as connectSettings advertises it and certificates carry it (without the last dot)."""
    return f"{record['id']}.sandbox.{record['region']}.sql.goog"


def has_iam_authentication(record: Json) -> bool:
    """Whether the flag that lets IAM users log in is on."""
    flags = record["settings"].get("databaseFlags", [])
    return any(flag["name"] == "cloudsql.iam_authentication" and flag["value"] == "on" for flag in flags)


class Listener:
    """The TLS server and its sessions."""

    def __init__(self, settings: Settings, store: Store, engine: Engine) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._contexts: dict[str | None, ssl.SSLContext] = {}
        self._generation = -1
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        context = self._context(None)
        context.sni_callback = self._choose_certificate
        self._server = await asyncio.start_server(
            self._serve, self._settings.address, self._settings.data_plane_port, ssl=context
        )

    def stop(self) -> None:
        """Take no more sessions. Those that run end with their PostgreSQL."""
        if self._server:
            self._server.close()

    def _choose_certificate(self, session: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if self._generation != self._engine.generation:
            self._contexts, self._generation = {}, self._engine.generation
        record = next((record for record in self._instances() if name in (dns_name(record), self._label(record))), None)
        key = record["name"] if record else None
        if key not in self._contexts:
            self._contexts[key] = self._context(record)
        session.context = self._contexts[key]

    def _context(self, record: Json | None) -> ssl.SSLContext:
        """A context that shows one instance's certificate, or (no SNI) one that names them all."""
        shown = [record] if record else self._instances()
        label = self._label(shown[0]) if shown else "no instance yet"
        names = [dns_name(one) for one in shown] or ["sandbox.sql.goog"]
        ca = self._engine.server_ca
        key, certificate = ca.issue_server(label, names)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        with _temporary_file(
            certificates.key_pem(key) + certificates.pem(certificate) + certificates.pem(ca.certificate)
        ) as path:
            context.load_cert_chain(path)
        for one in self._instances():
            context.load_verify_locations(cadata=one["client_ca"]["certificate"])
        return context

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._session(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError, startup.ProtocolError) as error:
            LOG.debug("session on the data plane ended: %r", error)
        finally:
            writer.close()

    async def _session(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        certificate = x509.load_der_x509_certificate(der)
        record = self._owner_of(certificate)
        if record is None:
            return
        first = await startup.read_startup(reader, writer)
        if refusal := await self._refusal(record, first.user, certificates.login_principal(certificate)):
            writer.write(refusal)
            await writer.drain()
            return
        try:
            upstream = await asyncio.open_unix_connection(str(self._engine.socket(record["name"])))
        except OSError:
            writer.write(startup.fatal("57P03", "the database system is not accepting connections"))
            await writer.drain()
            return
        upstream[1].write(first.packet)
        await asyncio.gather(_pump(reader, upstream[1]), _pump(upstream[0], writer))

    async def _refusal(self, record: Json, user: str, principal: str) -> bytes | None:
        """What PostgreSQL's own authentication cannot judge: the service's own role, and IAM database logins."""
        if user == ADMIN:
            return startup.fatal("28000", f'pg_hba.conf rejects connection for user "{ADMIN}"')
        if "@" not in user:
            return None
        try:
            users = await self._engine.run(record["name"], lambda cluster: cluster.users())
        except ClusterError as error:
            return startup.fatal("57P03", str(error))
        kind = next((known.type for known in users if known.name == user), "BUILT_IN")
        return None if kind == "BUILT_IN" else self._iam_refusal(record, user, principal)

    def _iam_refusal(self, record: Json, user: str, principal: str) -> bytes | None:
        if not has_iam_authentication(record):
            # PostgreSQL is then set up without IAM, and such a user has no password.
            return startup.fatal("28P01", f'password authentication failed for user "{user}"')
        if self._may_log_in(record, user, principal):
            return None
        return startup.fatal("28P01", f'Cloud SQL IAM service account authentication failed for user "{user}"')

    def _may_log_in(self, record: Json, user: str, principal: str) -> bool:
        names = {"instance": record["name"]}
        question = Question(principal, "cloudsql.instances.login", "sqladmin.googleapis.com", names)
        is_theirs = principal.removesuffix(".gserviceaccount.com") == user
        return is_theirs and is_allowed(self._store, self._settings, question)

    def _owner_of(self, certificate: x509.Certificate) -> Json | None:
        for record in self._instances():
            if certificates.Authority.load(record["client_ca"]).certificate.subject == certificate.issuer:
                return record
        return None

    def _instances(self) -> list[Json]:
        return [record for _, record in self._store.items(INSTANCES)]

    def _label(self, record: Json) -> str:
        return f"{self._settings.project}:{record['name']}"


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while block := await reader.read(BLOCK):
            writer.write(block)
            await writer.drain()
    except (ConnectionError, ssl.SSLError) as error:
        LOG.debug("relay ended: %r", error)
    finally:
        writer.close()


@contextlib.contextmanager
def _temporary_file(text: str) -> Iterator[Path]:
    """ssl.SSLContext reads its certificate and key from a file only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield Path(file.name)
