"""Files that are whole or absent, locks that die with their holder, and content keys."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.machine import files
from sandbox.machine.identity import CHECKOUT


def test_write_says_whether_it_changed_anything(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "secret"
    assert files.write(path, "one", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    assert not files.write(path, "one", mode=0o600)
    assert files.write(path, "one", mode=0o644)
    assert files.write(path, "two", mode=0o644)
    assert [entry.name for entry in path.parent.iterdir()] == ["secret"]


def test_a_folder_that_failed_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.folder(tmp_path / "wheels") as partial:
        (partial / "half").touch()
        raise RuntimeError
    assert not (tmp_path / "wheels").exists()
    with files.folder(tmp_path / "wheels") as partial:
        (partial / "whole").touch()
    assert [entry.name for entry in (tmp_path / "wheels").iterdir()] == ["whole"]


def test_a_lock_excludes_and_is_free_after(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with files.lock(path) as first, files.lock(path, wait=False) as second:
        assert (first, second) == (True, False)
    with files.lock(path, wait=False) as third:
        assert third


def test_a_killed_holder_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    program = (
        "import pathlib, sys, time; from sandbox.machine import files\n"
        "with files.lock(pathlib.Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        with files.lock(path, wait=False) as while_held:
            assert not while_held
        os.kill(holder.pid, signal.SIGKILL)
    with files.lock(path, wait=False) as afterwards:
        assert afterwards


def test_content_keys_follow_content_and_mode(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe"
    recipe.mkdir()
    script = recipe / "install.sh"
    script.write_text("echo one")
    keys = [files.fingerprint(["base", recipe])]
    script.write_text("echo two")
    keys.append(files.fingerprint(["base", recipe]))
    script.chmod(0o755)
    keys.append(files.fingerprint(["base", recipe]))
    keys.append(files.fingerprint(["other base", recipe]))
    assert len(set(keys)) == 4
    os.utime(script, (1, 1))
    assert files.fingerprint(["other base", recipe]) == keys[-1]


def test_content_keys_of_two_texts_do_not_run_together() -> None:
    assert files.fingerprint(["ab", "c"]) != files.fingerprint(["a", "bc"])
