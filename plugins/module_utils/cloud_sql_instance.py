# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud SQL instances: which option is which field of the API, what changing it does, and what we refuse."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
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

_ALLOW_RESTART = "this restarts the database: set allow_restart: true (Ansible variable or option) when that is fine"
_NEW_INSTANCE = "Google can't change it in place: clone or restore into an instance with a new name"
_BUSY_STATES = {"PENDING_CREATE", "PENDING_DELETE", "MAINTENANCE"}


@dataclass(frozen=True)
class Field:
    """How one option maps to the API. ``implied`` is what a missing value in Google's answer means."""

    option: str
    api: str
    implied: Any = None
    radius: BlastRadius = BlastRadius.SAFE
    same: Callable[[Any, Any], bool] = plans.same
    fixed: bool = False


def _networks(networks: Iterable[Mapping[str, Any]] | None) -> list[tuple[str, str]]:
    return sorted((str(n.get("value")), str(n.get("name") or "")) for n in networks or [])


def _same_networks(desired: Any, actual: Any) -> bool:
    return _networks(desired) == _networks(actual)


# Blast radius: discovery document and gcloud's patch.py for tier, flags, edition; configure-pitr and
# configure-private-ip for their restarts; availability type by caution. Implied values: a recorded minimal creation.
FIELDS = (
    Field("database_version", "databaseVersion", radius=BlastRadius.RESTARTS),
    Field("region", "region", same=plans.same_ignoring_case, fixed=True),
    Field("edition", "settings.edition", "ENTERPRISE", BlastRadius.RESTARTS),
    Field("tier", "settings.tier", radius=BlastRadius.RESTARTS),
    Field("data_disk_size_gb", "settings.dataDiskSizeGb"),
    Field("data_disk_type", "settings.dataDiskType", "PD_SSD", fixed=True),
    Field("storage_auto_resize", "settings.storageAutoResize"),
    Field("storage_auto_resize_limit_gb", "settings.storageAutoResizeLimit", "0"),
    Field("availability_type", "settings.availabilityType", "ZONAL", BlastRadius.RESTARTS),
    Field("activation_policy", "settings.activationPolicy", "ALWAYS"),
    Field("backup_configuration.enabled", "settings.backupConfiguration.enabled"),
    Field("backup_configuration.start_time", "settings.backupConfiguration.startTime"),
    Field(
        "backup_configuration.point_in_time_recovery_enabled",
        "settings.backupConfiguration.pointInTimeRecoveryEnabled",
        radius=BlastRadius.RESTARTS,
    ),
    Field(
        "backup_configuration.retained_backups",
        "settings.backupConfiguration.backupRetentionSettings.retainedBackups",
    ),
    Field(
        "backup_configuration.transaction_log_retention_days",
        "settings.backupConfiguration.transactionLogRetentionDays",
    ),
    Field("ip_configuration.ipv4_enabled", "settings.ipConfiguration.ipv4Enabled"),
    Field("ip_configuration.authorized_networks", "settings.ipConfiguration.authorizedNetworks", same=_same_networks),
    Field("ip_configuration.ssl_mode", "settings.ipConfiguration.sslMode", "ALLOW_UNENCRYPTED_AND_ENCRYPTED"),
    Field("ip_configuration.private_network", "settings.ipConfiguration.privateNetwork", radius=BlastRadius.RESTARTS),
    Field("connector_enforcement", "settings.connectorEnforcement", "NOT_REQUIRED"),
    Field("deletion_protection_enabled", "settings.deletionProtectionEnabled"),
)

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


class SqlInstance(Resource):
    """A Cloud SQL for PostgreSQL instance."""

    MODULE = "sql_instance"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
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
                "and hyphens, 98 characters at most"
            )
        tier = self.params.get("tier")
        if tier is not None and not re.fullmatch(r"db-[a-z0-9-]+", tier):
            raise RefusedError(
                f"tier {tier!r} of instance {self.name}: a tier is plain ASCII such as db-f1-micro or "
                "db-custom-2-7680; a copied text may hold other hyphens, type it anew"
            )
        version = self.params.get("database_version")
        if version is not None and not re.fullmatch(r"POSTGRES_(9_6|\d+)", version):
            raise RefusedError(
                f"database_version {version!r} of instance {self.name}: only PostgreSQL is managed here, such as "
                "POSTGRES_14"
            )

    def read(self, google: Google) -> Observed:
        body = cloud_sql.read_instance(google, self.name)
        if body is None:
            return ABSENT
        about: dict[str, Any] = {}
        if _flag_changes(self.params, body):
            about["flags"] = _known_flags(google, str(body.get("databaseVersion", "")))
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            return self._plan_creation()
        body = observed.body
        changes = [change for field in FIELDS if (change := _change(field, self.params, body)) is not None]
        changes += _flag_changes(self.params, body, observed.about.get("flags"))
        changes += plans.managed_keys("user_labels", self.params.get("user_labels"), _settings(body).get("userLabels"))
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
        if _settings(observed.body).get("deletionProtectionEnabled"):
            refusal = (
                f"the instance {self.name} is protected against deletion: set deletion_protection_enabled: false in a "
                "run of its own first"
            )
        return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)

    def _plan_creation(self) -> Plan:
        fields = {field.option: value for field in FIELDS if (value := _wanted(self.params, field)) is not None}
        # Newer versions default to an edition that refuses small tiers, and auto-resize differs by the asker.
        fields.setdefault("edition", "ENTERPRISE")
        fields.setdefault("storage_auto_resize", True)
        for option in ("database_flags", "user_labels"):
            given = {key: value for key, value in (self.params.get(option) or {}).items() if value is not None}
            fields |= {f"{option}.{key}": str(value) for key, value in sorted(given.items())}
        warnings = []
        if self.params.get("database_version") in {"POSTGRES_9_6", *(f"POSTGRES_{n}" for n in range(10, 15))}:
            warnings.append(
                f"{self.params['database_version']} is past its community end of life (PostgreSQL 14: November 2026): "
                "plan an upgrade"
            )
        return plans.create(self.MODULE, self.name, fields, warnings)

    def check_apply(self, plan: Plan) -> None:
        missing = [option for option in ("database_version", "region", "tier") if not self.params.get(option)]
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

    def _create(self, google: Google, plan: Plan, timeout: float) -> None:
        body: JsonObject = {"name": self.name, **_body(plan.applicable)}
        flags = [c for c in plan.applicable if c.field.startswith("database_flags.")]
        if flags:
            body["settings"]["databaseFlags"] = [{"name": _key(c), "value": c.after} for c in flags]
        path = f"{cloud_sql.project_path(google)}/instances"
        try:
            cloud_sql.write(google, "POST", path, self.name, body=body, timeout=timeout)
        except AlreadyExistsError as error:
            google.forget()
            if cloud_sql.read_instance(google, self.name) is None:
                raise RefusedError(
                    f"Google refuses the name {self.name} though no such instance exists: {error}. The name of a "
                    "deleted instance can stay taken for a week: choose another name"
                ) from error
            raise


def _settings(body: JsonObject) -> JsonObject:
    settings: JsonObject = body.get("settings", {})
    return settings


def _wanted(params: Mapping[str, Any], field: Field) -> Any:
    value: Any = params
    for key in field.option.split("."):
        value = (value or {}).get(key)
    return value


def _found(body: JsonObject, field: Field) -> Any:
    value: Any = body
    for key in field.api.split("."):
        value = (value or {}).get(key)
    return field.implied if value is None else value


def _change(field: Field, params: Mapping[str, Any], body: JsonObject) -> Change | None:
    wanted, found = _wanted(params, field), _found(body, field)
    if wanted is None or field.same(wanted, found):
        return None
    special = _SPECIAL.get(field.option)
    if special is not None:
        return special(wanted, found, body)
    if field.fixed:
        return Change(field.option, found, wanted, "is fixed at creation", BlastRadius.DESTROYS, _NEW_INSTANCE)
    return Change(field.option, _printed(found), _printed(wanted), "differs", field.radius)


def _printed(value: Any) -> Any:
    if isinstance(value, list):
        return [{"value": address, "name": name} for address, name in _networks(value)]
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _disk_change(wanted: int, found: Any, body: JsonObject) -> Change | None:
    size = int(found or 0)
    if wanted > size:
        return Change("data_disk_size_gb", size, wanted, "the disk is to grow")
    if _settings(body).get("storageAutoResize", True):
        return None
    return Change(
        "data_disk_size_gb",
        size,
        wanted,
        "a disk can't shrink in place",
        BlastRadius.DESTROYS,
        f"set data_disk_size_gb: {size} (or leave it out), or shrink it by hand with `gcloud sql instances "
        "perform-storage-shrink`",
    )


def _version_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    if _version_number(wanted) < _version_number(str(found)):
        return Change(
            "database_version",
            found,
            wanted,
            "is a downgrade",
            BlastRadius.DESTROYS,
            "Google can't downgrade: export and import into an instance with a new name",
        )
    targets = [str(target.get("name")) for target in body.get("upgradableDatabaseVersions", [])]
    refusal = ""
    if targets and wanted not in targets:
        refusal = f"Google can upgrade this instance to {', '.join(targets)} only: choose one of them"
    reason = "is a major version upgrade, which can't be undone"
    return Change("database_version", found, wanted, reason, BlastRadius.RESTARTS, refusal)


def _version_number(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _activation_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    del body
    if wanted == "NEVER":
        reason = "stops the instance: all connections end"
        return Change("activation_policy", found, wanted, reason, BlastRadius.RESTARTS)
    return Change("activation_policy", found, wanted, "starts the instance")


def _pitr_change(wanted: bool, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "backup_configuration.point_in_time_recovery_enabled"
    if wanted:
        return Change(field, bool(found), wanted, "enabling it restarts the instance", BlastRadius.RESTARTS)
    return Change(field, bool(found), wanted, "differs")


def _network_change(wanted: str, found: Any, body: JsonObject) -> Change | None:
    del body
    field = "ip_configuration.private_network"
    # Google prints the network with or without its address in front.
    if found and (str(found).endswith(f"/{wanted}") or wanted.endswith(f"/{found}")):
        return None
    if not wanted:
        return Change(field, found, wanted, "can't be unset", BlastRadius.DESTROYS, _NEW_INSTANCE)
    return Change(field, found, wanted, "differs", BlastRadius.RESTARTS)


_SPECIAL: dict[str, Callable[[Any, Any, JsonObject], Change | None]] = {
    "data_disk_size_gb": _disk_change,
    "database_version": _version_change,
    "activation_policy": _activation_change,
    "backup_configuration.point_in_time_recovery_enabled": _pitr_change,
    "ip_configuration.private_network": _network_change,
}


def _flags(body: JsonObject) -> dict[str, str]:
    return {flag["name"]: str(flag.get("value", "")) for flag in _settings(body).get("databaseFlags") or []}


def _known_flags(google: Google, version: str) -> dict[str, JsonObject]:
    """What Google knows about this version's flags; empty where the caller can't ask."""
    try:
        reply = google.once(("flags", version), lambda: google.get(cloud_sql.API, "v1/flags", databaseVersion=version))
    except NotFoundError:
        return {}
    return {flag["name"]: flag for flag in reply.get("items", [])}


def _flag_changes(
    params: Mapping[str, Any], body: JsonObject, known: Mapping[str, JsonObject] | None = None
) -> list[Change]:
    """Flags that differ. One that Google does not describe is taken to need a restart."""
    changes = plans.managed_keys("database_flags", params.get("database_flags"), _flags(body))
    restarts = {name for name, flag in (known or {}).items() if not flag.get("requiresRestart")}
    return [
        change if _key(change) in restarts else replace(change, blast_radius=BlastRadius.RESTARTS) for change in changes
    ]


def _key(change: Change) -> str:
    return change.field.split(".", 1)[1]


def _body(changes: Iterable[Change]) -> JsonObject:
    """The API's nested object that holds the new values of these changes (flags aside)."""
    api = {field.option: field.api for field in FIELDS}
    body: JsonObject = {}
    for change in changes:
        if change.field.startswith("database_flags."):
            continue
        # A label's key may hold no dot, an API path does.
        path = api.get(change.field, "").split(".") if change.field in api else ["settings", "userLabels", _key(change)]
        target = body
        for key in path[:-1]:
            target = target.setdefault(key, {})
        target[path[-1]] = _sent(change)
    return body


def _sent(change: Change) -> Any:
    if change.field in {"data_disk_size_gb", "storage_auto_resize_limit_gb"}:
        # 64-bit numbers travel as strings.
        return str(change.after)
    if change.field == "ip_configuration.authorized_networks":
        return [{"kind": "sql#aclEntry", **network} for network in change.after]
    return change.after


def patches(plan: Plan, body: JsonObject) -> list[JsonObject]:
    """The PATCH bodies in the order in which they must run: start, upgrade, the rest, stop."""
    start = [c for c in plan.applicable if c.field == "activation_policy" and c.after != "NEVER"]
    stop = [c for c in plan.applicable if c.field == "activation_policy" and c.after == "NEVER"]
    upgrade = [c for c in plan.applicable if c.field == "database_version"]
    rest = [c for c in plan.applicable if c not in [*start, *stop, *upgrade]]
    bodies = [_body(group) for group in (start, upgrade, rest, stop)]
    flags = [c for c in rest if c.field.startswith("database_flags.")]
    if flags:
        # Lists are replaced whole: what is not ours goes back as it was.
        merged: dict[str, Any] = {**_flags(body), **{_key(c): c.after for c in flags}}
        wanted = [{"name": name, "value": value} for name, value in merged.items() if value is not None]
        bodies[2].setdefault("settings", {})["databaseFlags"] = wanted
    return [group for group in bodies if group]
