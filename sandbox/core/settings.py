"""How one sandbox is set up, with the guardrail that keeps it off every public address."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

PRIVATE_NETWORKS = tuple(map(ipaddress.IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))


class UnsafeAddressError(Exception):
    """The sandbox was asked to listen where others could reach it."""


def guarded_address(text: str) -> str:
    """The IPv4 address `text`, which must be loopback or of a private network (RFC 1918)."""
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError as error:
        raise UnsafeAddressError(f"{text!r} is not an IPv4 address") from error
    if address.is_loopback or any(address in network for network in PRIVATE_NETWORKS):
        return text
    raise UnsafeAddressError(
        f"refusing to listen on {text}: the sandbox answers only on loopback or private (RFC 1918) addresses"
    )


@dataclass(frozen=True)
class Settings:
    """Everything that differs between two sandboxes."""

    state: Path
    address: str = "127.0.0.1"
    loopback: str = "127.0.0.1"
    port: int = 9010
    data_plane_port: int = 3307
    management_port: int = 9011
    https_proxy_port: int = 9443
    target_address: str | None = None
    attached_account: str | None = None
    postgres_home: Path | None = None
    operation_seconds: float = 0.05
    project: str = "mlflow-sandbox"
    project_number: str = "415104041262"

    def __post_init__(self) -> None:
        guarded_address(self.address)
        if not ipaddress.IPv4Address(guarded_address(self.loopback)).is_loopback:
            raise UnsafeAddressError(
                f"{self.loopback} is not a loopback address: the management port stays on this machine"
            )

    @property
    def url(self) -> str:
        """The emulator's address for everybody: host, target VM, containers in it. No trailing slash."""
        return f"http://{self.address}:{self.port}"

    @property
    def https_proxy_url(self) -> str:
        """The proxy for clients with fixed addresses, for everybody."""
        return f"http://{self.address}:{self.https_proxy_port}"

    @property
    def operator(self) -> str:
        """E-mail of the service account that a fresh project starts with."""
        return f"operator@{self.project}.iam.gserviceaccount.com"

    @property
    def listen_addresses(self) -> list[str]:
        """Where the emulated APIs answer."""
        return list(dict.fromkeys((self.address, self.loopback)))
