"""Cloud SQL's certificates: one server CA for the sandbox, one client CA an instance, ephemeral client certificates.

What each client checks is in README.md ("TLS as clients check it"). Elliptic curves keep instance creation quick.
"""

import base64
import datetime as dt
import hashlib
import re
import ssl
import tempfile
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from sandbox.core.documents import Json, timestamp

YEARS = dt.timedelta(days=3650)
CLOCK_SKEW = dt.timedelta(minutes=1)
EXPIRED_SINCE = CLOCK_SKEW / 2
MAX_COMMON_NAME = 64
GOOGLE = "Google, Inc"
# Carries the e-mail whose access token came with the request for the certificate (IAM database login). Our own OID arc.
LOGIN_PRINCIPAL = x509.ObjectIdentifier("1.3.6.1.4.1.59999.1")


@dataclass(frozen=True)
class Authority:
    """A certificate authority: key and self-signed certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def create(
        cls, common_name: str, organization: str = GOOGLE, permitted: x509.NameConstraints | None = None
    ) -> "Authority":
        """A new CA; `permitted` are the names that it can vouch for, where those are not all."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name, organization)
        builder = _builder(subject, subject, key.public_key(), key.public_key(), YEARS)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        if permitted:
            builder = builder.add_extension(permitted, critical=True)
        return cls(key, builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()))

    @classmethod
    def load(cls, document: Json) -> "Authority":
        """From the state."""
        key = serialization.load_pem_private_key(document["key"].encode(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError("the state holds a CA key that is not an EC key")
        return cls(key, x509.load_pem_x509_certificate(document["certificate"].encode()))

    def dump(self) -> Json:
        """For the state."""
        return {"key": key_pem(self.key), "certificate": pem(self.certificate)}

    def issue_server(
        self, common_name: str, names: list[str], *, expired: bool = False
    ) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        """A server certificate. A common name that is "" or longer than X.509 allows is left out: the SANs remain."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(common_name) if 0 < len(common_name) <= MAX_COMMON_NAME else x509.Name([])
        lifetime = -EXPIRED_SINCE if expired else YEARS
        builder = _builder(subject, self.certificate.subject, key.public_key(), self.key.public_key(), lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return key, builder.add_extension(alternatives, critical=not subject.rdns).sign(self.key, hashes.SHA256())

    def issue_client(
        self, public_key: CertificatePublicKeyTypes, lifetime: dt.timedelta, email: str
    ) -> x509.Certificate:
        """An ephemeral client certificate; `email` (may be empty) is whose token allows IAM database login."""
        subject = _name("Google Cloud SQL Client")
        builder = _builder(subject, self.certificate.subject, public_key, self.key.public_key(), lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        if email:
            builder = builder.add_extension(x509.UnrecognizedExtension(LOGIN_PRINCIPAL, email.encode()), critical=False)
        return builder.sign(self.key, hashes.SHA256())


def login_principal(certificate: x509.Certificate) -> str:
    """The e-mail that `issue_client` put in, or ""."""
    try:
        extension = certificate.extensions.get_extension_for_oid(LOGIN_PRINCIPAL).value
    except x509.ExtensionNotFound:
        return ""
    return extension.value.decode() if isinstance(extension, x509.UnrecognizedExtension) else ""


def load_public_key(text: str) -> CertificatePublicKeyTypes:
    """A client's public key. Go clients label SubjectPublicKeyInfo RSA PUBLIC KEY: the label is not to be believed."""
    found = re.search(r"-----BEGIN [^-]+-----(.+?)-----END", text, re.DOTALL)
    if not found:
        raise ValueError("not a PEM public key")
    key = serialization.load_der_public_key(base64.b64decode("".join(found.group(1).split())))
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey):
        raise TypeError("a key of this type cannot be certified")
    return key


def ssl_cert(certificate: x509.Certificate, instance: str) -> Json:
    """The sql#sslCert resource."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "kind": "sql#sslCert",
        "certSerialNumber": str(certificate.serial_number),
        "cert": pem(certificate).strip(),
        "commonName": str(names[0].value) if names else "",
        "sha1Fingerprint": hashlib.sha1(der, usedforsecurity=False).hexdigest(),
        "instance": instance,
        "createTime": timestamp(certificate.not_valid_before_utc),
        "expirationTime": timestamp(certificate.not_valid_after_utc),
    }


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """The private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def load_chain(context: ssl.SSLContext, key: ec.EllipticCurvePrivateKey, *chain: x509.Certificate) -> None:
    """Give a context its key and certificates, which it reads from a file (0600, gone at once) only."""
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(key_pem(key) + "".join(pem(certificate) for certificate in chain))
        file.flush()
        context.load_cert_chain(file.name)


def _name(common_name: str, organization: str = GOOGLE) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "US"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: CertificatePublicKeyTypes,
    issuer_key: ec.EllipticCurvePublicKey,
    lifetime: dt.timedelta,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )
