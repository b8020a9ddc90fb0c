"""CRC32C as Google's APIs use it, typed (google_crc32c's own functions are not)."""

from typing import Protocol, cast

import google_crc32c


class RunningChecksum(Protocol):
    """A checksum that is fed in blocks."""

    def update(self, chunk: bytes) -> None:
        """Feed one block."""

    def digest(self) -> bytes:
        """Four bytes, big-endian."""


def crc32c(data: bytes) -> int:
    """Of bytes at hand."""
    return int.from_bytes(running(data).digest(), "big")


def running(data: bytes = b"") -> RunningChecksum:
    """Of bytes to come."""
    create = cast("type[RunningChecksum]", google_crc32c.Checksum)
    checksum = create()
    checksum.update(data)
    return checksum
