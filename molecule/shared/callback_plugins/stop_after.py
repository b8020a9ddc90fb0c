"""Kills ansible-playbook with SIGKILL when a task has finished, as a power cut would: the product has no test hook.

Operator.killed_after (molecule/conftest.py) enables it; MOLECULE_STOP_AFTER names the task, with or without its role.
"""

import os
import signal
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: stop_after
type: aggregate
short_description: Kill the run after a task
description: Kills ansible-playbook with SIGKILL when the task named by MOLECULE_STOP_AFTER has finished on any host.
"""


class CallbackModule(CallbackBase):
    """Waits for one task's result."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "stop_after"
    CALLBACK_NEEDS_ENABLED = True

    def v2_runner_on_ok(self, result: Any) -> None:
        wanted = os.environ["MOLECULE_STOP_AFTER"]
        name = result.task.get_name().strip()
        if wanted in (name, name.rpartition(" : ")[2]):
            os.kill(os.getpid(), signal.SIGKILL)
