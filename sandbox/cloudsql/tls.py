"""TLS as the data plane shows it: which server certificate a client gets, and whose client certificates count.

The server certificate is chosen by SNI (the instance's DNS name, or PROJECT:INSTANCE as old proxies send it; one that
names all instances without SNI), the instance by the issuer of the client's certificate, which the state keeps.
"""

import ssl
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sandbox.cloudsql import certificates
from sandbox.cloudsql.data_plane_faults import CertificateFault
from sandbox.cloudsql.engine import INSTANCES, Engine
from sandbox.core.documents import Json
from sandbox.core.settings import Settings
from sandbox.core.store import Store

INTERNAL_CA = "GOOGLE_MANAGED_INTERNAL_CA"


def dns_name(record: Json) -> str:
    """The instance's DNS name, as connectSettings advertises it and certificates carry it (without the last dot)."""
    return f"{record['id']}.sandbox.{record['region']}.sql.goog"


def ca_mode(record: Json) -> str:
    """Which kind of CA signs the instance's certificate."""
    return str(record["settings"]["ipConfiguration"].get("serverCaMode", INTERNAL_CA))


class Contexts:
    """One SSL context an instance, made when first asked for, all made anew when instances come or go."""

    def __init__(self, settings: Settings, store: Store, engine: Engine) -> None:
        self._settings = settings
        self._store = store
        self._engine = engine
        self._contexts: dict[tuple[str, CertificateFault | None], ssl.SSLContext] = {}
        self._names: dict[str, str] = {}
        self._issuers: dict[x509.Name, str] = {}
        self._generation = -1

    def door(self, fault_for: Callable[[str], CertificateFault | None]) -> ssl.SSLContext:
        """The context that handshakes begin with; `fault_for` says what is wrong with an instance's certificate."""

        def choose(session: ssl.SSLObject, sni: str | None, _: ssl.SSLContext) -> None:
            self._refresh()
            instance = self._names.get(sni or "", "")
            session.context = self._context(instance, fault_for(instance))

        self._refresh()
        context = self._make("", None)
        context.sni_callback = choose
        return context

    def instance_of(self, certificate: x509.Certificate) -> str | None:
        """The instance that issued a client's certificate."""
        self._refresh()
        return self._issuers.get(certificate.issuer)

    def _refresh(self) -> None:
        if self._generation == self._engine.generation:
            return
        self._generation, self._contexts, self._names, self._issuers = self._engine.generation, {}, {}, {}
        for record in self._instances():
            name = record["name"]
            self._names |= {dns_name(record): name, self._label(record): name}
            authority = x509.load_pem_x509_certificate(record["client_ca"]["certificate"].encode())
            self._issuers[authority.subject] = name

    def _context(self, instance: str, fault: CertificateFault | None) -> ssl.SSLContext:
        key = (instance, fault)
        if key not in self._contexts:
            self._contexts[key] = self._make(instance, fault)
        return self._contexts[key]

    def _make(self, instance: str, fault: CertificateFault | None) -> ssl.SSLContext:
        records = self._instances()
        shown = [record for record in records if record["name"] == instance] or records
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.verify_mode = ssl.CERT_REQUIRED
        certificates.load_chain(context, *self._chain(shown, fault))
        for record in records:
            context.load_verify_locations(cadata=record["client_ca"]["certificate"])
        return context

    def _chain(
        self, shown: list[Json], fault: CertificateFault | None
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate, x509.Certificate]:
        """Key, certificate and CA."""
        # What Certificate Authority Service signs names the instance by its DNS name alone.
        label = self._label(shown[0]) if shown and ca_mode(shown[0]) == INTERNAL_CA else ""
        names = [dns_name(record) for record in shown] or ["sandbox.sql.goog"]
        authority = self._engine.server_ca
        if fault is CertificateFault.FOREIGN:
            authority = certificates.Authority.create("Google Cloud SQL Server CA")
        key, certificate = authority.issue_server(label, names, expired=fault is CertificateFault.EXPIRED)
        return key, certificate, authority.certificate

    def _instances(self) -> list[Json]:
        return [record for _, record in self._store.items(INSTANCES)]

    def _label(self, record: Json) -> str:
        return f"{self._settings.project}:{record['name']}"
