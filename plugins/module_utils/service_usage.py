# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Usage API v1: Google APIs enabled in the project."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    OperationFailedError,
    PermissionDeniedError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import wait_until
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_API = "serviceusage"
_TIMEOUT = 600.0
# "If you enabled this API recently, wait a few minutes for the action to propagate."
_PROPAGATION = 300.0


def service_path(google: Google, name: str) -> str:
    """A service's path."""
    return f"v1/projects/{segment(google.project)}/services/{segment(name)}"


def read_service(google: Google, name: str) -> JsonObject:
    """A service of the project; one request for all who ask."""
    return google.once(("service", name), lambda: google.get(_API, service_path(google, name)))


def is_on(service: JsonObject) -> bool:
    """Whether the project may use it."""
    return bool(service.get("state") == "ENABLED")


class ProjectService(Resource):
    """A Google API that the project may use."""

    MODULE = "project_service"
    SERVICE = "serviceusage.googleapis.com"
    SPEC: ClassVar[dict[str, Any]] = {"name": {"type": "str", "required": True}, "state": STATE}

    @property
    def name(self) -> str:
        return str(self.params["name"])

    def check(self) -> None:
        if not re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", self.name):
            raise RefusedError(f"name {self.name!r} is no service name: write it as sqladmin.googleapis.com")

    def read(self, google: Google) -> Observed:
        body = read_service(google, self.name)
        return Observed(Presence.PRESENT if is_on(body) else Presence.ABSENT, body)

    def plan(self, observed: Observed) -> Plan:
        if observed.exists == (not self.wants_absence):
            return plans.nothing(self.MODULE, self.name)
        if self.wants_absence:
            return plans.delete(self.MODULE, self.name, BlastRadius.SAFE)
        return plans.create(self.MODULE, self.name, {"name": self.name})

    def explain(self, error: GoogleError) -> str:
        if isinstance(error, PermissionDeniedError):
            # Services are the first that is asked of a project, and Google refuses so where there is no such project.
            return f"project {self.project}: {self.reason(error)}"
        return super().explain(error)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = service_path(google, self.name)
        if plan.action is plans.Action.DELETE:
            # Google itself refuses if the service was used lately or others depend on it.
            body: JsonObject = {"disableDependentServices": False, "checkIfServiceHasUsage": "CHECK"}
            self._finish(google, google.write("POST", _API, f"{path}:disable", body))
            return
        self._finish(google, google.write("POST", _API, f"{path}:enable", {}))
        wait_until(
            lambda: google.get(_API, path),
            is_on,
            f"enabling {self.name}",
            _PROPAGATION,
            google.clock,
        )

    def _finish(self, google: Google, operation: JsonObject) -> None:
        what = f"operation {operation.get('name')} on service {self.name}"
        if not operation.get("done"):
            path = f"v1/{operation.get('name')}"
            operation = wait_until(
                lambda: google.get(_API, path), lambda seen: bool(seen.get("done")), what, _TIMEOUT, google.clock
            )
        if "error" in operation:
            error = operation["error"]
            raise OperationFailedError(
                f"{what} failed: {error.get('message') or error.get('code') or 'no reason given'}"
            )
