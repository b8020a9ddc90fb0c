"""The Docker network of a sandbox, and the addresses that follow from its slot."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

import docker
from docker.errors import APIError, NotFound
from docker.types import IPAMConfig, IPAMPool

from sandbox.machine import files
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.progress import Progress

_SLOTS = range(1, 251)


@dataclass(frozen=True)
class Addresses:
    """All addresses of a sandbox."""

    slot: int

    @property
    def subnet(self) -> str:
        """The Docker network."""
        return f"172.30.{self.slot}.0/24"

    @property
    def gateway(self) -> str:
        """The host as containers see it: the emulator's API and data plane listen here."""
        return f"172.30.{self.slot}.1"

    @property
    def registry(self) -> str:
        """The registry in the Docker network."""
        return f"172.30.{self.slot}.2"

    @property
    def target(self) -> str:
        """The target VM."""
        return f"172.30.{self.slot}.10"

    @property
    def trainer(self) -> str:
        """The training machine, where there is one."""
        return f"172.30.{self.slot}.11"

    @property
    def loopback(self) -> str:
        """Loopback address of this sandbox's management port and of the registry's push side."""
        return f"127.30.{self.slot}.1"


def ensure(client: docker.DockerClient, sandbox: Sandbox, progress: Progress) -> Addresses:
    """The sandbox's network; its slot is kept in the state, for the emulator's data name its addresses."""
    with progress.step("Network") as step:
        kept = remembered(sandbox)
        addresses = existing(client, sandbox)
        if addresses and kept and addresses != kept:
            raise SandboxError(
                f"Network {sandbox.id} has {addresses.subnet}, the state says {kept.subnet}: run `down` first."
            )
        if addresses is None:
            addresses = _create(client, sandbox, [kept.slot] if kept else _SLOTS)
            step.outcome = f"{addresses.subnet}, created"
        else:
            step.outcome = addresses.subnet
        files.write(sandbox.private / "slot.json", json.dumps({"slot": addresses.slot}))
        return addresses


def existing(client: docker.DockerClient, sandbox: Sandbox) -> Addresses | None:
    """Addresses of the network that is there."""
    try:
        network = client.networks.get(sandbox.id)
    except NotFound:
        return None
    subnet = network.attrs["IPAM"]["Config"][0]["Subnet"]
    return Addresses(int(subnet.split(".")[2]))


def remembered(sandbox: Sandbox) -> Addresses | None:
    """Addresses that the state names."""
    path = sandbox.private / "slot.json"
    return Addresses(json.loads(path.read_text())["slot"]) if path.exists() else None


def free_slots(candidates: Iterable[int], taken: Iterable[IPv4Network]) -> list[int]:
    """Slots whose subnet meets none of the networks in use."""
    used = list(taken)
    return [slot for slot in candidates if not any(IPv4Network(Addresses(slot).subnet).overlaps(net) for net in used)]


def routes(table: str) -> list[IPv4Network]:
    """Networks in the kernel's routing table (/proc/net/route), the default route excepted."""
    found = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (int.from_bytes(bytes.fromhex(fields[i]), "little") for i in (1, 7))
        if mask:
            found.append(IPv4Network((address, mask.bit_count())))
    return found


def _create(client: docker.DockerClient, sandbox: Sandbox, candidates: Iterable[int]) -> Addresses:
    wanted = list(candidates)
    for slot in free_slots(wanted, routes(Path("/proc/net/route").read_text())):
        addresses = Addresses(slot)
        pool = IPAMPool(subnet=addresses.subnet, gateway=addresses.gateway)
        try:
            client.networks.create(
                sandbox.id, ipam=IPAMConfig(pool_configs=[pool]), labels=sandbox.labels, check_duplicate=True
            )
        except APIError as error:
            if "overlap" in str(error).lower():  # another sandbox took it a moment ago
                continue
            raise
        return addresses
    if len(wanted) == 1:
        raise SandboxError(
            f"{Addresses(wanted[0]).subnet}, this sandbox's network, is in use by somebody else: run `down`."
        )
    raise SandboxError("No network 172.30.N.0/24 is free on this machine: run `down` for a sandbox you no longer need.")
