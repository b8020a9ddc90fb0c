"""TLS over an accepted socket. asyncio's own TLS cannot do what Cloud SQL's port does: tell a client by an alert why
its certificate is refused, and say the last words to one that has stopped sending.
"""

import asyncio
import contextlib
import select
import socket
import ssl
from collections.abc import Callable
from typing import TypeVar

BLOCK = 64 * 1024
# How long a client may take to hang up after it was told the end; cutting it off could lose what it was told.
FAREWELL_SECONDS = 5
# What a client that vanished costs at most: PostgreSQL's session until its host is found dead.
KEEPALIVE = {socket.TCP_KEEPIDLE: 60, socket.TCP_KEEPINTVL: 10, socket.TCP_KEEPCNT: 6}
Result = TypeVar("Result")


class Tunnel:
    """The server's side. Methods raise OSError when the connection breaks. Closing the socket is the owner's."""

    def __init__(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE.items():
            connection.setsockopt(socket.IPPROTO_TCP, option, value)
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._sending = asyncio.Lock()
        self._unread = b""

    async def handshake(self) -> None:
        """TLS's beginning. A client that is refused is told why."""
        try:
            await self._until(self._tls.do_handshake)
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                await self._flush()
                await self._farewell()
            raise

    @property
    def client_certificate(self) -> bytes:
        """DER; after the handshake."""
        return self._tls.getpeercert(binary_form=True) or b""

    async def read(self) -> bytes:
        """What came, b"" at the end."""
        if self._unread:
            block, self._unread = self._unread, b""
            return block
        try:
            return await self._until(lambda: self._tls.read(BLOCK))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def readexactly(self, size: int) -> bytes:
        """So many bytes. Raises asyncio.IncompleteReadError at an early end."""
        found = b""
        while len(found) < size:
            block = await self.read()
            if not block:
                raise asyncio.IncompleteReadError(found, size)
            found += block
        found, self._unread = found[:size], found[size:]
        return found

    async def write(self, data: bytes) -> None:
        """Send; returns when the network has taken it all."""
        self._tls.write(data)
        await self._flush()

    async def close(self) -> None:
        """Say that this is the end, and let the client hang up."""
        with contextlib.suppress(OSError):
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            await self._flush()
            await self._farewell()

    def has_hung_up(self) -> bool:
        """Whether the client has ended its side, even if something of it is still to be read."""
        poll = select.poll()
        poll.register(self._connection, select.POLLRDHUP)
        return bool(poll.poll(0))

    async def _until(self, step: Callable[[], Result]) -> Result:
        while True:
            try:
                result = step()
            except ssl.SSLWantReadError:
                await self._flush()
                if block := await self._loop.sock_recv(self._connection, BLOCK):
                    self._incoming.write(block)
                else:
                    self._incoming.write_eof()
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        while self._outgoing.pending:
            async with self._sending:
                await self._loop.sock_sendall(self._connection, self._outgoing.read())

    async def _farewell(self) -> None:
        self._connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._drain(), FAREWELL_SECONDS)

    async def _drain(self) -> None:
        while await self._loop.sock_recv(self._connection, BLOCK):
            pass
