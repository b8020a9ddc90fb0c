"""Size and checksums of files, as an object resource prints them."""

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from sandbox.core import checksums
from sandbox.core.documents import Json
from sandbox.core.errors import classic

BLOCK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """Of the bytes of an object. One that was composed has no MD5, and says of how many it was made."""

    size: int
    crc32c: str
    md5: str
    components: int = 0

    def fields(self) -> Json:
        """The fields of the object resource."""
        how = {"componentCount": self.components} if self.components else {"md5Hash": self.md5}
        return {"size": str(self.size), "crc32c": self.crc32c, **how}


def digest_of(file: Path) -> Digest:
    """Read the whole file."""
    crc32c, md5 = checksums.running(), hashlib.md5(usedforsecurity=False)
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            crc32c.update(block)
            md5.update(block)
    checksum = base64.b64encode(crc32c.digest()).decode()
    return Digest(file.stat().st_size, checksum, base64.b64encode(md5.digest()).decode())


def check_claims(given: Json, digest: Digest) -> None:
    """Checksums that the client sent must be those of what arrived."""
    if given.get("crc32c") not in (None, digest.crc32c):
        # As the MD5's, below; its text for CRC32C as oittaa/gcp-storage-emulator has it:
        # https://github.com/oittaa/gcp-storage-emulator.
        message = f'Provided CRC32C "{given["crc32c"]}" doesn\'t match calculated CRC32C "{digest.crc32c}".'
        raise classic(400, message, "invalid")
    if given.get("md5Hash") not in (None, digest.md5):
        # As gsutil's own help quotes it: https://cloud.google.com/storage/docs/gsutil/commands/cp.
        message = f'Provided MD5 hash "{given["md5Hash"]}" doesn\'t match calculated MD5 hash "{digest.md5}".'
        raise classic(400, message, "invalid")
