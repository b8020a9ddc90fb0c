"""The target VM: a Debian 13 container with systemd, reached over SSH as any machine is, and empty at first."""

import io
import socket
import tarfile
import time

import docker
from docker.errors import NotFound
from docker.models.containers import Container, ExecResult

from sandbox.machine import containers, processes, ssh_keys
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.network import Addresses
from sandbox.machine.progress import Progress

USER = "debian"
_VOLUMES = {"docker": "/var/lib/docker", "containerd": "/var/lib/containerd"}  # overlay on overlay does not work
_BOOT_SECONDS = 60
_SSH_PORT = 22


def ensure(
    client: docker.DockerClient,
    sandbox: Sandbox,
    addresses: Addresses,
    progress: Progress,
    *,
    image: str,
    authority: bytes,
) -> ssh_keys.Keys:
    """A running target that answers on SSH; a stopped or killed one is started with its content."""
    with progress.step("Target VM") as step:
        keys = ssh_keys.ensure(sandbox.private / "ssh", addresses.target)
        container, done = containers.ensure(
            client,
            sandbox,
            "target",
            image=image,
            address=addresses.target,
            options=_options(sandbox),
            before=lambda: _fresh(client, sandbox, addresses),
            prepare=lambda new: put_keys(new, keys, authority),
        )
        _wait_for_systemd(container)
        _execute(container, "test -e /etc/ssl/certs/mlflow-sandbox.pem || update-ca-certificates")
        wait_for_ssh(addresses.target)
        step.outcome = f"{USER}@{addresses.target}, {done or 'running'}"
        return keys


def disconnect(address: str) -> None:
    """End SSH connections to a machine: Ansible keeps one open for minutes, and it hangs when the machine is gone."""
    processes.stop(processes.find_connected("ssh", address, _SSH_PORT))


def remove_volumes(client: docker.DockerClient, sandbox: Sandbox) -> int:
    """Remove the target's volumes; returns how many there were."""
    volumes = client.volumes.list(filters={"label": [f"{key}={value}" for key, value in sandbox.labels.items()]})
    for volume in volumes:
        try:
            volume.remove(force=True)
        except NotFound:
            continue
    return len(volumes)


def _fresh(client: docker.DockerClient, sandbox: Sandbox, addresses: Addresses) -> None:
    """A new machine has nothing of an earlier one: no connections, no Docker data."""
    disconnect(addresses.target)
    remove_volumes(client, sandbox)
    for name in _VOLUMES:
        client.volumes.create(f"{sandbox.id}-{name}", labels=sandbox.labels)


def _options(sandbox: Sandbox) -> dict[str, object]:
    return {
        "hostname": "mlflow-target",
        # What --privileged gives and systemd and Docker need; a machine may not be able to give all of it.
        "cap_add": ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"],
        "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
        "cgroupns": "private",
        "tmpfs": {"/run": "", "/run/lock": ""},
        "volumes": {f"{sandbox.id}-{name}": {"bind": path, "mode": "rw"} for name, path in _VOLUMES.items()},
    }


def put_keys(container: Container, keys: ssh_keys.Keys, authority: bytes | None = None) -> None:
    """Give a new machine its SSH keys, and the certificate of a registry that it is to trust."""
    entries: dict[str, tuple[bytes | None, int, int]] = {
        f"home/{USER}/.ssh": (None, 0o700, 1000),
        f"home/{USER}/.ssh/authorized_keys": (keys.login_public, 0o600, 1000),
        "etc/ssh/ssh_host_ed25519_key": (keys.host.read_bytes(), 0o600, 0),
        "etc/ssh/ssh_host_ed25519_key.pub": (keys.host_public, 0o644, 0),
    }
    if authority:
        entries["usr/local/share/ca-certificates/mlflow-sandbox.crt"] = (authority, 0o644, 0)
    container.put_archive("/", _archive(entries))


def _archive(entries: dict[str, tuple[bytes | None, int, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, (content, mode, owner) in entries.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.uid, entry.gid, entry.mtime = mode, owner, owner, int(time.time())
            if content is None:
                entry.type = tarfile.DIRTYPE
            entry.size = len(content or b"")
            archive.addfile(entry, io.BytesIO(content or b""))
    return buffer.getvalue()


def _wait_for_systemd(container: Container) -> None:
    deadline = time.monotonic() + _BOOT_SECONDS
    state = ""
    while time.monotonic() < deadline:
        container.reload()
        if container.status != "running":
            last = bytes(container.logs(tail=2)).decode(errors="replace").strip()
            raise SandboxError(f"The target VM ended while it booted: {last}")
        state = _output(container.exec_run(["systemctl", "is-system-running"]))
        if state in ("running", "degraded"):
            return
        time.sleep(0.2)
    raise SandboxError(
        f"systemd in the target VM is still {state!r} after {_BOOT_SECONDS} s: see `docker logs {container.name}`."
    )


def wait_for_ssh(address: str) -> None:
    """Return when a machine answers on SSH."""
    deadline = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((address, _SSH_PORT), timeout=2) as connection:
                if connection.recv(4) == b"SSH-":
                    return
        except OSError:
            time.sleep(0.1)
    raise SandboxError(f"The machine at {address} does not answer on SSH after {_BOOT_SECONDS} s.")


def _execute(container: Container, command: str) -> None:
    result = container.exec_run(["sh", "-c", command])
    if result.exit_code:
        raise SandboxError(f"`{command}` failed in the target VM: {_output(result)[-300:]}")


def _output(result: ExecResult) -> str:
    return result.output.decode(errors="replace").strip() if isinstance(result.output, bytes) else ""
