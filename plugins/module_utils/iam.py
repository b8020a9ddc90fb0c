# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM API v1: service accounts."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import PermissionDeniedError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_API = "iam"
_VISIBILITY_PATIENCE = 120.0
_FIELDS = {"display_name": "displayName", "description": "description"}


def service_account_email(account_id: str, project: str) -> str:
    """The address Google gives an account; a domain-scoped project (example.com:p) turns around."""
    domain, _colon, short = project.rpartition(":")
    return f"{account_id}@{f'{short}.{domain}' if domain else short}.iam.gserviceaccount.com"


_SETTINGS: dict[str, Any] = {"display_name": {"type": "str"}, "description": {"type": "str"}}


class ServiceAccount(Resource):
    """A service account."""

    MODULE = "service_account"
    SERVICE = "iam.googleapis.com"
    SPEC: ClassVar[dict[str, Any]] = {
        "account_id": {"type": "str", "required": True},
        "state": STATE,
        **_SETTINGS,
        "on_create": {"type": "dict", "options": _SETTINGS},
    }

    @property
    def name(self) -> str:
        """The account's address."""
        return service_account_email(str(self.params["account_id"]), self.project)

    def check(self) -> None:
        account_id = str(self.params["account_id"])
        if not re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", account_id):
            raise RefusedError(
                f"account_id {account_id!r}: Google wants 6 to 30 lower-case letters, digits and hyphens, starting "
                "with a letter (only what stands before the @)"
            )

    def _path(self, google: Google) -> str:
        return f"v1/projects/{segment(google.project)}/serviceAccounts"

    def read(self, google: Google) -> Observed:
        body = google.find(_API, f"{self._path(google)}/{segment(self.name)}")
        return ABSENT if body is None else Observed(Presence.PRESENT, body)

    def _wanted(self) -> dict[str, str]:
        return {option: self.params[option] for option in _FIELDS if self.params.get(option) is not None}

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            if observed.exists:
                return plans.delete(self.MODULE, self.name, BlastRadius.SAFE)
            return plans.nothing(self.MODULE, self.name)
        if not observed.exists:
            new = plans.overlay(self.params.get("on_create"), self._wanted())
            fields = {"email": self.name, **{option: value for option, value in new.items() if value is not None}}
            return plans.create(self.MODULE, self.name, fields)
        warnings = [f"{self.name} is disabled"] if observed.body.get("disabled") else []
        changes = [
            Change(option, observed.body.get(_FIELDS[option], ""), wanted, "differs")
            for option, wanted in self._wanted().items()
            if not plans.same(wanted, observed.body.get(_FIELDS[option]))
        ]
        return plans.update(self.MODULE, self.name, changes, warnings)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = self._path(google)
        if plan.action is plans.Action.DELETE:
            google.write("DELETE", _API, f"{path}/{segment(self.name)}")
            return
        account: JsonObject = {_FIELDS[c.field]: c.after for c in plan.applicable if c.field in _FIELDS}
        if plan.action is plans.Action.CREATE:
            body = {"accountId": self.params["account_id"], "serviceAccount": account}
            google.write("POST", _API, path, body)
            self._await_visibility(google)
        else:
            body = {"serviceAccount": account, "updateMask": ",".join(account)}
            google.write("PATCH", _API, f"{path}/{segment(self.name)}", body)

    def _await_visibility(self, google: Google) -> None:
        """Google answers 404 or 403 for a moment after a creation, which is no reason to fail."""
        started = google.clock.now()
        attempt = 0
        while google.clock.now() - started < _VISIBILITY_PATIENCE:
            try:
                if google.find(_API, f"{self._path(google)}/{segment(self.name)}") is not None:
                    return
            except PermissionDeniedError:
                pass
            google.clock.sleep(0.2 + google.clock.full_jitter(attempt, longest=10.0))
            attempt += 1

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        return {**super().result(google, observed), "email": self.name}
