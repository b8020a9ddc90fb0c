# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes over HTTP: the only file that knows the requests library, so that everything above it runs on fakes."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NetworkError

IMPORT_ERROR: str | None = None
try:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.auth import AuthBase
    from urllib3.exceptions import NewConnectionError
except ImportError:
    # Said properly by module.py, which has an AnsibleModule to say it with.
    IMPORT_ERROR = traceback.format_exc()

_CONNECTIONS = 16
_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 60.0


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
        self._session = requests.Session()
        # Without an auth object requests would put a .netrc entry in place of our token.
        self._session.auth = _keep_headers()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS))

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
