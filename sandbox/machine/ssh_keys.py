"""SSH keys of the target: one to log in with, and the host's own, fixed so that it is known from the start."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519

from sandbox.machine import files


@dataclass(frozen=True)
class Keys:
    """Where the keys are."""

    login: Path
    host: Path
    known_hosts: Path

    @property
    def login_public(self) -> bytes:
        """Line of authorized_keys."""
        return self.login.with_suffix(".pub").read_bytes()

    @property
    def host_public(self) -> bytes:
        """The host's public key."""
        return self.host.with_suffix(".pub").read_bytes()


def ensure(folder: Path, address: str) -> Keys:
    """The keys of a target at an address, made once."""
    if not folder.exists():
        with files.folder(folder) as partial:
            partial.chmod(0o700)
            for name in ("login", "host"):
                _make(partial / name)
            host = (partial / "host.pub").read_text()
            files.write(partial / "known_hosts", f"{address} {host}")
    return Keys(folder / "login", folder / "host", folder / "known_hosts")


def _make(path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    files.write(path, private, mode=0o600)
    files.write(path.with_suffix(".pub"), public + b"\n")
