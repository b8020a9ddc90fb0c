"""Containers that are described once and kept so: made when missing or changed, started when stopped."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import docker
from docker.errors import NotFound
from docker.models.containers import Container

from sandbox.machine import files
from sandbox.machine.identity import LABEL, Sandbox

_DESCRIPTION = "mlflow-sandbox.description"


def ensure(
    client: docker.DockerClient,
    sandbox: Sandbox,
    part: str,
    *,
    image: str,
    address: str,
    aliases: list[str] | None = None,
    options: Mapping[str, Any],
    before: Callable[[], None] | None = None,
    prepare: Callable[[Container], None] | None = None,
) -> tuple[Container, str]:
    """A running container of this description; returns it and what was done ("", "started" or "created").

    `before` comes before a new container, which `prepare` gets before its first start. A container whose description
    changed is replaced.
    """
    name = f"{sandbox.id}-{part}"
    wanted = {"image": client.images.get(image).id, "address": address, "aliases": aliases, "options": options}
    description = files.fingerprint([json.dumps(wanted, sort_keys=True)])
    container = find(client, name)
    never_started = container and container.status == "created"  # killed before `prepare` had done its part
    if container and (never_started or container.labels.get(_DESCRIPTION) != description):
        container.remove(force=True, v=True)
        container = None
    if container and container.status == "running":
        return container, ""
    done = "started"
    if container is None:
        done = "created"
        if before:
            before()
        labels = {**sandbox.labels, f"{LABEL}.part": part, _DESCRIPTION: description}
        endpoint = client.api.create_endpoint_config(ipv4_address=address, aliases=aliases)
        container = client.containers.create(
            image, name=name, labels=labels, network=sandbox.id, networking_config={sandbox.id: endpoint}, **options
        )
        try:
            if prepare:
                prepare(container)
        except BaseException:
            container.remove(force=True, v=True)
            raise
    container.start()
    return container, done


def find(client: docker.DockerClient, name: str) -> Container | None:
    """The container of a name."""
    try:
        return client.containers.get(name)
    except NotFound:
        return None
