"""Names and places of one sandbox, so that two checkouts, or two names in one, never meet."""

import argparse
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from sandbox.machine.errors import SandboxError

CHECKOUT = Path(__file__).resolve().parents[2]
LABEL = "mlflow-sandbox.id"
"""Docker label on everything that belongs to a sandbox; its value is the sandbox's id."""

# PostgreSQL's socket lies below a folder of this name, and its path may have 107 characters.
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,27}")


@dataclass(frozen=True)
class Sandbox:
    """One sandbox: a name inside a checkout."""

    name: str
    checkout: Path
    state_home: Path
    cache: Path

    @property
    def id(self) -> str:
        """Name that is unique on this machine: what belongs to the sandbox in Docker bears it."""
        return f"mlflow-sandbox-{self._key}"

    @property
    def _key(self) -> str:
        return f"{self._checkout_key}-{self.name}"

    @property
    def _checkout_key(self) -> str:
        return hashlib.sha256(str(self.checkout).encode()).hexdigest()[:8]

    @property
    def state(self) -> Path:
        """Folder of everything that `down` throws away; the emulator keeps its own files here too."""
        return self.state_home / self._key

    @property
    def private(self) -> Path:
        """Folder inside the state for what this package keeps."""
        return self.state / "machine"

    @property
    def card(self) -> Path:
        """Connection card that the inventory reads."""
        return self.checkout / ".sandbox" / f"{self.name}.json"

    @property
    def vault(self) -> Path:
        """ansible-vault file with the operator's key."""
        return self.checkout / ".sandbox" / f"{self.name}.vault.yml"

    @property
    def vault_password(self) -> Path:
        """Password of the vault files of this checkout."""
        return self.checkout / ".sandbox" / "vault-password"

    @property
    def lock(self) -> Path:
        """Held while a command changes the sandbox; outside of the state, which `down` removes."""
        return self.cache / "locks" / f"{self.id}.lock"

    @property
    def vault_password_lock(self) -> Path:
        """Held while a sandbox of the checkout comes to need the vault's password, or needs it no longer."""
        return self.cache / "locks" / f"vault-password-{self._checkout_key}.lock"

    @property
    def labels(self) -> dict[str, str]:
        """Docker labels of what belongs to this sandbox."""
        return {LABEL: self.id}


def sandbox(name: str | None = None, checkout: Path = CHECKOUT) -> Sandbox:
    """The sandbox called `name` (default: SANDBOX_NAME, else "default") of a checkout."""
    chosen = name or os.environ.get("SANDBOX_NAME") or "default"
    if not _NAME.fullmatch(chosen):
        raise SandboxError(
            f"Sandbox name {chosen!r} is not usable: take up to 28 of a-z, 0-9 and -, starting with a letter or digit."
        )
    return Sandbox(chosen, checkout.resolve(), _state_home(), _cache())


def add_name(parser: argparse.ArgumentParser) -> None:
    """The option that says which sandbox a command is about."""
    parser.add_argument("--name", help="which sandbox of this checkout (default: SANDBOX_NAME, else default)")


def named(arguments: argparse.Namespace) -> Sandbox:
    """The sandbox that a command was told of."""
    return sandbox(arguments.name)


def _state_home() -> Path:
    if given := os.environ.get("SANDBOX_STATE_HOME"):
        return Path(given).resolve()
    if os.geteuid() == 0:  # PostgreSQL runs as an unprivileged user, which may not enter a folder below /root
        return Path("/var/lib/mlflow-sandbox")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "mlflow-sandbox"


def _cache() -> Path:
    if given := os.environ.get("SANDBOX_CACHE_HOME"):
        return Path(given).resolve()
    if os.geteuid() == 0:
        return Path("/var/cache/mlflow-sandbox")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mlflow-sandbox"
