# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes over HTTP: the only file that knows the requests library, so that everything above it runs on fakes."""

from __future__ import annotations

import functools
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NetworkError

IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
    from urllib3.exceptions import NewConnectionError
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:
    # Said properly by module.py, which has an AnsibleModule to say it with.
    IMPORT_ERROR = traceback.format_exc()

_CONNECTIONS = 16
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0
# The threads of a plan connect at the same time.
_READING = threading.Lock()


@dataclass(frozen=True)
class Reply:
    """An HTTP answer; header names in lower case."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """Sends one request once."""

    def send(
        self, method: str, url: str, params: Mapping[str, Any] | None, body: object, headers: Mapping[str, str]
    ) -> Reply:
        """The answer, whatever its status; raises NetworkError if there was none."""


class PooledTransport:
    """Keep-alive connections shared by all threads of the process."""

    def __init__(self) -> None:
        self._session = new_session()
        # Without an auth object requests would put a .netrc entry in place of our token.
        self._session.auth = _keep_headers()

    def send(
        self, method: str, url: str, params: Mapping[str, Any] | None, body: object, headers: Mapping[str, str]
    ) -> Reply:
        """See Transport."""
        try:
            reply = self._session.request(
                method,
                url,
                params=params,
                json=body,
                headers=dict(headers),
                timeout=(_CONNECT_TIMEOUT, _READ_TIMEOUT),
                allow_redirects=False,
            )
        except requests.exceptions.RequestException as error:
            raise _network_error(error, method, url) from error
        return Reply(reply.status_code, reply.content, {name.lower(): value for name, value in reply.headers.items()})


def _keep_headers() -> AuthBase:
    class KeepHeaders(AuthBase):
        def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
            return request

    return KeepHeaders()


def new_session() -> requests.Session:
    """A session that shares its TLS context with all others: requests reads the CAs anew for each connection."""

    class OneContext(HTTPAdapter):
        # The hook that requests documents for a context of one's own (2.32).
        def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
            host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
            if host["scheme"] == "https" and verify:
                pool = {"cert_reqs": "CERT_REQUIRED", "ssl_context": _context(verify)}
            return host, pool

        def cert_verify(self, conn: Any, *how: Any) -> None:
            base: Any = super()
            base.cert_verify(conn, *how)
            if conn.conn_kw.get("ssl_context"):
                # Else urllib3 would read them into the context once more.
                conn.ca_certs = conn.ca_cert_dir = None

    session = requests.Session()
    for scheme in ("https://", "http://"):
        session.mount(scheme, OneContext(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS))
    return session


def _context(verify: bool | str) -> Any:
    bundle = DEFAULT_CA_BUNDLE_PATH if verify is True else str(verify)
    with _READING:
        try:
            return _trusting(bundle)
        except OSError as error:
            problem = error.strerror or str(error)
    raise requests.exceptions.SSLError(f"can't read the certificates to trust ({bundle}): {problem}")


@functools.cache
def _trusting(bundle: str) -> Any:
    context = create_urllib3_context()
    folder = Path(bundle).is_dir()
    context.load_verify_locations(cafile=None if folder else bundle, capath=bundle if folder else None)
    return context


def _network_error(error: requests.exceptions.RequestException, method: str, url: str) -> NetworkError:
    where = f"{method} {url}"
    if isinstance(error, requests.exceptions.SSLError):
        return NetworkError(f"{where}: TLS failed: {_root(error)}", sent=False, lasting=True)
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return NetworkError(f"{where}: no connection within {_CONNECT_TIMEOUT:.0f} s", sent=False)
    if isinstance(error, requests.exceptions.ReadTimeout):
        return NetworkError(f"{where}: no answer within {_READ_TIMEOUT:.0f} s")
    reason = getattr(error.args[0] if error.args else None, "reason", None)
    if isinstance(reason, NewConnectionError):
        return NetworkError(f"{where}: no connection: {_root(error)}", sent=False)
    return NetworkError(f"{where}: the connection broke: {_root(error)}")


def _root(error: BaseException) -> str:
    """The innermost cause in one line: the outer ones only repeat the address."""
    seen = error
    while (inner := seen.__cause__ or seen.__context__) is not None:
        seen = inner
    return " ".join(str(seen).split()) or type(seen).__name__
