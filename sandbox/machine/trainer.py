"""The training machine: a small Debian 13 container with SSH, where nobody is root and no account is attached."""

import docker

from sandbox.machine import containers, ssh_keys, target
from sandbox.machine.identity import Sandbox
from sandbox.machine.network import Addresses
from sandbox.machine.progress import Progress

_PART = "trainer"
# The target's image without its systemd, and without the right to become root.
_START = "rm -f /etc/sudoers.d/debian; mkdir -p /run/sshd; exec /usr/sbin/sshd -D -e"
_OPTIONS = {
    "hostname": "training-machine",
    "init": True,
    "entrypoint": ["/bin/sh", "-ec", _START],
    "stop_signal": "SIGTERM",
}


def is_there(client: docker.DockerClient, sandbox: Sandbox) -> bool:
    """Whether the sandbox has one, running or not."""
    return containers.find(client, name(sandbox)) is not None


def name(sandbox: Sandbox) -> str:
    """Of its container."""
    return f"{sandbox.id}-{_PART}"


def ensure(
    client: docker.DockerClient, sandbox: Sandbox, addresses: Addresses, progress: Progress, *, image: str
) -> ssh_keys.Keys:
    """A running training machine that answers on SSH; a stopped or killed one is started with its content."""
    with progress.step("Training machine") as step:
        keys = ssh_keys.ensure(sandbox.private / "trainer-ssh", addresses.trainer)
        _, done = containers.ensure(
            client,
            sandbox,
            _PART,
            image=image,
            address=addresses.trainer,
            options=_OPTIONS,
            before=lambda: target.disconnect(addresses.trainer),
            prepare=lambda new: target.put_keys(new, keys),
        )
        target.wait_for_ssh(addresses.trainer)
        step.outcome = f"{target.USER}@{addresses.trainer}, {done or 'running'}"
        return keys
