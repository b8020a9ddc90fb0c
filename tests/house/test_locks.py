"""Every package is locked: exact version, hashes, and no address of an index, so that everybody's own settings hold."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.checkout import ROOT, tracked

LOCKS = [
    ROOT / path
    for path in tracked()
    if path.suffix == ".txt" and (path.parts[0] == "requirements" or (ROOT / path).with_suffix(".in").exists())
]
ADDRESS = re.compile(r"^\s*(-i|-f|--(extra-)?index-url|--find-links|--trusted-host)\b|[a-z+]+://", re.MULTILINE)
# Images and other versions that decide what runs are pinned where the product is configured, each in one place.
IMAGE = re.compile(r"\b[a-z0-9-]+(?:\.[a-z0-9-]+)+(?:/[a-z0-9._-]+)+(?::v?\d[\w.-]*|@sha256:[0-9a-f]{64})")


def unlocked(lock: str) -> Iterator[str]:
    """Requirements of a lock without an exact version or without a hash."""
    joined = lock.replace("\\\n", " ")
    for line in joined.splitlines():
        requirement = line.split("#")[0].strip()
        if requirement and not re.match(r"[\w.\[\],-]+==\S+ .*--hash=sha256:[0-9a-f]{64}", requirement):
            yield requirement


def pins(folders: tuple[str, ...]) -> dict[str, list[str]]:
    """Where each image of the product is pinned (but for documented defaults, which another test compares)."""
    found: dict[str, list[str]] = {}
    for path in tracked():
        if (
            path.parts[0] in folders
            and path.suffix in (".yml", ".j2", ".py", ".sh")
            and path.name != "argument_specs.yml"
        ):
            for line in (ROOT / path).read_text().splitlines():
                for image in IMAGE.findall(line):
                    found.setdefault(re.split(r"[:@]", image)[0], []).append(str(path))
    return found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_lock_is_exact_and_hashed(lock: Path) -> None:
    assert list(unlocked(lock.read_text())) == []


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_lock_names_no_index(lock: Path) -> None:
    assert ADDRESS.search(lock.read_text()) is None


def test_the_trainers_lock_is_the_same_for_every_python() -> None:
    """pip judges markers by the Python that it runs on: the control node's, not the training machine's."""
    lock = (ROOT / "roles" / "trainer" / "files" / "requirements.txt").read_text()
    assert "==" in lock
    assert re.findall(r"^.*python_(?:full_)?version.*$", lock, re.MULTILINE) == []
    assert re.search(r"^pip==", lock, re.MULTILINE), "which installs the others"


def test_what_installs_from_a_lock_resolves_nothing() -> None:
    """Newer releases than the lock's would be found for what another package wants with an extra (pip up to 23.2)."""
    files = [path for path in tracked() if (ROOT / path).is_file() and path.parts[0] != "tests"]
    texts = {path: (ROOT / path).read_text(errors="replace") for path in files}
    calls = {path: text for path, text in texts.items() if re.search(r"\bpip\b.*--require-hashes", text)}
    assert Path("scripts/bootstrap") in calls
    assert [path for path, text in calls.items() if "--no-deps" not in text] == []


def test_locks_are_complete() -> None:
    checked = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_there_are_locks() -> None:
    assert {"control.txt", "dev.txt"} <= {lock.name for lock in LOCKS}
    assert any("roles" in lock.parts for lock in LOCKS)


def test_each_image_is_pinned_in_one_place() -> None:
    found = pins(("roles", "playbooks", "inventories", "plugins"))
    assert found
    assert {image: places for image, places in found.items() if len(places) > 1} == {}


def test_rules_notice() -> None:
    digest = "a" * 64
    good = (
        f"pip==1.0 ; python_version < '3.12' \\\n    --hash=sha256:{digest} \\\n    --hash=sha256:{digest}\n# by hand\n"
    )
    assert list(unlocked(good)) == []
    assert list(unlocked("pip==1.0\n")) == ["pip==1.0"]
    assert list(unlocked(f"pip>=1.0 --hash=sha256:{digest}")) == [f"pip>=1.0 --hash=sha256:{digest}"]
    assert list(unlocked(f"pip @ https://x.y/pip.whl --hash=sha256:{digest}"))
    for bad in ("--index-url https://x.y/simple", "-i x", "--find-links /wheels", "pip @ git+https://x.y/z"):
        assert ADDRESS.search(f"pip==1.0\n{bad}\n"), bad
    assert ADDRESS.search(good) is None
    assert IMAGE.findall("a: ghcr.io/mlflow/mlflow:v2.22.0 and gcr.io/x/y@sha256:" + digest)
    assert not IMAGE.findall("http://127.0.0.1:5000/x roles/storage.objectUser download.docker.com/linux")


def test_mlflows_client_in_the_tests_is_of_the_version_that_is_installed() -> None:
    pinned = {
        "roles/tracking_server/defaults/main.yml": r"^tracking_server_mlflow_image: .*:v(\S+)$",
        "sandbox/machine/images/mlflow/requirements.in": r"^mlflow==(\S+)$",
        "requirements/dev.txt": r"^mlflow-skinny==(\S+)",
        "roles/trainer/files/requirements.in": r"^mlflow-skinny==(\S+)$",
    }
    versions = {re.findall(pattern, (ROOT / path).read_text(), re.MULTILINE)[0] for path, pattern in pinned.items()}
    assert len(versions) == 1, versions
