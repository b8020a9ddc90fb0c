"""What the trainer's role sees of a machine: its Python, and what its environment lacks of the lock."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FILES = Path(__file__).resolve().parents[2] / "roles" / "trainer" / "files"
LOCK = """\
google-cloud-storage==3.1 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
PyYAML==6.0.4 \\
    --hash=sha256:cc
colorama==0.4 ; sys_platform == 'win32' \\
    --hash=sha256:dd
# a comment==1.0
pip==26.3 --hash=sha256:ee
"""


def look(folder: Path, lock: str = LOCK) -> dict[str, Any]:
    """What the role runs: the program as an argument, the lock on standard input."""
    command = [sys.executable, "-c", (FILES / "look.py").read_text(), str(folder)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, input=lock, text=True, capture_output=True, check=True).stdout
    )
    return found


def environment(folder: Path, *packages: str) -> None:
    """An environment, which a link makes the one in use."""
    site = folder / "environment-abc" / "lib" / "python3.13" / "site-packages"
    for package in packages:
        (site / f"{package}.dist-info").mkdir(parents=True)
    (folder / "environment").symlink_to("environment-abc")


def test_a_machine_without_anything(tmp_path: Path) -> None:
    found = look(tmp_path / "mlflow")
    assert (found["exists"], found["environment"], found["key"]) == (False, "", False)
    assert found["python"] == f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert found["missing"] == ["google-cloud-storage==3.1", "pip==26.3", "pyyaml==6.0.4"]


def test_names_are_compared_however_they_are_written(tmp_path: Path) -> None:
    environment(tmp_path, "google_cloud_storage-3.1", "pyyaml-6.0.4", "pip-26.3", "somebodys_own-1.0")
    found = look(tmp_path)
    assert (found["environment"], found["missing"]) == ("environment-abc", [])


@pytest.mark.parametrize("other", ["pyyaml-6.0.3", "pyyaml_extra-6.0.4"])
def test_another_version_is_missing(tmp_path: Path, other: str) -> None:
    environment(tmp_path, "google_cloud_storage-3.1", other, "pip-26.3")
    assert look(tmp_path)["missing"] == ["pyyaml==6.0.4"]


def test_the_home_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "credentials.json").touch()
    found = look(Path("~/mlflow"))
    assert (found["directory"], found["exists"], found["key"]) == (str(tmp_path / "mlflow"), True, True)


def test_every_line_of_the_lock_is_understood() -> None:
    """Else a package could be missing and nobody would see it."""
    lock = (FILES / "requirements.txt").read_text()
    pins = [line for line in lock.splitlines() if "==" in line and " ; " not in line]
    assert len(look(Path("/nowhere"), lock)["missing"]) == len(pins) > 50
