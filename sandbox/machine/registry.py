"""An image registry that answers for gcr.io and ghcr.io inside the sandbox, so that roles use the real names.

Its storage is a folder of the cache, shared by sandboxes: an image is pushed once.
"""

import os
import time

import docker
import requests

from sandbox.machine import certificates, containers
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.network import Addresses
from sandbox.machine.progress import Progress, Step

_PORT = 5443
_NAMES = ["gcr.io", "ghcr.io"]
# Libraries ask these hosts even when they are told of another endpoint (google-auth sends its token to
# iamcredentials). Here they end at the registry, whose certificate does not bear their names: nothing leaves.
_GOOGLE = [
    *["iamcredentials.googleapis.com", "oauth2.googleapis.com", "sqladmin.googleapis.com", "storage.googleapis.com"],
    *["www.googleapis.com", "secretmanager.googleapis.com", "cloudresourcemanager.googleapis.com"],
    *["accounts.google.com", "sts.googleapis.com", "iam.googleapis.com", "serviceusage.googleapis.com"],
]
_START_SECONDS = 30
_TYPES = [
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
]


class Registry:
    """The sandbox's registry."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox, addresses: Addresses, progress: Progress) -> None:
        self._client = client
        self._sandbox = sandbox
        self._addresses = addresses
        self._progress = progress
        self.authority = certificates.ensure(sandbox.private / "registry", _NAMES, [addresses.loopback])

    def start(self, image: str) -> None:
        """Run the registry and wait until it answers."""
        with self._progress.step("Registry for gcr.io and ghcr.io") as step:
            storage = self._sandbox.cache / "registry"
            storage.mkdir(parents=True, exist_ok=True)
            options = {
                "user": f"{os.geteuid()}:{os.getegid()}",  # what it stores stays the property of who runs the sandbox
                "volumes": {
                    str(storage): {"bind": "/var/lib/registry", "mode": "rw"},
                    str(self.authority.parent): {"bind": "/run/registry", "mode": "ro"},
                },
                "ports": {"443/tcp": (self._addresses.loopback, _PORT)},
                "sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
            }
            _, done = containers.ensure(
                self._client,
                self._sandbox,
                "registry",
                image=image,
                address=self._addresses.registry,
                aliases=[*_NAMES, *_GOOGLE],
                options=options,
            )
            self._wait()
            step.outcome = done or "running"

    def push(self, reference: str) -> None:
        """Give the registry an image, unless it has that very one."""
        path, _, tag = reference.partition("/")[2].rpartition(":")
        with self._progress.step(f"Push {path.rpartition('/')[2]}") as step:
            image = self._client.images.get(reference)
            if image.id in self._ids(path, tag):
                step.outcome = "there already"
                return
            local = f"{self._addresses.loopback}:{_PORT}/{path}"
            image.tag(local, tag)
            try:
                self._push(local, tag, step)
            finally:
                self._client.images.remove(f"{local}:{tag}", noprune=True)

    def _push(self, local: str, tag: str, step: Step) -> None:
        for event in self._client.images.push(local, tag, stream=True, decode=True):
            if "error" in event:
                raise SandboxError(f"Pushing {local}:{tag} to the sandbox's registry failed: {event['error']}")
        step.outcome = "done"

    def _ids(self, path: str, tag: str) -> list[str | None]:
        """What Docker may call the image that the registry has under a tag: by its configuration or by its manifest."""
        reply = self._get(f"{path}/manifests/{tag}", {"Accept": ", ".join(_TYPES)})
        if not reply.ok:
            return []
        return [reply.json().get("config", {}).get("digest"), reply.headers.get("Docker-Content-Digest")]

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                if self._get("", {}).ok:
                    return
            except requests.RequestException as error:
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"The sandbox's registry did not start within {_START_SECONDS} s: {error}"
                    ) from error
            time.sleep(0.1)

    def _get(self, path: str, headers: dict[str, str]) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # a proxy or a CA bundle of the environment is not for loopback
            url = f"https://{self._addresses.loopback}:{_PORT}/v2/{path}"
            return session.get(url, headers=headers, verify=str(self.authority), timeout=5)
