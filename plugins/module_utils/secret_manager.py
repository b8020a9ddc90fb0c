# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret Manager API v1: secrets, their newest version, and their IAM policies.

The newest version alone decides. If it is disabled or destroyed a new one is made; an older, perhaps leaked, value is
never used again. No value is ever part of a plan, and none is read where nobody asks for it.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans, policies
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.checksums import crc32c
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import GoogleError, NotFoundError, RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    ParentAbsentError,
    Presence,
    Reference,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

_API = "secretmanager"
_SERVICE = "secretmanager.googleapis.com"
_ENABLED = "ENABLED"
_MAX_BYTES = 65536
_RANDOM_BYTES = 33


class PayloadMismatchError(GoogleError):
    """What Secret Manager gave back is not what was written."""


def generate_value() -> str:
    """A value of 44 characters out of [A-Za-z0-9_-], 264 bits, that does not look like an option to programs."""
    while (value := secrets.token_urlsafe(_RANDOM_BYTES)).startswith("-"):
        pass
    return value


def _secrets_path(google: Google) -> str:
    return f"v1/projects/{segment(google.project)}/secrets"


class Secret(Resource):
    """A secret and its newest version."""

    MODULE = "secret"
    SERVICE = _SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        "labels": {"type": "dict"},
        "replication_locations": {"type": "list", "elements": "str"},
        "value": {"type": "str", "no_log": True},
        "generate": {"type": "bool", "default": False},
        "rotate": {"type": "bool", "default": False},
        "older_versions": {"type": "str", "choices": ["disabled"]},
        "return_value": {"type": "bool", "default": False},
        "confirm_delete": {"type": "str"},
    }

    def __init__(self, params: Any, project: str) -> None:
        super().__init__(params, project)
        # Made once, so that a repeated attempt knows its own version again.
        self._generated: str | None = None
        self._rotated_from: int | None = None

    @property
    def name(self) -> str:
        return str(self.params["name"])

    @property
    def _given(self) -> str | None:
        value = self.params.get("value")
        return None if value is None else str(value)

    def check(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,255}", self.name):
            raise RefusedError(f"name {self.name!r}: a secret's name holds letters, digits, hyphens and underscores")
        if self._given is not None and self.params.get("generate"):
            raise RefusedError(f"secret {self.name}: value and generate exclude each other: leave one out")
        if self.params.get("rotate") and (not self.params.get("generate") or self.params.get("older_versions")):
            raise RefusedError(
                f"secret {self.name}: rotate needs generate, and leaves older versions alone until the new one is in "
                "use: disable them by a task of its own"
            )
        if self._given is not None and not 0 < len(self._given.encode()) <= _MAX_BYTES:
            raise RefusedError(f"secret {self.name}: the value is empty or longer than {_MAX_BYTES} bytes")

    def _path(self, google: Google) -> str:
        return f"{_secrets_path(google)}/{segment(self.name)}"

    def read(self, google: Google) -> Observed:
        body = google.find(_API, self._path(google))
        if body is None:
            return ABSENT
        latest = google.find(_API, f"{self._path(google)}/versions/latest")
        about: dict[str, Any] = {"version": latest}
        if self.params.get("older_versions") and latest and latest.get("state") == _ENABLED:
            about["older"] = [v for v in self._enabled_versions(google) if version_number(v) < version_number(latest)]
        if self._given is not None and not self.wants_absence and latest and latest.get("state") == _ENABLED:
            about["same_value"] = secrets.compare_digest(self._access(google, latest).encode(), self._given.encode())
        return Observed(Presence.PRESENT, body, about)

    def _enabled_versions(self, google: Google) -> list[JsonObject]:
        found: list[JsonObject] = []
        page: dict[str, object] = {"filter": f"state:{_ENABLED}"}
        while True:
            reply = google.get(_API, f"{self._path(google)}/versions", **page)
            found += reply.get("versions", [])
            if not reply.get("nextPageToken"):
                return found
            page["pageToken"] = reply["nextPageToken"]

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            if not observed.exists:
                return plans.nothing(self.MODULE, self.name)
            refusal = plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
            return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)
        labels = self.params.get("labels")
        version = self._version_change(observed)
        if not observed.exists:
            fields: dict[str, Any] = {"name": self.name}
            if self.params.get("replication_locations"):
                fields["replication_locations"] = self.params["replication_locations"]
            given = {key: value for key, value in (labels or {}).items() if value is not None}
            fields |= {f"labels.{key}": str(value) for key, value in sorted(given.items())}
            return plans.create(self.MODULE, self.name, fields | ({"version": version.after} if version else {}))
        changes = self._replication_changes(observed.body)
        changes += plans.managed_keys("labels", labels, observed.body.get("labels"))
        warnings = []
        changes += [
            Change(f"versions.{version_number(older)}", _ENABLED, "DISABLED", "is older than the newest")
            for older in observed.about.get("older", [])
        ]
        if version:
            changes.append(version)
            if version.before is not None and version.reason not in (_VALUE_DIFFERS, _ROTATED):
                warnings.append(f"secret {self.name}: {version.reason}; whoever used its value needs the new one")
        return plans.update(self.MODULE, self.name, changes, warnings)

    def _version_change(self, observed: Observed) -> Change | None:
        """A new version, as numbers; the values are nobody's business."""
        if self._given is None and not self.params.get("generate"):
            return None
        latest = observed.about.get("version")
        if not latest:
            return Change("version", None, 1, "there is no version yet")
        number = version_number(latest)
        if latest.get("state") != _ENABLED:
            reason = f"version {number}, the newest, is {latest.get('state')}"
            return Change("version", number, number + 1, reason)
        if self.params.get("rotate") and (self._rotated_from is None or number <= self._rotated_from):
            return Change("version", number, number + 1, _ROTATED)
        if observed.about.get("same_value", True):
            return None
        return Change("version", number, number + 1, _VALUE_DIFFERS)

    def _replication_changes(self, body: JsonObject) -> list[Change]:
        wanted = self.params.get("replication_locations")
        found = replication_locations(body)
        if wanted is None or sorted(map(str.casefold, wanted)) == sorted(map(str.casefold, found)):
            return []
        way_out = "Google can't change it: make a secret with a new name"
        return [Change("replication_locations", found, wanted, "is fixed at creation", BlastRadius.DESTROYS, way_out)]

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        if plan.action is Action.DELETE:
            google.write("DELETE", _API, self._path(google))
            return
        labels = _labels(plan, observed.body.get("labels", {}))
        if plan.action is Action.CREATE:
            body: JsonObject = {"replication": _replication(self.params.get("replication_locations"))}
            if labels:
                body["labels"] = labels
            google.write("POST", _API, _secrets_path(google), body, {"secretId": self.name})
        elif labels is not None:
            body = {"labels": labels} | ({"etag": observed.body["etag"]} if observed.body.get("etag") else {})
            google.write("PATCH", _API, self._path(google), body, {"updateMask": "labels"})
        for older in observed.about.get("older", []):
            etag = {"etag": older["etag"]} if older.get("etag") else {}
            google.write("POST", _API, f"{self._path(google)}/versions/{version_number(older)}:disable", etag)
        if "version" in plan.fields():
            latest = observed.about.get("version")
            self._rotated_from = version_number(latest) if latest else 0
            self._add_version(google)

    def _add_version(self, google: Google) -> None:
        """Write a version and read it back: nobody else gets the value before it is certain to be kept."""
        if self._generated is None:
            self._generated = self._given if self._given is not None else generate_value()
        data = self._generated.encode()
        payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))}
        version = google.write("POST", _API, f"{self._path(google)}:addVersion", {"payload": payload})
        if self._access(google, version) != self._generated:
            raise PayloadMismatchError(
                f"secret {self.name}: version {version_number(version)} reads back differently from what was written: "
                "disable that version and run again"
            )

    def _access(self, google: Google, version: JsonObject) -> str:
        number = version_number(version)
        payload = google.get(_API, f"{self._path(google)}/versions/{number}:access").get("payload", {})
        data = base64.b64decode(payload.get("data", ""))
        if "dataCrc32c" in payload and int(payload["dataCrc32c"]) != crc32c(data):
            raise PayloadMismatchError(f"secret {self.name}: version {number} came over damaged: run again")
        return data.decode()

    def result(self, google: Google, observed: Observed) -> dict[str, Any]:
        latest = observed.about.get("version")
        result = {
            "resource": observed.body or None,
            "version": version_number(latest) if latest else None,
            "version_state": latest.get("state") if latest else None,
        }
        if self.params.get("return_value"):
            enabled = latest is not None and latest.get("state") == _ENABLED
            result["value"] = self._access(google, latest) if latest and enabled else None
        return result


class SecretIamMember(policies.IamMember):
    """A member of a role on a secret."""

    MODULE = "secret_iam_member"
    SERVICE = _SERVICE
    SPEC: ClassVar[dict[str, Any]] = {"secret": {"type": "str", "required": True, "no_log": False}, **policies.SPEC}

    @property
    def secret(self) -> str:
        """The secret's name."""
        return str(self.params["secret"])

    @property
    def target(self) -> str:
        return f"secret {self.secret}"

    @property
    def parent(self) -> Reference:
        return Reference(Secret.MODULE, self.secret)

    def _path(self, google: Google) -> str:
        return f"{_secrets_path(google)}/{segment(self.secret)}"

    def fetch(self, google: Google) -> JsonObject:
        version = {"options.requestedPolicyVersion": policies.POLICY_VERSION}
        try:
            return google.get(_API, f"{self._path(google)}:getIamPolicy", **version)
        except NotFoundError as error:
            raise ParentAbsentError(
                f"the secret {self.secret} does not exist in project {google.project}: create it first with "
                "mlflow_ops.gcp.secret"
            ) from error

    def store(self, google: Google, policy: JsonObject) -> None:
        google.write("POST", _API, f"{self._path(google)}:setIamPolicy", {"policy": policy})


_ROTATED = "is to be rotated"
_VALUE_DIFFERS = "the value differs from the newest version's"


def version_number(version: JsonObject) -> int:
    """The number at the end of a version's name."""
    return int(str(version["name"]).rsplit("/", 1)[-1])


def replication_locations(body: JsonObject) -> list[str]:
    """Where a secret is kept; empty if Google chooses."""
    replicas = body.get("replication", {}).get("userManaged", {}).get("replicas", [])
    return [str(replica.get("location")) for replica in replicas]


def _replication(locations: list[str] | None) -> JsonObject:
    if not locations:
        return {"automatic": {}}
    return {"userManaged": {"replicas": [{"location": location} for location in locations]}}


def _labels(plan: Plan, existing: JsonObject) -> JsonObject | None:
    """All labels to send, since the update mask replaces them whole; None if none changes."""
    changes = {c.field.removeprefix("labels."): c.after for c in plan.applicable if c.field.startswith("labels.")}
    if not changes:
        return None
    merged = {**existing, **{key: None if value is None else str(value) for key, value in changes.items()}}
    return {key: value for key, value in merged.items() if value is not None}
