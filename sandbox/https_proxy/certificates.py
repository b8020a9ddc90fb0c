"""The CA that clients of the HTTPS proxy trust. It can vouch for Google's hosts and for no others."""

import ssl
from pathlib import Path

from cryptography import x509

from sandbox.cloudsql.certificates import Authority, load_chain
from sandbox.core.google_hosts import ACCOUNTS, SUFFIX
from sandbox.core.guardrails import NAME
from sandbox.core.store import Store

PKI, KEY = "pki", "https_proxy_ca"
CA_FILE = "https-proxy-ca.pem"
# A wildcard stands for one label: regional hosts (secretmanager.europe-west3.rep.googleapis.com) are not emulated.
NAMES = [f"*{SUFFIX}", ACCOUNTS]
# Whoever trusts this CA trusts it for these names alone, should its key ever get out.
PERMITTED = x509.NameConstraints([x509.DNSName(SUFFIX.removeprefix(".")), x509.DNSName(ACCOUNTS)], None)


def ensure_authority(store: Store, state: Path) -> Authority:
    """The CA, made once; its certificate lies in the state directory for clients to read."""
    document = store.get(PKI, KEY)
    if document is None:
        document = Authority.create(f"{NAME}: not Google", NAME, PERMITTED).dump()
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
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_chain(context, *authority.issue_server("", NAMES))
    return context
