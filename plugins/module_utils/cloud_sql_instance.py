# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud SQL instances: options, rules, and the requests that carry a plan out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import (
    FIELDS,
    field_changes,
    flag_changes,
    insert_body,
    patches,
    settings_of,
    wanted_value,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    GoogleError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_ALLOW_RESTART = f"this restarts the database: set {setting('sql_instance', 'allow_restart')} to true when that is fine"
# What Google's sentence about a wrong setting names, the option, and where to choose from.
_CHOICES = (
    ("Tier", "tier", "one that `gcloud sql tiers list` shows, or to db-custom-CPUS-MEGABYTES"),
    ("database_version", "database_version", "one of https://cloud.google.com/sql/docs/postgres/db-versions"),
    ("region", "region", "one of https://cloud.google.com/sql/docs/postgres/locations"),
)
_BUSY_STATES = {"PENDING_CREATE", "PENDING_DELETE", "MAINTENANCE"}


_BACKUP: dict[str, Any] = {
    "enabled": {"type": "bool"},
    "start_time": {"type": "str"},
    "point_in_time_recovery_enabled": {"type": "bool"},
    "retained_backups": {"type": "int"},
    "transaction_log_retention_days": {"type": "int"},
}
_NETWORK: dict[str, Any] = {"name": {"type": "str"}, "value": {"type": "str", "required": True}}
_IP: dict[str, Any] = {
    "ipv4_enabled": {"type": "bool"},
    "authorized_networks": {"type": "list", "elements": "dict", "options": _NETWORK},
    "ssl_mode": {
        "type": "str",
        "choices": ["ALLOW_UNENCRYPTED_AND_ENCRYPTED", "ENCRYPTED_ONLY", "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"],
    },
    "private_network": {"type": "str"},
}
_SETTINGS: dict[str, Any] = {
    "database_version": {"type": "str"},
    "region": {"type": "str"},
    "edition": {"type": "str", "choices": ["ENTERPRISE", "ENTERPRISE_PLUS"]},
    "tier": {"type": "str"},
    "data_disk_size_gb": {"type": "int"},
    "data_disk_type": {"type": "str", "choices": ["PD_SSD", "PD_HDD", "HYPERDISK_BALANCED"]},
    "storage_auto_resize": {"type": "bool"},
    "storage_auto_resize_limit_gb": {"type": "int"},
    "availability_type": {"type": "str", "choices": ["ZONAL", "REGIONAL"]},
    "activation_policy": {"type": "str", "choices": ["ALWAYS", "NEVER"]},
    "backup_configuration": {"type": "dict", "options": _BACKUP},
    "database_flags": {"type": "dict"},
    "ip_configuration": {"type": "dict", "options": _IP},
    "connector_enforcement": {"type": "str", "choices": ["NOT_REQUIRED", "REQUIRED"]},
    "user_labels": {"type": "dict"},
    "deletion_protection_enabled": {"type": "bool"},
}


class SqlInstance(Resource):
    """A Cloud SQL for PostgreSQL instance."""

    MODULE = "sql_instance"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        **_SETTINGS,
        "on_create": {"type": "dict", "options": _SETTINGS},
        "allow_restart": {"type": "bool", "default": False},
        "confirm_delete": {"type": "str"},
        "timeout": {"type": "int", "default": 2700},
    }

    @property
    def name(self) -> str:
        return str(self.params["name"])

    def check(self) -> None:
        if not re.fullmatch(r"[a-z]([-a-z0-9]{0,96}[a-z0-9])?", self.name):
            raise RefusedError(
                f"name {self.name!r}: an instance's name starts with a letter and holds lower-case letters, digits "
                f"and hyphens, 98 characters at most: correct {setting(self.MODULE, 'name')}"
            )
        for settings in (self.params, self.params.get("on_create") or {}):
            self._check_settings(settings)

    def _check_settings(self, settings: Mapping[str, Any]) -> None:
        tier = settings.get("tier")
        if tier is not None and not re.fullmatch(r"db-[A-Za-z0-9-]+", tier):
            raise RefusedError(
                f"tier {tier!r} of instance {self.name} {_strange(tier)}, and Google's tiers are plain ASCII such as "
                f"db-f1-micro or db-custom-2-7680: type {setting(self.MODULE, 'tier')} anew, do not copy it"
            )
        version = settings.get("database_version")
        if version is not None and not re.fullmatch(r"POSTGRES_(9_6|\d+)", version):
            raise RefusedError(
                f"database_version {version!r} of instance {self.name}: only PostgreSQL is managed here, such as "
                f"POSTGRES_14: correct {setting(self.MODULE, 'database_version')}"
            )
        for flag, value in (settings.get("database_flags") or {}).items():
            if isinstance(value, bool):
                raise RefusedError(
                    f"database_flags.{flag} of instance {self.name}: YAML reads on and off as booleans: write the "
                    "value in quotes, 'on' or 'off'"
                )

    def read(self, google: Google) -> Observed:
        body = cloud_sql.read_instance(google, self.name)
        if body is None:
            return ABSENT
        about: dict[str, Any] = {}
        if flag_changes(self.params, body):
            about["flags"] = _known_flags(google, str(body.get("databaseVersion", "")))
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            return self._plan_creation()
        body = observed.body
        changes = field_changes(self.params, body)
        changes += flag_changes(self.params, body, observed.about.get("flags"))
        changes += plans.managed_keys(
            "user_labels", self.params.get("user_labels"), settings_of(body).get("userLabels")
        )
        gated = [self._gate(change) for change in changes]
        warnings = [] if body.get("state") != "FAILED" else [f"Google says that instance {self.name} is FAILED"]
        return plans.update(self.MODULE, self.name, gated, warnings)

    def _gate(self, change: Change) -> Change:
        if change.refusal or change.blast_radius is not BlastRadius.RESTARTS or self.params["allow_restart"]:
            return change
        return replace(change, refusal=_ALLOW_RESTART)

    def _plan_absence(self, observed: Observed) -> Plan:
        if not observed.exists or observed.body.get("state") == "PENDING_DELETE":
            return plans.nothing(self.MODULE, self.name)
        refusal = plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
        if settings_of(observed.body).get("deletionProtectionEnabled"):
            refusal = (
                f"the instance {self.name} is protected against deletion: set deletion_protection_enabled: false in a "
                "run of its own first"
            )
        return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)

    def _new(self) -> dict[str, Any]:
        """The settings of an instance that is yet to be made."""
        return plans.overlay(self.params.get("on_create"), {option: self.params.get(option) for option in _SETTINGS})

    def _plan_creation(self) -> Plan:
        wanted = self._new()
        fields = {field.option: value for field in FIELDS if (value := wanted_value(wanted, field)) is not None}
        # Newer versions default to an edition that refuses small tiers, and auto-resize differs by the asker.
        fields.setdefault("edition", "ENTERPRISE")
        fields.setdefault("storage_auto_resize", True)
        for option in ("database_flags", "user_labels"):
            given = {key: value for key, value in (wanted.get(option) or {}).items() if value is not None}
            fields |= {f"{option}.{key}": str(value) for key, value in sorted(given.items())}
        warnings = []
        if wanted.get("database_version") in {"POSTGRES_9_6", *(f"POSTGRES_{n}" for n in range(10, 15))}:
            warnings.append(
                f"{wanted['database_version']} is past its community end of life (PostgreSQL 14: November 2026): "
                "plan an upgrade"
            )
        return plans.create(self.MODULE, self.name, fields, warnings)

    def check_apply(self, plan: Plan) -> None:
        missing = [option for option in ("database_version", "region", "tier") if not self._new().get(option)]
        if plan.action is plans.Action.CREATE and missing:
            raise RefusedError(
                f"the instance {self.name} does not exist, and to create it these options are missing: "
                f"{', '.join(missing)}"
            )

    def settle(self, google: Google, observed: Observed) -> bool:
        if observed.body.get("state") not in _BUSY_STATES:
            return False
        if cloud_sql.wait_for_others(google, self.name, self.params["timeout"]):
            return True
        if observed.body["state"] == "PENDING_CREATE":
            raise RefusedError(
                f"Google says that instance {self.name} is PENDING_CREATE, but no operation is running on it: look at "
                f"`gcloud sql operations list --instance={self.name}`"
            )
        return False

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        path = cloud_sql.instance_path(google, self.name)
        timeout = float(self.params["timeout"])
        if plan.action is plans.Action.DELETE:
            cloud_sql.write(google, "DELETE", path, self.name, timeout=timeout)
        elif plan.action is plans.Action.CREATE:
            self._create(google, plan, timeout)
        else:
            for number, body in enumerate(patches(plan, observed.body)):
                # The version that the plan was made from guards against lost updates; each patch raises it.
                version = observed.body.get("settings", {}).get("settingsVersion") if number == 0 else None
                if version is not None and "settings" in body:
                    body["settings"]["settingsVersion"] = version
                cloud_sql.write(google, "PATCH", path, self.name, body=body, timeout=timeout)

    def way_out(self, error: GoogleError) -> str:
        if not isinstance(error, InvalidRequestError):
            return super().way_out(error)
        for word, option, choice in _CHOICES:
            if word in error.message:
                return f"set {setting(self.MODULE, option)} to {choice}"
        return super().way_out(error)

    def _create(self, google: Google, plan: Plan, timeout: float) -> None:
        body = insert_body(self.name, plan)
        path = f"{cloud_sql.project_path(google)}/instances"
        try:
            cloud_sql.write(google, "POST", path, self.name, body=body, timeout=timeout)
        except AlreadyExistsError as error:
            google.forget()
            if cloud_sql.read_instance(google, self.name) is None:
                raise RefusedError(
                    f"Google refuses the name though no such instance is there: {error}: set "
                    f"{setting(self.MODULE, 'name')} to another name, or wait until Google frees it"
                ) from error
            raise


def _strange(text: str) -> str:
    """What is wrong with a text that should be plain: a copied one often holds other hyphens."""
    found = next((character for character in text if not character.isascii()), "")
    return f"holds {found!r} ({unicodedata.name(found, 'a character without a name')})" if found else "is no tier"


def _known_flags(google: Google, version: str) -> dict[str, JsonObject]:
    """What Google knows about this version's flags; empty where the caller can't ask."""
    try:
        reply = google.once(("flags", version), lambda: google.get(cloud_sql.API, "v1/flags", databaseVersion=version))
    except NotFoundError:
        return {}
    return {flag["name"]: flag for flag in reply.get("items", [])}
