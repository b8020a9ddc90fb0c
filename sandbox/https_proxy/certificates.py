"""The CA that clients of the HTTPS proxy trust. It can vouch for Google's hosts and for no others."""

import datetime as dt
import os
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.cloudsql.certificates import Authority, key_pem, pem
from sandbox.core.google_hosts import ACCOUNTS, SUFFIX
from sandbox.core.store import Store

PKI, KEY = "pki", "https_proxy_ca"
CA_FILE = "https-proxy-ca.pem"
CLOCK_SKEW = dt.timedelta(hours=1)
LIFETIME = dt.timedelta(days=3650)
# A wildcard stands for one label: regional hosts (secretmanager.europe-west3.rep.googleapis.com) are not emulated.
NAMES = [f"*{SUFFIX}", ACCOUNTS]
# Whoever trusts this CA trusts it for these names alone, should its key ever get out.
PERMITTED = x509.NameConstraints([x509.DNSName(SUFFIX.removeprefix(".")), x509.DNSName(ACCOUNTS)], None)


def ensure_authority(store: Store, state: Path) -> Authority:
    """The CA, made once; its certificate lies in the state directory for clients to read."""
    document = store.get(PKI, KEY)
    if document is None:
        document = _create().dump()
        store.put(PKI, KEY, document)
        store.commit()
    path = state / CA_FILE
    if not path.exists() or path.read_text() != document["certificate"]:
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(document["certificate"])
        unfinished.chmod(0o644)
        unfinished.replace(path)
    return Authority.load(document)


def server_context(authority: Authority) -> ssl.SSLContext:
    """TLS as all of Google's hosts; HTTP/1.1 only."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAMES[0])])
    certificate = (
        _builder(subject, authority.certificate.subject, key, authority.key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    # ssl.SSLContext reads from a file only.
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(key_pem(key) + pem(certificate))
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _create() -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mlflow-sandbox: not Google")])
    usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
    certificate = (
        _builder(name, name, key, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(PERMITTED, critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(key, certificate)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, issuer_key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(identifier, critical=False)
    )
