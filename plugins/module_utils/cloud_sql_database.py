# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases of a Cloud SQL instance. Nothing of an existing one can be changed."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InvalidRequestError,
    NotFoundError,
    OperationFailedError,
    RefusedError,
    StateChangedError,
)
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
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_LONGEST = 63
# PostgreSQL's own, and Cloud SQL's: cloud.google.com/sql/docs/postgres/create-manage-databases.
_SYSTEM = {"cloudsqladmin", "template0", "template1"}
# The only ones at creation, as Terraform's page of google_sql_database says.
_CHARSET, _COLLATION = "UTF8", "en_US.UTF8"
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

    def check(self) -> None:
        option = setting(self.MODULE, "name")
        if not self.name:
            raise RefusedError(f"the name of the database on instance {self.instance} is empty: set {option}")
        if len(self.name.encode()) > _LONGEST:
            raise RefusedError(
                f"name {self.name!r}: PostgreSQL knows names of {_LONGEST} bytes at most: set {option} to a shorter one"
            )
        if self.name in _SYSTEM:
            raise RefusedError(f"name {self.name!r}: this is a database of Cloud SQL's own: set {option} to another")
        if self.wants_absence and self.name == "postgres":
            raise RefusedError(
                "name 'postgres': many clients look for this database when none is named: leave it, or drop it in SQL"
            )

    def check_apply(self, plan: Plan) -> None:
        fields = ("charset", _CHARSET), ("collation", _COLLATION)
        for option, only in fields if plan.action is plans.Action.CREATE else ():
            if (given := self.params.get(option)) and not plans.same_ignoring_case(only, given):
                raise RefusedError(
                    f"{option} {given!r} of database {self.name}: Cloud SQL for PostgreSQL creates databases with "
                    f"{only} only: set {option} to {only}, or leave it out"
                )

    @property
    def _listing(self) -> tuple[str, str]:
        return ("databases", self.instance)

    def announce(self, google: Google) -> None:
        google.announce(self._listing, self.name)

    def read(self, google: Google) -> Observed:
        body = self._found(google)
        if body is None:
            return ABSENT
        about: JsonObject = {}
        if self.wants_absence:
            about["instance"] = cloud_sql.read_instance(google, self.instance)
        return Observed(Presence.PRESENT, body, about)

    def _found(self, google: Google) -> JsonObject | None:
        try:
            if google.asks_for_many(self._listing):
                return google.once(self._listing, lambda: self._list(google)).get(self.name)
            return google.get(cloud_sql.API, f"{self._path(google)}/{segment(self.name)}")
        except NotFoundError as error:
            if cloud_sql.is_about_instance(error):
                raise cloud_sql.instance_absent(google, self.instance) from error
            return None

    def _list(self, google: Google) -> dict[str, JsonObject]:
        reply = google.get(cloud_sql.API, self._path(google))
        return {item["name"]: item for item in reply.get("items", [])}

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
        try:
            cloud_sql.write(google, "POST", self._path(google), self.instance, body=body)
        except (InvalidRequestError, OperationFailedError) as error:
            # Somebody else was faster: PostgreSQL's words, in what elsewhere would be a 409.
            if "already exists" not in str(error):
                raise
            raise StateChangedError(str(error)) from error

    def way_out(self, error: GoogleError) -> str:
        # PostgreSQL's words; Google's around them differ (hashicorp/terraform-provider-google#12968).
        if self.wants_absence and "being accessed by other users" in str(error):
            return (
                "stop what uses it (such as `docker compose stop mlflow`), or end its sessions in SQL with "
                f"pg_terminate_backend(pid), by the rows of pg_stat_activity with datname {self.name!r}; then run again"
            )
        if self.wants_absence and "must be owner of database" in str(error):
            return f'run ALTER DATABASE "{self.name}" OWNER TO cloudsqlsuperuser as its owner; then run again'
        return super().way_out(error)

    def await_unclear(self, google: Google) -> None:
        cloud_sql.wait_for_others(google, self.instance)

    def settle(self, google: Google, observed: Observed) -> bool:
        return observed.presence is Presence.UNKNOWN and cloud_sql.wait_for_others(google, self.instance)
