# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On-demand backups of a Cloud SQL instance, as backup runs; and every backup, as the project lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_values import wrong_name
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import NotFoundError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.operations import wait_until
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    Observed,
    Presence,
    Reference,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

# SqlBackupRunStatus and SqlBackupRunType of the discovery document.
_UNDER_WAY = {"ENQUEUED", "OVERDUE", "RUNNING"}
_SUCCESSFUL, _ON_DEMAND, _DELETED = "SUCCESSFUL", "ON_DEMAND", "DELETED"


class SqlBackup(Resource):
    """A backup that is made now, or one by its id that is to go."""

    MODULE = "sql_backup"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "instance": {"type": "str", "required": True},
        "id": {"type": "str"},
        "state": STATE,
        "description": {"type": "str"},
        "location": {"type": "str"},
        "confirm_delete": {"type": "str"},
        "timeout": {"type": "int"},
    }
    REQUIRED_IF: ClassVar[list[list[Any]]] = [["state", "absent", ["id"]]]

    # The ids that were there before the backup was asked for; None: it was not yet.
    _before: frozenset[str] | None = None

    @property
    def name(self) -> str:
        return f"{self.params['id']} of {self.instance}" if self.params.get("id") else self.instance

    @property
    def instance(self) -> str:
        """The instance's name."""
        return str(self.params["instance"])

    @property
    def parent(self) -> Reference:
        return cloud_sql.instance_reference(self.instance)

    def check(self) -> None:
        if problem := wrong_name(self.instance, self.project):
            raise RefusedError(problem)
        given, location, timeout = (self.params.get(option) for option in ("id", "location", "timeout"))
        if given and not self.wants_absence:
            raise RefusedError(
                f"id {given} of instance {self.instance}: Google chooses the id of a new backup: leave it out, or set "
                "state to absent to delete that one"
            )
        if given and not given.isdecimal():
            raise RefusedError(
                f"id {given!r} of instance {self.instance}: a backup's id is a number such as 1795820400000: take it "
                "from `gcloud sql backups list`"
            )
        if location and not re.fullmatch(r"[a-z][a-z0-9-]*", location):
            raise RefusedError(
                f"location {location!r} of the backup of instance {self.instance}: it is a region such as "
                "europe-west3, or us, eu or asia: correct it"
            )
        if timeout is not None and timeout < 1:
            raise RefusedError(
                f"timeout {timeout} of the backup of instance {self.instance}: write the seconds to wait, 1 or more"
            )

    def _path(self, google: Google) -> str:
        return f"{cloud_sql.instance_path(google, self.instance)}/backupRuns"

    def read(self, google: Google) -> Observed:
        try:
            runs = list(_pages(google, self._path(google), "items"))
        except NotFoundError as error:
            raise cloud_sql.instance_absent(google, self.instance) from error
        about = {"ids": frozenset(str(run["id"]) for run in runs)}
        found = next((run for run in runs if self._is_wanted(run)), None)
        return Observed(Presence.ABSENT, about=about) if found is None else Observed(Presence.PRESENT, found, about)

    def _is_wanted(self, run: JsonObject) -> bool:
        """Whether it is the one that is to go, or the one that was asked for.

        One that somebody else began since then under the same description is as good.
        """
        if self.wants_absence:
            return str(run["id"]) == self.params["id"] and run.get("status") != _DELETED
        return (
            self._before is not None
            and str(run["id"]) not in self._before
            and run.get("type") == _ON_DEMAND
            and run.get("status") in {_SUCCESSFUL, *_UNDER_WAY}
            and (run.get("description") or "") == (self.params.get("description") or "")
        )

    def plan(self, observed: Observed) -> Plan:
        if not self.wants_absence:
            if observed.exists:
                return plans.nothing(self.MODULE, self.name)
            fields = {key: self.params[key] for key in ("description", "location") if self.params.get(key)}
            return plans.create(self.MODULE, self.name, {"type": _ON_DEMAND, **fields})
        if not observed.exists:
            return plans.nothing(self.MODULE, self.name)
        refusal = plans.confirm_refusal(str(self.params["id"]), self.params.get("confirm_delete"))
        return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        path, timeout = self._path(google), self.params["timeout"]
        if plan.action is plans.Action.DELETE:
            path = f"{path}/{segment(self.params['id'])}"
            cloud_sql.write(google, "DELETE", path, self.instance, timeout=timeout)
            return
        self._before = observed.about["ids"]
        body = {change.field: change.after for change in plan.applicable if change.field != "type"}
        cloud_sql.write(google, "POST", path, self.instance, body=body, timeout=timeout)

    def settle(self, google: Google, observed: Observed) -> bool:
        """Wait for a backup whose beginning ended unclearly, where no operation of it was seen."""
        if self.wants_absence or observed.body.get("status") not in _UNDER_WAY:
            return False
        what = f"backup {observed.body['id']} of Cloud SQL instance {self.instance}"
        timeout = self.params["timeout"] or cloud_sql.LONG
        with google.progress.waiting(what):
            wait_until(lambda: self.read(google).body, _is_over, what, timeout, google.clock)
        return True

    def await_unclear(self, google: Google) -> None:
        cloud_sql.wait_for_others(google, self.instance, self.params["timeout"])


def _is_over(run: JsonObject) -> bool:
    return run.get("status") not in _UNDER_WAY


def list_backups(google: Google, instance: str) -> list[JsonObject]:
    """Every backup of an instance, newest first; those that outlive it too.

    :raises RefusedError: no instance can have that name.
    """
    if problem := wrong_name(instance, google.project):
        raise RefusedError(problem)
    found = _pages(google, f"{cloud_sql.project_path(google)}/backups", "backups", filter=f"instance:{instance}")
    # Google's `:` may also find names that only hold this one.
    return [backup for backup in found if backup.get("instance") == instance]


def _pages(google: Google, path: str, items: str, **params: object) -> Iterator[JsonObject]:
    while True:
        reply = google.get(cloud_sql.API, path, **params)
        yield from reply.get(items, [])
        if not (token := reply.get("nextPageToken")):
            return
        params = {**params, "pageToken": token}
