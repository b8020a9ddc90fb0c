"""Bytes between a client's TLS tunnel and PostgreSQL's unix socket, both ways at once, with backpressure.

The two ways are independent: when PostgreSQL ends the session (restart, stop, pg_terminate_backend) its last words
still reach the client, even if something that the client sent just then could no longer be delivered.
"""

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

from sandbox.cloudsql.tunnel import BLOCK, Tunnel

LOG = logging.getLogger(__name__)
FULL_QUEUE_PAUSE = 0.01
# Sockets that are ready answer without a pause: after so many bytes it is the other sessions' turn.
SHARE = 4 * BLOCK


async def connect(path: Path) -> socket.socket:
    """A connection to PostgreSQL's socket. Raises OSError when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX)
    connection.setblocking(False)
    try:
        while True:
            try:
                connection.connect(str(path))
            except BlockingIOError:
                # A unix socket whose queue is full answers so at once, and tells nobody when there is room again.
                await asyncio.sleep(FULL_QUEUE_PAUSE)
            else:
                return connection
    except BaseException:
        connection.close()
        raise


async def relay(first: bytes, tunnel: Tunnel, upstream: socket.socket) -> None:
    """Carry both directions until PostgreSQL has ended the session; a client that ends it makes PostgreSQL do so.

    `first` is what was read from the client already.
    """
    upward = asyncio.get_running_loop().create_task(_to_postgresql(first, tunnel, upstream))
    try:
        await _to_client(upstream, tunnel)
    finally:
        upward.cancel()
        await asyncio.wait([upward])
        upstream.close()


async def _to_postgresql(first: bytes, tunnel: Tunnel, upstream: socket.socket) -> None:
    loop, block, moved = asyncio.get_running_loop(), first, 0
    try:
        while block:
            await loop.sock_sendall(upstream, block)
            moved = await _let_others(moved + len(block))
            block = await tunnel.read()
    except OSError as error:
        LOG.debug("towards PostgreSQL: %r", error)
    finally:
        with contextlib.suppress(OSError):
            upstream.shutdown(socket.SHUT_WR)


async def _to_client(upstream: socket.socket, tunnel: Tunnel) -> None:
    loop, moved = asyncio.get_running_loop(), 0
    try:
        while block := await loop.sock_recv(upstream, BLOCK):
            await tunnel.write(block)
            moved = await _let_others(moved + len(block))
    except OSError as error:
        LOG.debug("towards the client: %r", error)


async def _let_others(moved: int) -> int:
    if moved < SHARE:
        return moved
    await asyncio.sleep(0)
    return 0
