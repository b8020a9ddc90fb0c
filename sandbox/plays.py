"""A playbook as the demo shows it: plays, what changed and what failed; all it said goes to a log."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.machine import files, processes
from sandbox.machine.errors import SandboxError
from sandbox.machine.identity import Sandbox
from sandbox.machine.progress import Progress, Step

_TASK = re.compile(r"(?:TASK|RUNNING HANDLER) \[(?P<name>.*)\] \*+")
_PLAY = re.compile(r"PLAY \[(?P<name>.*)\] \*+")
_RESULT = re.compile(r"(?P<status>changed|fatal|failed): \[")
_RECAP = re.compile(r"^(?P<host>\S+)\s*: (?P<counts>ok=.*)")


def run(sandbox: Sandbox, progress: Progress, title: str, *words: str) -> float:
    """Run ansible-playbook; the seconds it took. A run that fails ends the command."""
    log = sandbox.private / f"{re.sub('[^a-z.]+', '-', title)}.log"
    said: list[str] = []
    with progress.step(title) as step:
        started = time.monotonic()
        show = _Compact(progress, step)

        def on_line(line: str) -> None:
            said.append(line)
            show(line)

        command = [str(Path(sys.executable).parent / "ansible-playbook"), *words]
        environment = {"SANDBOX_NAME": sandbox.name, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        code, _ = processes.stream(command, sandbox.id, env=environment, cwd=sandbox.checkout, on_line=on_line)
        files.write(log, "\n".join(said) + "\n", mode=0o600)
        if code:
            raise SandboxError(f"ansible-playbook {' '.join(words)} ended with {code}; all it said: {log}")
        step.outcome = show.recap
        return time.monotonic() - started


class _Compact:
    """Shows of Ansible's output the plays, the tasks that changed something, failures in full, and the recap."""

    def __init__(self, progress: Progress, step: Step) -> None:
        self._say: Callable[[str], None] = progress.say
        self._step = step
        self._task = self._shown = ""
        self._in_failure = False
        self.recap = ""

    def __call__(self, line: str) -> None:
        if play := _PLAY.match(line):
            self._say(f"{'':>8}  play {play['name']}")
        elif task := _TASK.match(line):
            self._task = self._step.doing = task["name"]
            self._in_failure = False
        elif result := _RESULT.match(line):
            self._in_failure = result["status"] != "changed"
            if self._in_failure:
                self._say(f"{'':>10}{line}")
            elif self._task != self._shown:  # a task with many items is one line
                self._say(f"{'':>10}changed  {self._task}")
                self._shown = self._task
        elif recap := _RECAP.match(line):
            self._in_failure = False
            self.recap = "; ".join(
                filter(None, [self.recap, f"{recap['host']} {' '.join(recap['counts'].split()[:2])}"])
            )
        elif self._in_failure or line.startswith(("[WARNING]", "[ERROR]", "ERROR")):
            self._say(f"{'':>10}{line}")
