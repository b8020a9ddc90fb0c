"""`down`: leave nothing of a sandbox behind but images and caches."""

import argparse
import shutil

import docker
from docker.errors import NotFound

from sandbox.machine import card, emulator, engine, files, network, processes, target
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox, add_name, named
from sandbox.machine.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `down`."""
    add_name(parser)


def run(arguments: argparse.Namespace) -> int:
    """`python -m sandbox down`."""
    with Progress() as progress:
        down(named(arguments), progress)
    return 0


def down(sandbox: Sandbox, progress: Progress) -> None:
    """Remove a sandbox, whole or what is left of it."""
    with files.lock(sandbox.lock, wait=False) as alone:
        if not alone:
            raise SandboxError(f"Another command is working on sandbox {sandbox.name!r}: wait for it, or stop it.")
        with progress.step(f"Sandbox {sandbox.name}") as step:
            if addresses := network.remembered(sandbox):
                target.disconnect(addresses.target)
                target.disconnect(addresses.trainer)
            removed = [f"{_processes(sandbox)} processes"]
            with engine.in_use(sandbox):
                if client := engine.connect():
                    removed += _docker(client, sandbox)
            step.outcome = "removed " + ", ".join(removed)
            shutil.rmtree(sandbox.state, ignore_errors=True)
            shutil.rmtree(sandbox.cache / "tmp" / sandbox.id, ignore_errors=True)
            card.remove(sandbox)
        engine.stop_if_ours(sandbox, progress)


def _processes(sandbox: Sandbox) -> int:
    count = emulator.stop(sandbox) + emulator.stop_orphans(sandbox)
    return count + processes.stop(processes.find(sandbox.id), patience=5)


def _docker(client: docker.DockerClient, sandbox: Sandbox) -> list[str]:
    containers = client.containers.list(all=True, filters={"label": f"{LABEL}={sandbox.id}"})
    for container in containers:
        container.remove(force=True, v=True)
    volumes = target.remove_volumes(client, sandbox)
    try:
        client.networks.get(sandbox.id).remove()
        networks = 1
    except NotFound:
        networks = 0
    return [f"{len(containers)} containers", f"{volumes} volumes", f"{networks} networks"]
