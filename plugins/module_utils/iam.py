# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM API v1: service accounts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import PermissionDeniedError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_API = "iam"
_VISIBILITY_PATIENCE = 120.0
_FIELDS = {"display_name": "displayName", "description": "description"}
# In bytes: https://cloud.google.com/iam/quotas and the reference of projects.serviceAccounts.
_LONGEST = {"display_name": 100, "description": 256}
_DISABLED = "disabled"


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
        _DISABLED: {"type": "bool"},
        "on_create": {"type": "dict", "options": _SETTINGS},
        "confirm_delete": {"type": "str"},
    }

    def __init__(self, params: Mapping[str, Any], project: str) -> None:
        super().__init__(params, project)
        # A creation was sent, and what Google answered to it.
        self._asked_for = False
        self._made: JsonObject | None = None

    @property
    def name(self) -> str:
        """The account's address."""
        return service_account_email(str(self.params["account_id"]), self.project)

    def check(self) -> None:
        account_id = str(self.params["account_id"])
        if not re.fullmatch(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])", account_id):
            raise RefusedError(
                f"account_id {account_id!r}: Google wants 6 to 30 lower-case letters, digits and hyphens, starting "
                f"with a letter (only what stands before the @): correct {setting(self.MODULE, 'account_id')}"
            )
        for settings in (self.params, self.params.get("on_create") or {}):
            for option, most in _LONGEST.items():
                if (size := len((settings.get(option) or "").encode())) > most:
                    raise RefusedError(
                        f"{option} of {account_id} has {size} bytes, and Google takes {most}: make it shorter"
                    )

    def _path(self, google: Google) -> str:
        return f"v1/projects/{segment(google.project)}/serviceAccounts"

    def read(self, google: Google) -> Observed:
        """Google answers 404 or 403 for a moment after a creation, which is neither absence nor a refusal."""
        started = google.clock.now()
        attempt = 0
        while True:
            in_time = google.clock.now() - started < _VISIBILITY_PATIENCE
            try:
                body = google.find(_API, f"{self._path(google)}/{segment(self.name)}")
            except PermissionDeniedError:
                if not self._asked_for:
                    raise
            else:
                if body is not None:
                    return Observed(Presence.PRESENT, body)
                if self._made is None:
                    return ABSENT
            if not in_time:
                return ABSENT if self._made is None else Observed(Presence.PRESENT, self._made)
            with google.progress.waiting("until the new account is seen"):
                google.clock.sleep(0.2 + google.clock.full_jitter(attempt, longest=10.0))
            attempt += 1

    def _wanted(self) -> dict[str, str]:
        return {option: self.params[option] for option in _FIELDS if self.params.get(option) is not None}

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            new = plans.overlay(self.params.get("on_create"), self._wanted())
            fields: dict[str, Any] = {"email": self.name}
            fields |= {option: value for option, value in new.items() if value is not None}
            fields |= {_DISABLED: True} if self.params.get(_DISABLED) else {}
            return plans.create(self.MODULE, self.name, fields)
        changes = [
            Change(option, observed.body.get(_FIELDS[option], ""), wanted, "differs")
            for option, wanted in self._wanted().items()
            if not plans.same(wanted, observed.body.get(_FIELDS[option]))
        ]
        return plans.update(self.MODULE, self.name, *self._disabling(observed, changes))

    def _disabling(self, observed: Observed, changes: list[Change]) -> tuple[list[Change], list[str]]:
        wanted, found = self.params.get(_DISABLED), bool(observed.body.get(_DISABLED))
        if wanted is None or wanted == found:
            return changes, [f"{self.name} is disabled"] if found and not wanted else []
        effect = "Google takes its keys and tokens no longer" if wanted else "its keys and tokens count again"
        return [*changes, Change(_DISABLED, found, wanted, f"differs: {effect}")], []

    def _plan_absence(self, observed: Observed) -> Plan:
        """Keys and bindings die with the account, and an account of the same name gets none of them back.

        https://cloud.google.com/iam/docs/service-accounts-delete-undelete
        """
        if not observed.exists:
            return plans.nothing(self.MODULE, self.name)
        refusal = plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
        if refusal:
            refusal += ", or set disabled: true, which can be undone, and see for a day who misses it"
        number = observed.body.get("uniqueId", "NUMBER")
        reason = (
            "state is absent: its keys and bindings die with it, for a new account of that name too; "
            f"`gcloud iam service-accounts undelete {number}` brings it back within 30 days, unless the name is taken"
        )
        change = Change("state", "present", "absent", reason, BlastRadius.DESTROYS, refusal)
        return Plan(self.MODULE, self.name, Action.REFUSE if refusal else Action.DELETE, (change,))

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = self._path(google)
        own_path = f"{path}/{segment(self.name)}"
        if plan.action is Action.DELETE:
            google.write("DELETE", _API, own_path)
            return
        account: JsonObject = {_FIELDS[c.field]: c.after for c in plan.applicable if c.field in _FIELDS}
        if plan.action is Action.CREATE:
            self._asked_for = True
            body = {"accountId": self.params["account_id"], "serviceAccount": account}
            self._made = google.write("POST", _API, path, body)
            self.read(google)
        elif account:
            google.write("PATCH", _API, own_path, {"serviceAccount": account, "updateMask": ",".join(account)})
        if _DISABLED in plan.fields():
            google.write("POST", _API, f"{own_path}:{'disable' if self.params[_DISABLED] else 'enable'}", {})

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        return {**super().result(google, observed), "email": self.name}
