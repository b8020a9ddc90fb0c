"""What the inventory reads of a running sandbox: the connection card, and a vault file with the operator's key."""

import json
import secrets
from pathlib import Path
from typing import Any

import yaml
from ansible.constants import DEFAULT_VAULT_IDENTITY
from ansible.parsing.vault import AnsibleVaultError, VaultLib, VaultSecret

from sandbox.https_proxy.certificates import CA_FILE
from sandbox.machine import emulator, files, ssh_keys, target
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.network import Addresses

_APIS = ("sql", "cloudresourcemanager", "iam", "iamcredentials", "secretmanager", "serviceusage")


def content(
    sandbox: Sandbox, addresses: Addresses, keys: ssh_keys.Keys | None, trainer: ssh_keys.Keys | None = None
) -> dict[str, Any]:
    """The connection card; `target` and `trainer` are null where there is no such machine."""
    url = emulator.url(addresses)
    return {
        "name": sandbox.name,
        "id": sandbox.id,
        "state_dir": str(sandbox.state),
        "url": url,
        "management_url": emulator.management_url(addresses),
        "address": addresses.gateway,
        "project": emulator.PROJECT,
        "project_number": emulator.PROJECT_NUMBER,
        "region": emulator.REGION,
        "operator": {"email": emulator.OPERATOR, "key_file": str(operator_key(sandbox))},
        "target": _machine(addresses.target, keys),
        "trainer": _machine(addresses.trainer, trainer),
        "endpoints": {**dict.fromkeys(_APIS, f"{url}/"), "storage": f"{url}/storage/v1/"},
        "attached_account": emulator.ATTACHED_ACCOUNT,
        "metadata_host": f"{addresses.gateway}:{emulator.API_PORT}",
        "network": addresses.subnet,
        "https_proxy": {
            "url": f"http://{addresses.gateway}:{emulator.HTTPS_PROXY_PORT}",
            "ca_file": str(sandbox.state / CA_FILE),
        },
    }


def _machine(address: str, keys: ssh_keys.Keys | None) -> dict[str, Any] | None:
    if keys is None:
        return None
    return {
        "host": address,
        "port": 22,
        "user": target.USER,
        "private_key_file": str(keys.login),
        "known_hosts_file": str(keys.known_hosts),
    }


def write(sandbox: Sandbox, card: dict[str, Any]) -> None:
    """Write the vault, then the card: where the card is, all is there."""
    with files.lock(sandbox.vault_password_lock):
        _write_vault(sandbox)
    files.write(sandbox.card, json.dumps(card, indent=2) + "\n", mode=0o600)


def read(sandbox: Sandbox) -> dict[str, Any]:
    """The card of a running sandbox."""
    try:
        card: dict[str, Any] = json.loads(sandbox.card.read_text())
    except FileNotFoundError as error:
        raise SandboxError(
            f"No sandbox {sandbox.name!r} is up in {sandbox.checkout}: run `make sandbox-up` first."
        ) from error
    return card


def remove(sandbox: Sandbox) -> None:
    """Remove the card and the vault, and with the last of them the vault's password."""
    with files.lock(sandbox.vault_password_lock):
        sandbox.card.unlink(missing_ok=True)
        sandbox.vault.unlink(missing_ok=True)
        folder = sandbox.card.parent
        if folder.is_dir() and not [path for path in folder.iterdir() if path != sandbox.vault_password]:
            sandbox.vault_password.unlink(missing_ok=True)
            folder.rmdir()


def operator_key(sandbox: Sandbox) -> Path:
    """The key file that the emulator made for the operator."""
    return sandbox.state / "operator.json"


def _write_vault(sandbox: Sandbox) -> None:
    if not sandbox.vault_password.exists():
        files.write(sandbox.vault_password, secrets.token_urlsafe(32) + "\n", mode=0o600)
    vault = VaultLib([(DEFAULT_VAULT_IDENTITY, VaultSecret(sandbox.vault_password.read_bytes().strip()))])
    plain = yaml.safe_dump({"vault_gcp_credentials": operator_key(sandbox).read_text()}).encode()
    if _decrypted(vault, sandbox.vault) != plain:  # each encryption has a salt of its own: an equal one stays
        files.write(sandbox.vault, vault.encrypt(plain), mode=0o600)


def _decrypted(vault: VaultLib, path: Path) -> bytes | None:
    try:
        return bytes(vault.decrypt(path.read_bytes()))
    except (FileNotFoundError, AnsibleVaultError):
        return None
