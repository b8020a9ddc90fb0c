# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM API v1: keys of service accounts. Only Google makes them, since whoever makes one holds its private half."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import STATE, Observed, Presence, Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_API = "iam"
_DAY = 86400


def key_id_of(key: JsonObject) -> str:
    """The id in a key's name (projects/P/serviceAccounts/E/keys/ID)."""
    return str(key.get("name", "")).rpartition("/")[2]


class ServiceAccountKey(Resource):
    """A key that a user made of a service account."""

    MODULE = "service_account_key"
    SERVICE = "iam.googleapis.com"
    SPEC: ClassVar[dict[str, Any]] = {
        "service_account": {"type": "str", "required": True},
        "key_id": {"type": "str", "required": True, "no_log": False},
        "state": STATE,
        "disabled": {"type": "bool"},
        "confirm_delete": {"type": "str"},
    }

    @property
    def name(self) -> str:
        """The key and whose it is."""
        return f"{self._key_id} of {self._account}"

    @property
    def _key_id(self) -> str:
        return str(self.params["key_id"])

    @property
    def _account(self) -> str:
        return str(self.params["service_account"])

    def check(self) -> None:
        if not re.fullmatch(r"[0-9A-Za-z]+", self._key_id):
            raise RefusedError(f"key_id {self._key_id!r} is no key's id: give what the key file calls private_key_id")
        if "@" not in self._account:
            raise RefusedError(
                f"service_account {self._account!r} is no e-mail: give what the key file calls client_email"
            )

    def _path(self, google: Google) -> str:
        return f"v1/projects/{segment(google.project)}/serviceAccounts/{segment(self._account)}/keys"

    def read(self, google: Google) -> Observed:
        # The list, since the account's other keys are of interest too and it costs no more.
        body = google.find(_API, self._path(google), keyTypes="USER_MANAGED") or {}
        keys = {key_id_of(key): key for key in body.get("keys", [])}
        found = keys.pop(self._key_id, None)
        presence = Presence.ABSENT if found is None else Presence.PRESENT
        about = {"others": list(keys.values()), "own": google.key_id == self._key_id}
        return Observed(presence, found or {}, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            if not observed.exists:
                return plans.nothing(self.MODULE, self.name)
            refusal = _own(observed) or plans.confirm_refusal(self._key_id, self.params.get("confirm_delete"))
            return plans.delete(self.MODULE, self.name, BlastRadius.SAFE, refusal)
        if not observed.exists and self.params.get("disabled"):
            return plans.nothing(
                self.MODULE, self.name, f"the key {self.name} was deleted, which is more than disabled"
            )
        if not observed.exists:
            way = f"`gcloud iam service-accounts keys create FILE --iam-account={self._account}` makes a new key"
            change = Change("state", "absent", "present", "a deleted key never comes back", refusal=way)
            return Plan(self.MODULE, self.name, Action.REFUSE, (change,))
        wanted, actual = self.params.get("disabled"), bool(observed.body.get("disabled"))
        refusal = _own(observed) if wanted else ""
        changes = [] if wanted in (None, actual) else [Change("disabled", actual, wanted, "differs", refusal=refusal)]
        return plans.update(self.MODULE, self.name, changes)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = f"{self._path(google)}/{segment(self._key_id)}"
        if plan.action is Action.DELETE:
            google.write("DELETE", _API, path)
        else:
            google.write("POST", _API, f"{path}:{'disable' if self.params['disabled'] else 'enable'}", {})

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        now = google.clock.wall()
        others = [_summary(key, now) for key in observed.about.get("others", [])]
        return {**super().result(google, observed), "other_keys": sorted(others, key=lambda key: str(key["created"]))}


def _own(observed: Observed) -> str:
    """Why a key is not taken from under the feet of who asks."""
    if not observed.about.get("own"):
        return ""
    return "this task itself uses the key, and nothing could undo it: give the task other credentials"


def _summary(key: JsonObject, now: float) -> dict[str, Any]:
    created = str(key.get("validAfterTime", ""))
    age = (now - datetime.fromisoformat(created).timestamp()) // _DAY if created else None
    return {
        "key_id": key_id_of(key),
        "created": created,
        "age_days": None if age is None else max(0, int(age)),
        "disabled": bool(key.get("disabled")),
    }
