"""The first bytes of a session inside the tunnel: Google's metadata exchange, then PostgreSQL's start-up packets.

PostgreSQL: https://www.postgresql.org/docs/14/protocol-message-formats.html (StartupMessage, SSLRequest, ...).
Metadata exchange: `CSQLMDEX`, a length, a protobuf message; Google's Go connector sends it where the server offers it.
"""

import struct
from dataclasses import dataclass
from typing import Protocol

MDX = b"CSQLMDEX"
MDX_ANSWER = MDX + struct.pack("!I", 2) + b"\x08\x01"
SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
LONGEST_STARTUP = 10_000


class ProtocolError(Exception):
    """What came is not PostgreSQL's protocol."""


@dataclass(frozen=True)
class Startup:
    """A session's first packet as it goes to PostgreSQL, and the user it names ("" in a cancel request)."""

    packet: bytes
    user: str


class Stream(Protocol):
    """The client."""

    async def readexactly(self, size: int, /) -> bytes:
        """So many bytes. Raises asyncio.IncompleteReadError at an early end."""

    async def write(self, data: bytes, /) -> None:
        """Send."""


async def read_startup(client: Stream) -> Startup:
    """Answer what is for the service itself; return what is for PostgreSQL."""
    head = await client.readexactly(8)
    if head == MDX:
        (length,) = struct.unpack("!I", await client.readexactly(4))
        if length > LONGEST_STARTUP:
            raise ProtocolError(f"metadata exchange of {length} bytes")
        await client.readexactly(length)
        await client.write(MDX_ANSWER)
        head = await client.readexactly(8)
    length, code = struct.unpack("!II", head)
    while code in (SSL_REQUEST, GSSENC_REQUEST):
        # The tunnel is the encryption.
        await client.write(b"N")
        head = await client.readexactly(8)
        length, code = struct.unpack("!II", head)
    if not len(head) <= length <= LONGEST_STARTUP:
        raise ProtocolError(f"start-up packet of {length} bytes")
    rest = await client.readexactly(length - len(head))
    return Startup(head + rest, "" if code == CANCEL_REQUEST else _user(rest))


def fatal(code: str, message: str) -> bytes:
    """An ErrorResponse that ends the session."""
    fields = b"SFATAL\0VFATAL\0C" + code.encode() + b"\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


def _user(parameters: bytes) -> str:
    words = parameters.split(b"\0")
    pairs = dict(zip(words[::2], words[1::2], strict=False))
    return pairs.get(b"user", b"").decode(errors="replace")
