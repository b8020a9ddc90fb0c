# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service Usage API v1: Google APIs enabled in the project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InvalidRequestError,
    NotFoundError,
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
_SERVICES = "services"
# As many can be read at once (service-usage/docs/reference/rest/v1/services/batchGet).
_MOST = 30
# "If you enabled this API recently, wait a few minutes for the action to propagate."
_PROPAGATION = 300.0
# What Google says, and what the user can do about it.
_WAYS_OUT = (
    # hashicorp/terraform-provider-google#5424
    (
        "depended on by",
        "disable those first, each by a task of its own, or set disable_dependent_services: true for all of them",
    ),
    # GoogleCloudPlatform/magic-modules#11494
    ("has usage in the last 30 days", "make sure that nobody needs it, then set ignore_usage: true"),
    # kyegomez/zeta#71
    (
        "Billing must be enabled",
        "link a billing account to the project (`gcloud billing projects link`), and run again",
    ),
)


def service_path(google: Google, name: str) -> str:
    """A service's path."""
    return f"v1/projects/{segment(google.project)}/services/{segment(name)}"


def read_service(google: Google, name: str) -> JsonObject:
    """A service of the project; one request for all who ask, and where many services are asked for, one for all."""

    def read() -> JsonObject:
        if google.asks_for_many(_SERVICES) and name in google.announced(_SERVICES)[:_MOST]:
            found = google.once(_SERVICES, lambda: _read_many(google, google.announced(_SERVICES)[:_MOST]))
            if name in found:
                return found[name]
        return google.get(_API, service_path(google, name))

    return google.once(("service", name), read)


def _read_many(google: Google, names: Sequence[str]) -> dict[str, JsonObject]:
    """Services by name; none where Google refuses them together, so that each is asked for alone and says why."""
    paths = [f"projects/{google.project}/services/{name}" for name in names]
    try:
        reply = google.get(_API, f"v1/projects/{segment(google.project)}/services:batchGet", names=paths)
    except (InvalidRequestError, NotFoundError, PermissionDeniedError):
        return {}
    return {str(service.get("name", "")).rpartition("/")[2]: service for service in reply.get("services", [])}


def is_on(service: JsonObject) -> bool:
    """Whether the project may use it."""
    return bool(service.get("state") == "ENABLED")


class ProjectService(Resource):
    """A Google API that the project may use."""

    MODULE = "project_service"
    SERVICE = "serviceusage.googleapis.com"
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        "disable_dependent_services": {"type": "bool", "default": False},
        "ignore_usage": {"type": "bool", "default": False},
    }

    @property
    def name(self) -> str:
        return str(self.params["name"])

    def check(self) -> None:
        if not re.fullmatch(r"[a-z0-9.-]+\.[a-z]+", self.name):
            raise RefusedError(f"name {self.name!r} is no service name: write it as sqladmin.googleapis.com")

    def announce(self, google: Google) -> None:
        google.announce(_SERVICES, self.name)

    def read(self, google: Google) -> Observed:
        body = read_service(google, self.name)
        return Observed(Presence.PRESENT if is_on(body) else Presence.ABSENT, body)

    def plan(self, observed: Observed) -> Plan:
        if observed.exists == (not self.wants_absence):
            return plans.nothing(self.MODULE, self.name)
        if self.wants_absence:
            return plans.delete(self.MODULE, self.name, BlastRadius.SAFE, warnings=self._warnings())
        return plans.create(self.MODULE, self.name, {"name": self.name})

    def _warnings(self) -> list[str]:
        if not self.params.get("disable_dependent_services"):
            return []
        return [f"with {self.name}, Google disables every service that depends on it (disable_dependent_services)"]

    def way_out(self, error: GoogleError) -> str:
        if isinstance(error, InvalidRequestError):
            return next((way_out for said, way_out in _WAYS_OUT if said in error.message), super().way_out(error))
        return super().way_out(error)

    def explain(self, error: GoogleError) -> str:
        if isinstance(error, PermissionDeniedError):
            # Services are the first that is asked of a project, and Google refuses so where there is no such project.
            return f"project {self.project}: {self.reason(error)}"
        return super().explain(error)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = service_path(google, self.name)
        if plan.action is plans.Action.DELETE:
            # Unless told otherwise, Google refuses if the service was used lately or others depend on it.
            body: JsonObject = {
                "disableDependentServices": bool(self.params.get("disable_dependent_services")),
                "checkIfServiceHasUsage": "SKIP" if self.params.get("ignore_usage") else "CHECK",
            }
            self._finish(google, google.write("POST", _API, f"{path}:disable", body))
            return
        self._finish(google, google.write("POST", _API, f"{path}:enable", {}))
        with google.progress.waiting("until the service is on"):
            wait_until(lambda: google.get(_API, path), is_on, f"enabling {self.name}", _PROPAGATION, google.clock)

    def _finish(self, google: Google, operation: JsonObject) -> None:
        what = f"operation {operation.get('name')} on service {self.name}"
        if not operation.get("done"):
            path = f"v1/{operation.get('name')}"
            with google.progress.waiting(f"operation {operation.get('name')}"):
                operation = wait_until(
                    lambda: google.get(_API, path), lambda seen: bool(seen.get("done")), what, _TIMEOUT, google.clock
                )
        if "error" in operation:
            error = operation["error"]
            raise OperationFailedError(
                f"{what} failed: {error.get('message') or error.get('code') or 'no reason given'}: put right what it "
                "names, and run again"
            )
