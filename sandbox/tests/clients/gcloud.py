"""gcloud as the operator types it, against a running sandbox: its JSON output, or the words with which it refuses."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sandbox.tests.running import PROJECT, Sandbox

PROGRAM = shutil.which("gcloud")
NEEDED = pytest.mark.skipif(
    PROGRAM is None,
    reason="NOT TESTED: gcloud is not installed here, so nothing proves that gcloud accepts the sandbox",
)
APIS = ("SQL", "CLOUDRESOURCEMANAGER", "SECRETMANAGER", "IAM", "SERVICEUSAGE", "IAMCREDENTIALS")


class Gcloud:
    """gcloud with a configuration folder of its own, logged in with a key file (the operator's unless told otherwise).

    The first argument of a call is the command alone (a house test counts them), the others are its arguments.
    """

    def __init__(self, sandbox: Sandbox, home: Path, key_file: Path | None = None) -> None:
        overrides = {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}": f"{sandbox.url}/" for api in APIS}
        self._environment = os.environ | overrides
        self._environment |= {
            "CLOUDSDK_CONFIG": str(home),
            "CLOUDSDK_CORE_PROJECT": PROJECT,
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "1",
            "CLOUDSDK_CORE_SURVEY_DISABLE_PROMPTS": "1",
            "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE": f"{sandbox.url}/storage/v1/",
        }
        self("auth activate-service-account", f"--key-file={key_file or sandbox.key_file}")

    def __call__(self, command: str, *arguments: str, given: str | None = None) -> Any:
        """Run a command that must succeed; its JSON, or None when it prints none."""
        done = self._run(command, *arguments, "--format=json", given=given)
        assert done.returncode == 0, f"gcloud {command}: {done.stderr}"
        return json.loads(done.stdout) if done.stdout.strip() else None

    def text(self, command: str, *arguments: str, given: str | None = None) -> str:
        """Run a command that must succeed and prints something else than JSON; its standard output."""
        done = self._run(command, *arguments, given=given)
        assert done.returncode == 0, f"gcloud {command}: {done.stderr}"
        return done.stdout

    def told(self, command: str, *arguments: str, given: str | None = None) -> str:
        """Run a command that must succeed; what it says on standard error, where gcloud reports what it did."""
        done = self._run(command, *arguments, given=given)
        assert done.returncode == 0, f"gcloud {command}: {done.stderr}"
        return done.stderr

    def refused(self, command: str, *arguments: str, given: str | None = None) -> str:
        """Run a command that must fail; what it says on standard error."""
        done = self._run(command, *arguments, given=given)
        assert done.returncode != 0, f"gcloud {command} succeeded: {done.stdout}"
        return done.stderr

    def _run(self, command: str, *arguments: str, given: str | None) -> subprocess.CompletedProcess[str]:
        assert PROGRAM is not None
        words = [PROGRAM, *command.split(), *arguments]
        return subprocess.run(
            words, env=self._environment, input=given, capture_output=True, text=True, check=False, timeout=180
        )


Chain = Callable[[Gcloud, Sandbox, Path], None]


@contextmanager
def side_by_side(
    chains: Iterable[Chain], gcloud: Gcloud, sandbox: Sandbox, folders: pytest.TempPathFactory
) -> Iterator[dict[str, Future[None]]]:
    """Chains of commands, all at once and each with a folder of its own: gcloud is slow to start."""
    with ThreadPoolExecutor() as pool:
        yield {chain.__name__: pool.submit(chain, gcloud, sandbox, folders.mktemp(chain.__name__)) for chain in chains}
