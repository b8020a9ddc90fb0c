"""What makes the line of a failure clear: one line that names the object, Google's reason and the way out."""

from __future__ import annotations

import re
from typing import Any

_INTERNALS = re.compile(r"Traceback|<class |<function |object at 0x|HTTPConnectionPool|Exception\b|\bNone\b|\{'")
_REASONS = re.compile(
    r"\(\d{3}\b|connection broke|no connection|no answer|cut off|still running|failed: |no access token|Google says"
)
_WAYS_OUT = re.compile(
    r"\brun again\b|\bset \w+( \([^)]*\))? to\b|\bgrant\b|\benable it\b|\braise timeout\b|\bput .+ right\b"
)
_NAMES = ("name", "account_id", "member", "secret", "bucket", "instance")


def names(params: dict[str, Any]) -> list[str]:
    """What a line about a task with these options may call its object."""
    if "resources" in params:
        return [name for entry in params["resources"] for name in names(entry["params"])]
    return [str(params[key]) for key in _NAMES if params.get(key)]


def unclear(message: str, params: dict[str, Any]) -> list[str]:
    """What is wrong with a failure's message."""
    about_token = "access token" in message
    rules = {
        "has more than one line": "\n" in message,
        "shows the program's inside": bool(_INTERNALS.search(message)),
        "is longer than 600 characters": len(message) > 600,
        "names no object": not about_token and not any(name in message for name in names(params)),
        "gives no reason": not _REASONS.search(message),
        "knows no way out": not _WAYS_OUT.search(message),
    }
    return [problem for problem, found in rules.items() if found]
