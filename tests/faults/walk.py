"""Every request of a first provisioning and of a run with nothing to do, task by task: the rows of the fault matrix.

Written down, since a matrix must know its cases before anything runs; test_walk.py holds it against what is sent.
Repeated polls of one operation count once, and so do all tokens but the first of a run.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from tests.contract.bench import PROJECT

P = f"/v1/projects/{PROJECT}"
INSTANCE = f"{P}/instances/mlflow-metadata"
ACCOUNT = f"mlflow-server%40{PROJECT}.iam.gserviceaccount.com"
SECRET = f"{P}/secrets/mlflow-db-password"
BUCKET = "/storage/v1/b/df_traffic_cyclist1"
OPERATIONS = f"{P}/operations"
FLAGS = "GET /v1/flags"
SERVICE_OPERATION = "/v1/operations/ID"
SQL_OPERATION = f"{OPERATIONS}/ID"
TOKEN = "/token"
NOOP = "plan of a no-op"


@dataclass(frozen=True)
class Request:
    """The ``nth`` request of its kind in a task."""

    step: str
    method: str
    path: str
    nth: int = 1

    def __str__(self) -> str:
        short = self.path.replace(P, "P").replace("mlflow-metadata", "I").replace(ACCOUNT, "A")
        short = short.replace("mlflow-db-password", "S").replace("df_traffic_cyclist1", "B")
        return f"{self.step}: {self.method} {short.replace('.googleapis.com', '')}" + (
            f" #{self.nth}" if self.nth > 1 else ""
        )

    @property
    def pattern(self) -> str:
        """The path as fault rules take it."""
        return re.escape(self.path).replace("/ID", "/[^/]+")

    @property
    def mutates(self) -> bool:
        """Whether it is meant to change something."""
        return self.method != "GET" and not self.path.endswith(("getIamPolicy", "testIamPermissions", TOKEN))


def _service(name: str) -> str:
    return f"{P}/services/{name}.googleapis.com"


ON_AT_FIRST = ("storage",)
SERVICES = ("cloudresourcemanager", "iam", "sqladmin", "secretmanager", "storage")
_READS = [
    f"GET {P}/services:batchGet",
    f"GET {P}/serviceAccounts/{ACCOUNT}",
    f"POST {P}:getIamPolicy",
    f"GET {INSTANCE}",
    f"GET {INSTANCE}/databases/mlflow",
    f"GET {INSTANCE}/users",
    f"GET {SECRET}",
    f"GET {BUCKET}",
    f"GET {BUCKET}/iam",
]
_ENABLING = "GET {service}", "POST {service}:enable", f"GET {SERVICE_OPERATION}", "GET {service}", "GET {service}"
STEPS: dict[str, list[str]] = {
    "plan": [f"POST {TOKEN}", *_READS, f"POST {P}:testIamPermissions"],
    **{
        f"service {name}": [
            line.format(service=_service(name)) for line in (_ENABLING if name not in ON_AT_FIRST else _ENABLING[:1])
        ]
        for name in SERVICES
    },
    "plan again": [*_READS, FLAGS, f"POST {P}:testIamPermissions"],
    **{f"service {name} again": [f"GET {_service(name)}"] for name in SERVICES},
    "service_account": [
        f"GET {P}/serviceAccounts/{ACCOUNT}",
        f"POST {P}/serviceAccounts",
        f"GET {P}/serviceAccounts/{ACCOUNT}",
        f"GET {P}/serviceAccounts/{ACCOUNT}",
    ],
    "project_iam_member": [f"POST {P}:getIamPolicy", f"POST {P}:setIamPolicy", f"POST {P}:getIamPolicy"],
    "sql_instance": [
        f"GET {INSTANCE}",
        FLAGS,
        f"GET {OPERATIONS}",
        f"POST {P}/instances",
        f"GET {SQL_OPERATION}",
        f"GET {INSTANCE}",
    ],
    "sql_database": [
        f"GET {INSTANCE}/databases/mlflow",
        f"GET {OPERATIONS}",
        f"POST {INSTANCE}/databases",
        f"GET {INSTANCE}/databases/mlflow",
    ],
    "secret": [
        f"GET {SECRET}",
        f"POST {P}/secrets",
        f"POST {SECRET}:addVersion",
        f"GET {SECRET}/versions/1:access",
        f"GET {SECRET}/versions/latest",
        f"GET {SECRET}",
        f"GET {SECRET}/versions/latest",
    ],
    "read secret": [f"GET {SECRET}", f"GET {SECRET}/versions/latest", f"GET {SECRET}/versions/1:access"],
    "sql_user": [f"GET {INSTANCE}/users", f"GET {OPERATIONS}", f"POST {INSTANCE}/users", f"GET {INSTANCE}/users"],
    "newest secret": [f"GET {SECRET}", f"GET {SECRET}/versions/latest"],
    "bucket": [f"GET {BUCKET}", "POST /storage/v1/b", f"GET {BUCKET}"],
    "bucket_iam_member": [f"GET {BUCKET}/iam", f"PUT {BUCKET}/iam", f"GET {BUCKET}/iam"],
    NOOP: [f"POST {TOKEN}", *_READS, f"GET {SECRET}/versions/latest"],
}


def requests_of(step: str) -> list[Request]:
    """A task's requests; those of a kind are numbered."""
    seen: Counter[str] = Counter()
    found = []
    for line in STEPS[step]:
        seen[line] += 1
        method, path = line.split(" ", 1)
        found.append(Request(step, method, path, seen[line]))
    return found


REQUESTS = [request for step in STEPS for request in requests_of(step)]


def sent(recorded: list[dict[str, str]]) -> list[str]:
    """What a recorder saw as lines of STEPS, polls of one operation once."""
    lines: list[str] = []
    for one in recorded:
        path = re.sub(r"^(/v1/operations/|/v1/projects/[^/]+/operations/).+", r"\1ID", one["path"])
        line = f"{one['method']} {path}"
        if not (path.endswith("/ID") and lines and lines[-1] == line):
            lines.append(line)
    return lines
