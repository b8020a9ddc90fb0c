# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a module where its task runs, and prints what it waits for while it waits.

The module tells by a named pipe in Ansible's own temporary folder, whose name is gone as soon as the module has opened
it. So there are lines only where module and Ansible share a machine, which is the rule for these modules. Elsewhere,
with async and with no_log the module runs as any other.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.progress import ENVIRONMENT_VARIABLE
from ansible_collections.mlflow_ops.gcp.plugins.plugin_utils.live_lines import LiveLines, parse

_CHUNK = 65536
_PATIENCE = 2.0


class LiveAction(ActionBase):
    """A module with live lines. Like ansible.builtin.normal in everything else."""

    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The module's own result."""
        result = super().run(tmp, task_vars)
        background = bool(self._task.async_val) and not self._connection.has_native_async
        with self._listening():
            result = merge_hash(result, self._execute_module(task_vars=task_vars, wrap_async=background))
        if not background:
            self._remove_tmp_path(self._connection._shell.tmpdir)
        return dict(result)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        if self._task.no_log or self._task.async_val or self._connection.transport != "local":
            yield
            return
        with listening(str(constants.DEFAULT_LOCAL_TMP), show) as path:
            environment = self._task.environment
            given = environment if isinstance(environment, list) else [environment]
            self._task.environment = [*given, {ENVIRONMENT_VARIABLE: path}]
            try:
                yield
            finally:
                self._task.environment = environment


def show(line: str) -> None:
    """Print a line beside the results, which may be JSON for a program."""
    Display().display(line, stderr=True)


@contextmanager
def listening(folder: str, tell: Callable[[str], None]) -> Iterator[str]:
    """A block in which lines are shown of a module that opens the pipe at the given path."""
    room = Path(tempfile.mkdtemp(prefix="live-", dir=folder))
    pipe = room / "pipe"
    try:
        os.mkfifo(pipe, 0o600)
        reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        # Ours, so that the end of all writers means the end of the block.
        writing = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        thread = threading.Thread(target=_follow, args=(reading, room, tell), daemon=True)
        thread.start()
        try:
            yield str(pipe)
        finally:
            os.close(writing)
            thread.join(_PATIENCE)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _follow(reading: int, room: Path, tell: Callable[[str], None]) -> None:
    # They are for the thread that waits for the module: it ends the module.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    lines, rest = LiveLines(), b""
    with open(reading, "rb", buffering=0) as pipe:
        while True:
            due = lines.next_due()
            select.select([pipe], [], [], None if due is None else max(0.0, due - time.monotonic()))
            chunk = pipe.read(_CHUNK)
            if chunk == b"":
                return
            *events, rest = (rest + (chunk or b"")).split(b"\n")
            if events:
                shutil.rmtree(room, ignore_errors=True)
            for event in events:
                for line in lines.take(parse(event), time.monotonic()):
                    tell(line)
            for line in lines.tick(time.monotonic()):
                tell(line)
