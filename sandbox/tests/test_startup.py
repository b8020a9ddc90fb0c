"""What happens inside the tunnel before PostgreSQL takes over, byte by byte."""

import asyncio
import struct

import pytest

from sandbox.cloudsql.startup import MDX_ANSWER, ProtocolError, Startup, fatal, read_startup

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)
CANCEL_REQUEST = struct.pack("!IIII", 16, 80877102, 4711, 815)
# Google's Go connector: TCP as the client protocol (field 2, varint 1).
METADATA_EXCHANGE = b"CSQLMDEX" + struct.pack("!I", 2) + b"\x10\x01"


class Client:
    """One that has sent its packets and keeps what is written to it."""

    def __init__(self, sent: bytes) -> None:
        self._reader = asyncio.StreamReader()
        self._reader.feed_data(sent)
        self._reader.feed_eof()
        self.readexactly = self._reader.readexactly
        self.told = b""

    async def write(self, data: bytes) -> None:
        """Keep it."""
        self.told += data


def startup_packet(**parameters: str) -> bytes:
    """A StartupMessage of protocol 3.0."""
    pairs = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items()) + b"\0"
    return struct.pack("!II", 8 + len(pairs), 196608) + pairs


async def read(*packets: bytes) -> tuple[Startup, bytes]:
    """What was understood, and what was answered."""
    client = Client(b"".join(packets))
    return await read_startup(client), client.told


async def test_a_plain_start() -> None:
    packet = startup_packet(user="ada", database="mlflow")
    assert await read(packet) == (Startup(packet, "ada"), b"")


async def test_requests_for_encryption_are_declined() -> None:
    packet = startup_packet(database="mlflow", user="ada")
    assert await read(GSSENC_REQUEST, SSL_REQUEST, packet) == (Startup(packet, "ada"), b"NN")


async def test_the_metadata_exchange_is_answered() -> None:
    packet = startup_packet(user="ada")
    assert await read(METADATA_EXCHANGE, SSL_REQUEST, packet) == (Startup(packet, "ada"), MDX_ANSWER + b"N")


async def test_a_cancel_request_passes_through() -> None:
    assert await read(CANCEL_REQUEST) == (Startup(CANCEL_REQUEST, ""), b"")


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\n", struct.pack("!II", 4, 196608)])
async def test_another_protocol_is_refused(head: bytes) -> None:
    with pytest.raises(ProtocolError):
        await read(head)


def test_an_error_response_has_severity_code_and_text() -> None:
    fields = b"SFATAL\0VFATAL\0C28000\0Mno\0\0"
    assert fatal("28000", "no") == b"E" + struct.pack("!I", 4 + len(fields)) + fields
