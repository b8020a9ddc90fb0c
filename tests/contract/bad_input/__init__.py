"""Options that can never work, one file of rows for each module: what a user gave, and the words of the line.

A file `<module>.py` holds ROWS, a tuple of BadInput. tests/contract/test_bad_input.py runs each through the real
module, for real and in check mode, in a project that holds the objects named here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What the project holds: use these names for a rule about an object that exists.
INSTANCE = "db"  # as Bench.INSTANCE, running, unprotected, in europe-west3, 10 GB
DATABASE = "mlflow"  # in INSTANCE
USER = "mlflow_user"  # in INSTANCE, with a password
BUCKET = "artifacts"  # empty, in europe-west3
SECRET = "db-password"  # version 1, generated, replicated automatically
ACCOUNT = "mlflow-server"
EMAIL = "mlflow-server@mlflow-sandbox.iam.gserviceaccount.com"
SERVICE = "sqladmin.googleapis.com"  # on


@dataclass(frozen=True)
class BadInput:
    """A wrong value: the pair of option and rule, and the line that it gets.

    ``params`` are the module's options; project, endpoints and an access token are added unless they are given (None:
    not given at all). ``words`` must all occur in the message; the runner itself looks for the option (or its
    variable in the inventory), the object, and a way out. ``existing`` is made first: pairs of module and options.
    ``environment`` is set while the module runs.
    """

    option: str
    rule: str
    params: dict[str, Any]
    words: tuple[str, ...]
    existing: tuple[tuple[str, dict[str, Any]], ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
