# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a Cloud SQL instance. Nothing of an existing one can be changed."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    Presence,
    Reference,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_FIXED = "Google can't change it: create a database with a new name and move the data"


class SqlDatabase(Resource):
    """A database."""

    MODULE = "sql_database"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "instance": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "state": STATE,
        "charset": {"type": "str"},
        "collation": {"type": "str"},
        "confirm_delete": {"type": "str"},
    }

    @property
    def name(self) -> str:
        return str(self.params["name"])

    @property
    def instance(self) -> str:
        """The instance's name."""
        return str(self.params["instance"])

    @property
    def parent(self) -> Reference:
        return cloud_sql.instance_reference(self.instance)

    def _path(self, google: Google) -> str:
        return f"{cloud_sql.instance_path(google, self.instance)}/databases"

    def read(self, google: Google) -> Observed:
        try:
            body = google.get(cloud_sql.API, f"{self._path(google)}/{segment(self.name)}")
        except NotFoundError as error:
            if cloud_sql.is_about_instance(error):
                raise cloud_sql.instance_absent(google, self.instance) from error
            return ABSENT
        about: JsonObject = {}
        if self.wants_absence:
            about["instance"] = cloud_sql.read_instance(google, self.instance)
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            if not observed.exists:
                return plans.nothing(self.MODULE, self.name)
            refusal = cloud_sql.protection_refusal(observed.about.get("instance"), self.instance)
            refusal = refusal or plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
            return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)
        fields = {key: self.params[key] for key in ("charset", "collation") if self.params.get(key)}
        if not observed.exists:
            return plans.create(self.MODULE, self.name, {"name": self.name, **fields})
        changes = [
            Change(key, observed.body.get(key), wanted, "is fixed at creation", BlastRadius.DESTROYS, _FIXED)
            for key, wanted in fields.items()
            if not plans.same_ignoring_case(wanted, observed.body.get(key))
        ]
        return plans.update(self.MODULE, self.name, changes)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        if plan.action is plans.Action.DELETE:
            cloud_sql.write(google, "DELETE", f"{self._path(google)}/{segment(self.name)}", self.instance)
            return
        body = {change.field: change.after for change in plan.applicable}
        body |= {"instance": self.instance, "project": google.project}
        cloud_sql.write(google, "POST", self._path(google), self.instance, body=body)

    def settle(self, google: Google, observed: Observed) -> bool:
        return observed.presence is Presence.UNKNOWN and cloud_sql.wait_for_others(
            google, self.instance, cloud_sql.CHILD_TIMEOUT
        )
