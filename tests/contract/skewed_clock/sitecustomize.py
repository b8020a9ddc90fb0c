"""The clock of a machine that is two hours behind, for every Python that has this folder on PYTHONPATH."""

import datetime
import importlib
import time
from typing import Any

BEHIND = datetime.timedelta(hours=2)
_helpers: Any = importlib.import_module("google.auth._helpers")
_time, _utcnow = time.time, _helpers.utcnow


def _late() -> float:
    return _time() - BEHIND.total_seconds()


time.time = _late
_helpers.utcnow = lambda: _utcnow() - BEHIND
