"""The images: pulled where a registry answers, else built under the same names from package registries.

Every image has a content key (its recipe and its inputs); what is there under that key is never built again.
To add one: a folder in `images/`, a method here that ends in `_kept`, and a line in `up.py`.
"""

import io
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import docker
import requests
from docker.errors import APIError, ImageNotFound
from docker.models.images import Image

from sandbox.machine import apt, downloads, files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import LABEL, Sandbox
from sandbox.machine.progress import Progress, Step

PROXY = f"gcr.io/cloud-sql-connectors/cloud-sql-proxy:{downloads.PROXY_VERSION}"
MLFLOW = "ghcr.io/mlflow/mlflow:v2.22.0"

_SUITE = "trixie"
_DEBIAN = f"debian:{_SUITE}-slim"
_KEY = "mlflow-sandbox.content"
_RECIPES = Path(__file__).parent / "images"
_PULL_SECONDS = 4
_TRIM = [
    *["--aptopt=Acquire::Languages none", '--aptopt=APT::Install-Recommends "false"'],
    *["--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*"],
    *["--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright"],
]


class Images:
    """Makes the images of a sandbox; each method returns the reference under which Docker has it."""

    def __init__(self, client: docker.DockerClient, sandbox: Sandbox, progress: Progress) -> None:
        self._client = client
        self._sandbox = sandbox
        self._progress = progress
        self._mirror: apt.Mirror | None = None
        hosts = {_registry(reference) for reference in (PROXY, MLFLOW, _DEBIAN)}
        self._reachable = _reachable(hosts)

    def debian(self) -> str:
        """Debian 13, the base of the others."""
        with self._progress.step("Image debian") as step:
            self._mirror = apt.mirror(self._sandbox.id)
            key = files.fingerprint([_SUITE, *_TRIM, repr(self._mirror)])
            return self._kept("debian", key, step, self._make_debian)

    def target(self, base: str) -> str:
        """The target VM: Debian 13 with systemd and SSH."""
        with self._progress.step("Image target") as step:
            key = files.fingerprint([base, _RECIPES / "target"])
            return self._kept("target", key, step, lambda tag, _: self._build("target", tag, {"BASE": base}))

    def registry(self, base: str) -> str:
        """Debian's docker-registry."""
        with self._progress.step("Image registry") as step:
            key = files.fingerprint([base, _RECIPES / "registry"])
            return self._kept("registry", key, step, lambda tag, _: self._build("registry", tag, {"BASE": base}))

    def proxy(self) -> str:
        """Google's Cloud SQL Auth Proxy under Google's name."""
        with self._progress.step("Image cloud-sql-proxy") as step:
            return self._upstream(PROXY, step, self._make_proxy)

    def mlflow(self, base: Callable[[], str]) -> str:
        """MLflow under upstream's name."""
        with self._progress.step("Image mlflow") as step:
            return self._upstream(MLFLOW, step, lambda step: self._make_mlflow(base, step))

    def _upstream(self, reference: str, step: Step, make: Callable[[Step], str]) -> str:
        present = self._find(reference)
        if present and _KEY not in present.labels:
            step.outcome = "there already, pulled"
            return reference
        if not present and self._can_pull(reference) and self._pull(reference, step):
            return reference
        self._client.images.get(make(step)).tag(reference)
        step.outcome = step.outcome.replace("built", f"built here, as {_registry(reference)} gave none", 1)
        return reference

    def _kept(self, name: str, key: str, step: Step, make: Callable[[str, Step], None]) -> str:
        """The image of a content key, made when it is missing. The tag comes last: a killed build leaves none."""
        tag = f"mlflow-sandbox/{name}:{key}"
        with files.lock(self._sandbox.cache / "locks" / f"image-{name}.lock"):
            if present := self._find(tag):
                step.outcome = "there already" if _KEY in present.labels else "there already, pulled"
                return tag
            make(tag, step)
        size = self._client.images.get(tag).attrs["Size"] / 1e6
        step.outcome = step.outcome or f"built, {size:.0f} MB"
        return tag

    def _make_debian(self, tag: str, step: Step) -> None:
        repository, _, version = tag.partition(":")
        if self._can_pull(_DEBIAN) and self._pull(_DEBIAN, step):
            self._client.images.get(_DEBIAN).tag(repository, version)
            return
        if self._mirror is None:
            raise SandboxError(
                f"Neither {_DEBIAN} can be pulled nor is this a Debian machine with a mirror to build it from."
            )
        if not shutil.which("mmdebstrap"):
            step.doing = "installing mmdebstrap"
            apt.install(["mmdebstrap"], self._sandbox.id, "Building images where no registry answers")
        step.doing = "mmdebstrap"
        with self._workspace() as folder:
            archive = folder / "debian.tar"
            sources = self._mirror.sources(_SUITE)
            with archive.open("wb") as output:
                processes.run(
                    ["mmdebstrap", "--quiet", "--variant=minbase", *_TRIM, _SUITE, "-", *sources],
                    self._sandbox.id,
                    env={"TMPDIR": str(folder)},
                    output=output,
                )
            changes = ['CMD ["/bin/bash"]', f"LABEL {_KEY}={version}"]
            self._client.api.import_image_from_file(str(archive), repository, version, changes)

    def _make_proxy(self, step: Step) -> str:
        key = files.fingerprint([_RECIPES / "cloud-sql-proxy" / "Dockerfile", downloads.PROXY_VERSION])

        def build(tag: str, step: Step) -> None:
            binary = downloads.proxy(self._sandbox, step)
            self._build("cloud-sql-proxy", tag, {}, [binary])

        return self._kept("cloud-sql-proxy", key, step, build)

    def _make_mlflow(self, base: Callable[[], str], step: Step) -> str:
        recipe = _RECIPES / "mlflow"
        locks = [recipe / "requirements.txt", recipe / "build-tools.txt"]

        def build(tag: str, step: Step) -> None:
            wheels = downloads.wheels(self._sandbox, locks, step)
            step.doing = "waiting for its base"
            self._install_mlflow(base(), wheels, tag, step)

        key = files.fingerprint([_SUITE, recipe / "install.sh", *locks])
        return self._kept("mlflow", key, step, build)

    def _install_mlflow(self, base: str, wheels: Path, tag: str, step: Step) -> None:
        # Not a Dockerfile: the classic builder cannot mount the wheels, and 200 MB of them would stay in a layer.
        repository, _, version = tag.partition(":")
        step.doing = "installing"
        container = self._client.containers.create(
            base,
            ["/bin/sh", "/build/recipe/install.sh"],
            labels={**self._sandbox.labels, f"{LABEL}.part": "temporary"},
            volumes={
                str(wheels): {"bind": "/build/wheels", "mode": "ro"},
                str(_RECIPES / "mlflow"): {"bind": "/build/recipe", "mode": "ro"},
            },
        )
        try:
            container.start()
            status = container.wait()["StatusCode"]
            if status:
                last = container.logs(tail=3).decode(errors="replace").strip().replace("\n", " | ")
                raise SandboxError(f"Installing MLflow into its image ended with {status}: {last}")
            step.doing = "committing"
            changes = ["ENV LANG=C.UTF-8", 'CMD ["python3"]', f"LABEL {_KEY}={version}"]
            container.commit(repository, version, changes="\n".join(changes))
        finally:
            container.remove(force=True, v=True)

    def _build(self, name: str, tag: str, arguments: dict[str, str], extra: list[Path] | None = None) -> None:
        recipe = _RECIPES / name
        context = _context([*sorted(recipe.iterdir()), *(extra or [])])
        last = ""
        try:
            events = self._client.api.build(
                fileobj=context,
                custom_context=True,
                buildargs=arguments,
                labels={_KEY: tag.rpartition(":")[2]},
                tag=tag,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                last = str(event.get("stream") or "").strip() or last
                if "error" in event:
                    raise SandboxError(f"Building image {name} failed: {event['error']} | {last}")
        except APIError as error:
            raise SandboxError(f"Building image {name} failed: {error.explanation or error}") from error

    def _find(self, reference: str) -> Image | None:
        try:
            return self._client.images.get(reference)
        except ImageNotFound:
            return None

    def _can_pull(self, reference: str) -> bool:
        return _registry(reference) in self._reachable

    def _pull(self, reference: str, step: Step) -> bool:
        step.doing = "pulling"
        try:
            self._client.images.pull(reference)
        except APIError as error:
            self._progress.say(f"{'':>8}  {reference} could not be pulled ({error.explanation or error}): building it")
            return False
        step.outcome = "pulled"
        return True

    @contextmanager
    def _workspace(self) -> Iterator[Path]:
        parent = self._sandbox.cache / "tmp" / self._sandbox.id
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            Path(folder).chmod(0o755)  # mmdebstrap's unprivileged helper enters it
            yield Path(folder)


def _registry(reference: str) -> str:
    host = reference.split("/", maxsplit=1)[0]
    return host if "." in host else "registry-1.docker.io"


def _reachable(hosts: set[str]) -> set[str]:
    """Registries that answer like one within a few seconds; a name that hangs counts as silent."""

    def answers(host: str) -> bool:
        try:
            return requests.get(f"https://{host}/v2/", timeout=_PULL_SECONDS).status_code in (200, 401)
        except requests.RequestException:
            return False

    pool = ThreadPoolExecutor(len(hosts))
    asked = {host: pool.submit(answers, host) for host in hosts}
    found = set()
    for host, future in asked.items():
        try:
            if future.result(timeout=_PULL_SECONDS):
                found.add(host)
        except TimeoutError:
            continue
    pool.shutdown(wait=False, cancel_futures=True)
    return found


def _context(paths: list[Path]) -> io.BytesIO:
    """A build context with these files at its top, the same bytes for the same content."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in paths:
            entry = tarfile.TarInfo(path.name)
            entry.size = path.stat().st_size
            entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as file:
                archive.addfile(entry, file)
    buffer.seek(0)
    return buffer
