"""The HTTPS proxy: CONNECT to one of Google's hosts, TLS as that host, then the emulator's own HTTP server.

It connects nowhere. Inside a tunnel requests come and go as on the emulator's port; the Host header chooses the API.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import cast

from sandbox.core.google_hosts import is_google
from sandbox.core.guardrails import NAME, is_near
from sandbox.core.settings import Settings
from sandbox.core.store import Store
from sandbox.https_proxy.certificates import ensure_authority, server_context

LOG = logging.getLogger(__name__)
LONGEST_HEAD = 16 << 10
HTTPS_PORT = "443"
END = b"\r\n\r\n"


class Proxy:
    """Its listening sockets."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._context = server_context(ensure_authority(store, settings.state))
        self._listening: list[asyncio.Server] = []

    async def start(self, server: Callable[[], asyncio.Protocol] | None) -> None:
        """Listen; `server` makes the HTTP protocol of a tunnel's inside."""
        if server is None:
            raise TypeError("the emulator's HTTP server is not set up yet")
        loop, port = asyncio.get_running_loop(), self._settings.https_proxy_port
        for address in self._settings.listen_addresses:
            listening = await loop.create_server(lambda: _Connection(self._context, server), address, port)
            self._listening.append(listening)

    def stop(self) -> None:
        """Take no more connections; those inside are the HTTP server's."""
        for listening in self._listening:
            listening.close()


class _Connection(asyncio.Protocol):
    """A client's connection until its tunnel is open."""

    def __init__(self, context: ssl.SSLContext, server: Callable[[], asyncio.Protocol]) -> None:
        self._context = context
        self._server = server
        self._head = b""
        self._opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast("asyncio.Transport", transport)
        if not is_near(transport.get_extra_info("peername")[0]):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Collect the request's head, then open the tunnel or refuse."""
        self._head += data
        if END not in self._head and len(self._head) <= LONGEST_HEAD:
            return
        line = self._head.partition(b"\r\n")[0].decode("latin-1")
        if refusal := _refusal(line):
            LOG.warning("HTTPS proxy refused: %s", line)
            self._refuse(refusal)
        elif self._opening is None:
            self._transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._opening = asyncio.get_running_loop().create_task(self._open())

    def _refuse(self, reason: str) -> None:
        """Clients show the status line or the body, so the reason is in both."""
        head = f"HTTP/1.1 403 {reason}\r\nServer: {NAME}\r\nContent-Type: text/plain; charset=utf-8\r\n"
        head += f"Content-Length: {len(reason) + 1}\r\nConnection: close\r\n\r\n"
        self._transport.write(f"{head}{reason}\n".encode())
        self._transport.close()

    async def _open(self) -> None:
        early = _Early()
        try:
            loop = asyncio.get_running_loop()
            tunnel = await loop.start_tls(self._transport, early, self._context, server_side=True)
        except (OSError, ssl.SSLError) as error:
            LOG.info("HTTPS proxy: no TLS with a client (does it trust the sandbox's CA?): %s", error)
            return
        if tunnel is None:
            return
        handler = self._server()
        tunnel.set_protocol(handler)
        handler.connection_made(tunnel)
        if early.data:
            handler.data_received(early.data)


class _Early(asyncio.Protocol):
    """Keeps what a client sends together with the end of its handshake."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self.data += data


def _refusal(line: str) -> str | None:
    """Why a request line opens no tunnel."""
    words = line.split()
    if len(words) != len(("method", "target", "version")) or words[0] != "CONNECT":
        return f"This is {NAME}'s HTTPS proxy: it takes CONNECT only (set HTTPS_PROXY, not HTTP_PROXY)."
    host, _, port = words[1].rpartition(":")
    if not is_google(host.lower()) or port != HTTPS_PORT:
        return f"This is {NAME}'s HTTPS proxy: it stands in for Google's APIs and does not lead to {words[1]}."
    return None
