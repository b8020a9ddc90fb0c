"""The program that writes .env, passfile and keys on the machine: whole, private, and only where something differs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "roles" / "tracking_server" / "files" / "write_private.py"
CONTENT = "MLFLOW_DB_PASSWORD='p'\n"
OWN = (str(os.getuid()), str(os.getgid()))


def write(path: Path, *more: str, owner: str = OWN[0]) -> subprocess.CompletedProcess[str]:
    """What the role runs: the program as an argument, the content on standard input."""
    command = [sys.executable, "-c", PROGRAM.read_text(), *more, str(path), owner, OWN[1]]
    return subprocess.run(command, input=CONTENT, text=True, capture_output=True, check=False)


def test_a_file_is_written_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    assert [write(path).stdout for _ in range(2)] == ["it is not there", ""]
    assert (path.read_text(), path.stat().st_mode & 0o777) == (CONTENT, 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_a_check_says_so_and_writes_nothing(tmp_path: Path) -> None:
    assert write(tmp_path / ".env", "--check").stdout == "it is not there"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("spoil", "said"), [("content", "content"), ("mode", "mode 644"), ("link", "it is no plain file")]
)
def test_what_differs_is_said_and_put_right(tmp_path: Path, spoil: str, said: str) -> None:
    path, elsewhere = tmp_path / ".env", tmp_path / "elsewhere"
    elsewhere.write_text(CONTENT)
    elsewhere.chmod(0o600)
    if spoil == "link":
        path.symlink_to(elsewhere)
    else:
        path.write_text(CONTENT if spoil == "mode" else "other")
        path.chmod(0o644 if spoil == "mode" else 0o600)
    assert write(path).stdout == said
    assert (path.is_symlink(), path.read_text(), path.stat().st_mode & 0o777) == (False, CONTENT, 0o600)


def test_what_a_killed_run_left_is_taken_away(tmp_path: Path) -> None:
    left = tmp_path / "..env.new"
    left.symlink_to(tmp_path / "victim")
    assert write(tmp_path / ".env").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


@pytest.mark.parametrize(
    ("path", "owner", "reason"),
    [("none/.env", OWN[0], "No such file or directory"), (".env", "nobody-knows", "name not found: 'nobody-knows'")],
)
def test_a_failure_is_one_line_without_the_content(tmp_path: Path, path: str, owner: str, reason: str) -> None:
    done = write(tmp_path / path, owner=owner)
    assert done.returncode == 1
    assert (reason in done.stderr, done.stderr.count("\n"), "PASSWORD" in done.stderr) == (True, 1, False)
    assert list(tmp_path.iterdir()) == []
