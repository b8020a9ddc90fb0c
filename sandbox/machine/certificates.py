"""A certificate authority of the sandbox's own, for its registry: the target trusts it, nothing else does."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.machine import files

_LIFE = timedelta(days=3650)


def ensure(folder: Path, names: list[str], addresses: list[str]) -> Path:
    """Make ca.crt, tls.crt and tls.key for a server, once; returns the CA's certificate.

    The CA's own key is not kept: whoever needs another certificate makes everything anew.
    """
    final = folder / "ca.crt"
    if final.exists():
        return final
    with files.folder(folder) as partial:
        authority_key, server_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        issuer = _name("mlflow-sandbox registry CA")
        authority = _builder(issuer, issuer, authority_key.public_key())
        authority = authority.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = authority.sign(authority_key, hashes.SHA256())
        alternative: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternative += [x509.IPAddress(ipaddress.ip_address(address)) for address in addresses]
        server = _builder(_name("mlflow-sandbox registry"), issuer, server_key.public_key())
        server = server.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        server = server.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        server = server.add_extension(identifier, critical=False)
        _write(partial / "ca.crt", certificate)
        _write(partial / "tls.crt", server.sign(authority_key, hashes.SHA256()))
        files.write(partial / "tls.key", _private(server_key), mode=0o600)
    return final


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _write(path: Path, certificate: x509.Certificate) -> None:
    files.write(path, certificate.public_bytes(serialization.Encoding.PEM))


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
