# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud SQL instances: options, rules, and the requests that carry a plan out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, cloud_sql_rules, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_changes import (
    FLAG,
    creation_fields,
    insert_body,
    instance_changes,
    patches,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import cidr, settings_of
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_flags import (
    Catalog,
    flag_changes,
    read_catalog,
    wrong_flags,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_options import SETTINGS
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_values import wrong_name, wrong_settings
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    GoogleError,
    InvalidRequestError,
    RefusedError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.patience import await_visibility
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_ALLOW_RESTART = f"this restarts the database: set {setting('sql_instance', 'allow_restart')} to true when that is fine"
# What Google's sentence about a wrong setting names, the option, and where to choose from.
_CHOICES = (
    ("Tier", "tier", "one that `gcloud sql tiers list` shows, or to db-custom-CPUS-MEGABYTES"),
    ("database_version", "database_version", "one of https://cloud.google.com/sql/docs/postgres/db-versions"),
    ("region", "region", "one of https://cloud.google.com/sql/docs/postgres/locations"),
)
_PENDING_CREATE = "PENDING_CREATE"
_BUSY_STATES = {_PENDING_CREATE, "PENDING_DELETE", "MAINTENANCE"}

# Google's default, https://cloud.google.com/sql/docs/postgres/backup-recovery/final-backup.
_FINAL_BACKUP_DAYS, _LONGEST_FINAL_BACKUP = 30, 365
_FINAL_BACKUP = "final_backup_retention_days"
_ANYWHERE = "0.0.0.0/0"


class SqlInstance(Resource):
    """A Cloud SQL for PostgreSQL instance."""

    MODULE = "sql_instance"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        **SETTINGS,
        "on_create": {"type": "dict", "options": SETTINGS},
        "allow_restart": {"type": "bool", "default": False},
        "confirm_delete": {"type": "str"},
        "final_backup": {"type": "bool", "default": True},
        "final_backup_retention_days": {"type": "int", "default": _FINAL_BACKUP_DAYS},
        "timeout": {"type": "int"},
    }

    @property
    def name(self) -> str:
        return str(self.params["name"])

    def check(self) -> None:
        if problem := wrong_name(self.name, self.project):
            raise RefusedError(problem)
        for settings in (self.params, self.params.get("on_create") or {}):
            if problems := list(wrong_settings(settings, self.name)):
                raise RefusedError("; ".join(problems))
        days, timeout = self.params.get("final_backup_retention_days"), self.params.get("timeout")
        if days is not None and not 1 <= days <= _LONGEST_FINAL_BACKUP:
            raise RefusedError(
                f"final_backup_retention_days {days} of instance {self.name}: Google keeps a final backup for 1 to "
                f"{_LONGEST_FINAL_BACKUP} days: correct it, or set final_backup to false"
            )
        if timeout is not None and timeout < 1:
            raise RefusedError(f"timeout {timeout} of instance {self.name}: write the seconds to wait, 1 or more")

    def announce(self, google: Google) -> None:
        google.announce(cloud_sql.INSTANCES, self.name)

    def read(self, google: Google) -> Observed:
        body = cloud_sql.read_instance(google, self.name)
        about: dict[str, Any] = {}
        version = self.params.get("database_version") if body else self._new().get("database_version")
        flagged = flag_changes(self.params, body) if body else self._new().get("database_flags")
        if flagged and not self.wants_absence:
            about["flags"] = read_catalog(google, str(version or (body or {}).get("databaseVersion", "")))
        if body is None:
            return Observed(Presence.ABSENT, about=about)
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            return self._plan_creation(observed)
        body, catalog = observed.body, observed.about.get("flags") or {}
        if body.get("state") == "FAILED":
            return Plan(self.MODULE, self.name, plans.Action.REFUSE, problems=(self._failed(),))
        changes = instance_changes(self.params, body) + flag_changes(self.params, body, catalog)
        state = cloud_sql_rules.state_of(body)
        version = self.params.get("database_version") or str(body.get("databaseVersion"))
        possible = [change for change in changes if not change.refusal]
        problems = self._problems(possible, cloud_sql_rules.after(state, self.params), catalog, version)
        gated = cloud_sql_rules.hold_back([self._gate(change) for change in changes], state)
        return plans.update(self.MODULE, self.name, gated, _dangers(gated), problems)

    def _failed(self) -> str:
        return (
            f"Google says that instance {self.name} is FAILED, by its creation or by maintenance: see `gcloud sql "
            f"operations list --instance={self.name}`; if its creation failed, delete it, with "
            f"mlflow_ops.gcp.sql_instance (state: absent, confirm_delete: {self.name}, final_backup: false), and run "
            "again"
        )

    def is_being_made(self, observed: Observed) -> bool:
        return bool(observed.body.get("state") == _PENDING_CREATE)

    def _problems(self, changes: list[Change], wanted: Mapping[str, Any], catalog: Catalog, version: str) -> list[str]:
        """What of this Google would refuse."""
        flags = [change for change in changes if change.field.startswith(FLAG)]
        return [
            *cloud_sql_rules.broken(wanted, [change.field for change in changes]),
            *wrong_flags(flags, catalog, version),
        ]

    def _gate(self, change: Change) -> Change:
        if change.refusal or change.blast_radius is not BlastRadius.RESTARTS or self.params["allow_restart"]:
            return change
        return replace(change, refusal=_ALLOW_RESTART)

    def _plan_absence(self, observed: Observed) -> Plan:
        if not observed.exists or observed.body.get("state") == "PENDING_DELETE":
            return plans.nothing(self.MODULE, self.name)
        refusal = plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
        # One whose creation failed can't be changed any more; whether it is protected is Google's to say.
        if settings_of(observed.body).get("deletionProtectionEnabled") and observed.body.get("state") != "FAILED":
            refusal = (
                f"the instance {self.name} is protected against deletion: set deletion_protection_enabled: false in a "
                "run of its own first"
            )
        plan = plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)
        if refusal or not self.params["final_backup"]:
            return plan
        days = self.params["final_backup_retention_days"]
        final = Change(_FINAL_BACKUP, None, days, "a last backup is made, and kept for so many days")
        return replace(plan, changes=(*plan.changes, final))

    def _new(self) -> dict[str, Any]:
        """The settings of an instance that is yet to be made."""
        return plans.overlay(self.params.get("on_create"), {option: self.params.get(option) for option in SETTINGS})

    def _plan_creation(self, observed: Observed) -> Plan:
        wanted = self._new()
        made = plans.create(self.MODULE, self.name, creation_fields(wanted))
        changes, version = list(made.changes), str(wanted.get("database_version"))
        state = cloud_sql_rules.after(cloud_sql_rules.state_of({}), wanted)
        problems = self._problems(changes, state, observed.about.get("flags") or {}, version)
        warnings = [*_dangers(changes)]
        if version in {"POSTGRES_9_6", *(f"POSTGRES_{n}" for n in range(10, 15))}:
            warnings.append(
                f"{version} is past its community end of life (PostgreSQL 14: November 2026): plan an upgrade"
            )
        return replace(made, warnings=tuple(warnings), problems=tuple(problems))

    def check_apply(self, plan: Plan) -> None:
        missing = [option for option in ("database_version", "region", "tier") if not self._new().get(option)]
        if plan.action is plans.Action.CREATE and missing:
            raise RefusedError(
                f"the instance {self.name} does not exist, and to create it these options are missing: "
                f"{', '.join(missing)}: set them"
            )
        super().check_apply(plan)

    def await_unclear(self, google: Google) -> None:
        cloud_sql.wait_for_others(google, self.name, self.params["timeout"])

    def settle(self, google: Google, observed: Observed) -> bool:
        if observed.body.get("state") not in _BUSY_STATES:
            return False
        if cloud_sql.wait_for_others(google, self.name, self.params["timeout"]):
            return True
        if observed.body["state"] != _PENDING_CREATE:
            return False
        # Its operation may have ended between the two readings.
        await_visibility(google, lambda: not self._is_pending(google), f"the new instance {self.name}")
        if self._is_pending(google):
            raise RefusedError(
                f"Google says that instance {self.name} is PENDING_CREATE, but no operation is running on it: look at "
                f"`gcloud sql operations list --instance={self.name}`"
            )
        return True

    def _is_pending(self, google: Google) -> bool:
        google.forget()
        body = cloud_sql.read_instance(google, self.name)
        return body is not None and body.get("state") == _PENDING_CREATE

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        if plan.action is plans.Action.DELETE:
            self._delete(google, plan)
        elif plan.action is plans.Action.CREATE:
            self._create(google, plan)
        else:
            self._update(google, plan, observed)

    def _delete(self, google: Google, plan: Plan) -> None:
        days = next((change.after for change in plan.applicable if change.field == _FINAL_BACKUP), None)
        params = {} if days is None else {"enableFinalBackup": "true", "finalBackupTtlDays": str(days)}
        path = cloud_sql.instance_path(google, self.name)
        cloud_sql.write(google, "DELETE", path, self.name, params=params, timeout=self.params["timeout"])

    def _update(self, google: Google, plan: Plan, observed: Observed) -> None:
        """Send one patch after the other, each planned from a reading of its own whose version it carries."""
        path = cloud_sql.instance_path(google, self.name)
        for number in range(len(patches(plan, observed.body))):
            if number:
                google.forget()
                observed = self.read(google)
                if not observed.exists:
                    raise StateChangedError(f"instance {self.name} was deleted meanwhile")
                plan = self.plan(observed)
                self.check_apply(plan)
            left = patches(plan, observed.body)
            if not left:
                return
            body = left[0]
            version = settings_of(observed.body).get("settingsVersion")
            if version is not None and "settings" in body:
                body["settings"]["settingsVersion"] = version
            cloud_sql.write(google, "PATCH", path, self.name, body=body, timeout=self.params["timeout"])

    def way_out(self, error: GoogleError) -> str:
        if not isinstance(error, InvalidRequestError):
            return super().way_out(error)
        for word, option, choice in _CHOICES:
            if word in error.message:
                return f"set {setting(self.MODULE, option)} to {choice}"
        return super().way_out(error)

    def _create(self, google: Google, plan: Plan) -> None:
        body = insert_body(self.name, plan)
        path = f"{cloud_sql.project_path(google)}/instances"
        try:
            cloud_sql.write(google, "POST", path, self.name, body=body, timeout=self.params["timeout"])
        except AlreadyExistsError as error:
            google.forget()
            if cloud_sql.read_instance(google, self.name) is None:
                raise RefusedError(
                    f"Google refuses the name though no such instance is there: {error}: set "
                    f"{setting(self.MODULE, 'name')} to another name, or wait until Google frees it"
                ) from error
            raise


def _dangers(changes: Iterable[Change]) -> list[str]:
    """What is allowed, and yet seldom meant."""
    networks = [change.after for change in changes if change.field == "ip_configuration.authorized_networks"]
    if any(cidr(entry["value"]) == _ANYWHERE for wanted in networks for entry in wanted or []):
        return [f"ip_configuration.authorized_networks {_ANYWHERE} lets anybody on the internet try to log in"]
    return []
