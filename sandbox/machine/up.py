"""`up`: bring everything to running, from whatever is there: nothing, all, or what a killed run left behind."""

import argparse
import shutil
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker

from sandbox.machine import apt, card, emulator, engine, files, network, processes, target, trainer
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox, add_name, named
from sandbox.machine.images import Images
from sandbox.machine.progress import Progress
from sandbox.machine.registry import Registry
from sandbox.machine.ssh_keys import Keys
from sandbox.postgres import binaries


@dataclass(frozen=True)
class Wishes:
    """What `up` is asked for."""

    operation_seconds: float = 0.05
    target: bool = True
    trainer: bool = False


@dataclass(frozen=True)
class Machines:
    """Keys of the machines that there are."""

    target: Keys | None = None
    trainer: Keys | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `up`."""
    add_name(parser)
    parser.add_argument("--operation-seconds", type=float, default=0.05, help="how long Cloud SQL operations take")
    parser.add_argument("--no-target", dest="target", action="store_false", help="only the emulator: no VM, no images")
    parser.add_argument("--trainer", action="store_true", help="also a second machine, for training (down removes it)")


def run(arguments: argparse.Namespace) -> int:
    """`python -m sandbox up`."""
    sandbox = named(arguments)
    with Progress() as progress:
        up(sandbox, Wishes(arguments.operation_seconds, arguments.target, arguments.trainer), progress)
        progress.say(f"{progress.seconds:6.1f} s  Sandbox {sandbox.name!r} is up: {sandbox.card}")
    return 0


def up(sandbox: Sandbox, wishes: Wishes, progress: Progress) -> dict[str, Any]:
    """Bring a sandbox up; returns its connection card."""
    with files.lock(sandbox.lock, wait=False) as alone, engine.in_use(sandbox):
        if not alone:
            raise SandboxError(f"Another command is working on sandbox {sandbox.name!r}: wait for it, or stop it.")
        _clear_leftovers(sandbox)
        sandbox.private.mkdir(parents=True, exist_ok=True)
        sandbox.private.chmod(0o700)
        client = engine.ensure(sandbox, progress)
        _clear_temporary_containers(client, sandbox)
        addresses = network.ensure(client, sandbox, progress)
        machines = _everything(client, sandbox, addresses, wishes, progress)
        content = card.content(sandbox, addresses, machines.target, machines.trainer)
        card.write(sandbox, content)
        return content


def _everything(
    client: docker.DockerClient, sandbox: Sandbox, addresses: network.Addresses, wishes: Wishes, progress: Progress
) -> Machines:
    """The parts that need not wait for one another, side by side. The first failure stops the rest."""
    pool = ThreadPoolExecutor(max_workers=8)
    try:
        emulated = pool.submit(_emulator, sandbox, addresses, wishes, progress)
        machines: Future[Machines] | None = None
        if wishes.target:
            asked = wishes.trainer or trainer.is_there(client, sandbox)
            machines = pool.submit(_machines, client, sandbox, addresses, progress, pool, with_trainer=asked)
        parts: list[Future[Any]] = [emulated, *([machines] if machines else [])]
        for part in wait(parts, return_when=FIRST_EXCEPTION).done:
            part.result()
        return machines.result() if machines else Machines()
    except BaseException:
        processes.stop_running()
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    finally:
        pool.shutdown(wait=False)


def _emulator(sandbox: Sandbox, addresses: network.Addresses, wishes: Wishes, progress: Progress) -> None:
    with progress.step("PostgreSQL") as step:
        home: Path | None = None
        try:
            home = binaries.install(sandbox.cache)
            step.outcome = str(home)
        except binaries.UnavailableError as error:
            step.outcome = f"the machine's own, for the pinned one is not to be had: {error}"
    emulator.ensure(sandbox, addresses, home, wishes.operation_seconds, progress)


def _machines(
    client: docker.DockerClient,
    sandbox: Sandbox,
    addresses: network.Addresses,
    progress: Progress,
    pool: ThreadPoolExecutor,
    *,
    with_trainer: bool,
) -> Machines:
    images = Images(client, sandbox, progress)
    registry = Registry(client, sandbox, addresses, progress)
    debian: Future[str] = pool.submit(images.debian)
    mlflow = pool.submit(images.mlflow, debian.result)
    proxy = pool.submit(images.proxy)
    registry.start(images.registry(debian.result()))
    pushes = [pool.submit(_push, registry, image) for image in (mlflow, proxy)]
    image = images.target(debian.result())
    if not shutil.which("ssh"):
        apt.install(["openssh-client"], sandbox.id, "Reaching the target VM")
    second: Future[Keys] | None = None
    if with_trainer:
        second = pool.submit(trainer.ensure, client, sandbox, addresses, progress, image=image)
    keys = target.ensure(client, sandbox, addresses, progress, image=image, authority=registry.authority.read_bytes())
    for push in pushes:
        push.result()
    return Machines(keys, second.result() if second else None)


def _push(registry: Registry, image: Future[str]) -> None:
    registry.push(image.result())


def _clear_leftovers(sandbox: Sandbox) -> None:
    """End and remove what a killed run was at: its children, its half-built containers, its temporary files."""
    processes.stop(processes.find(sandbox.id, "step"), patience=3)
    shutil.rmtree(sandbox.cache / "tmp" / sandbox.id, ignore_errors=True)


def _clear_temporary_containers(client: docker.DockerClient, sandbox: Sandbox) -> None:
    wanted = [f"{LABEL}={sandbox.id}", f"{LABEL}.part=temporary"]
    for container in client.containers.list(all=True, filters={"label": wanted}):
        container.remove(force=True, v=True)
