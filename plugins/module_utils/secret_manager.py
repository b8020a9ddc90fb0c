# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secret Manager API v1: secrets and their newest version.

The newest version alone decides. If it is disabled or destroyed a new one is made; an older, perhaps leaked, value is
never used again. No value is ever part of a plan, and none is read where nobody asks for it.
"""

from __future__ import annotations

import base64
import re
import secrets
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans, secret_settings
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.checksums import crc32c
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    GoogleError,
    InvalidRequestError,
    OutcomeUnknownError,
    RefusedError,
    StaleVersionError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.patience import await_visibility
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import Action, BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    ABSENT,
    STATE,
    Observed,
    Presence,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

API = "secretmanager"
SERVICE = "secretmanager.googleapis.com"
_ENABLED = "ENABLED"
_NO_VERSION: JsonObject = {"name": "0"}
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
    SERVICE = SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        **secret_settings.SPEC,
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
                "use: set generate: true, and disable older versions by a task of its own"
            )
        if self._given is not None and not 0 < len(self._given.encode()) <= _MAX_BYTES:
            raise RefusedError(
                f"secret {self.name}: the value is empty or longer than {_MAX_BYTES} bytes: give another"
            )
        if wrong := secret_settings.mistake(self.params):
            raise RefusedError(f"secret {self.name}: {wrong}")

    def _path(self, google: Google) -> str:
        return f"{_secrets_path(google)}/{segment(self.name)}"

    def read(self, google: Google) -> Observed:
        body = google.find(API, self._path(google))
        if body is None:
            return ABSENT
        latest = self._latest(google)
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
            reply = google.get(API, f"{self._path(google)}/versions", **page)
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
        version = self._version_change(observed)
        if not observed.exists:
            fields: dict[str, Any] = {"name": self.name}
            if self.params.get("replication_locations"):
                fields["replication_locations"] = self.params["replication_locations"]
            fields |= secret_settings.of_new(self.params)
            return plans.create(self.MODULE, self.name, fields | ({"version": version.after} if version else {}))
        changes = self._replication_changes(observed.body)
        changes += secret_settings.differences(self.params, observed.body)
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
            google.write("DELETE", API, self._path(google))
            return
        fields = secret_settings.body_of(plan, observed.body)
        if plan.action is Action.CREATE:
            body: JsonObject = {"replication": _replication(self.params.get("replication_locations")), **fields}
            google.write("POST", API, _secrets_path(google), body, {"secretId": self.name})
        elif fields:
            self._update(google, fields, observed.body.get("etag"))
        for older in observed.about.get("older", []):
            etag = {"etag": older["etag"]} if older.get("etag") else {}
            google.write("POST", API, f"{self._path(google)}/versions/{version_number(older)}:disable", etag)
        if "version" in plan.fields():
            latest = observed.about.get("version")
            self._rotated_from = version_number(latest) if latest else 0
            self._add_version(google)

    def _update(self, google: Google, fields: JsonObject, etag: str | None) -> None:
        guard = {"etag": etag} if etag else {}
        try:
            google.write("PATCH", API, self._path(google), {**fields, **guard}, {"updateMask": ",".join(fields)})
        except InvalidRequestError as error:
            if "etag" in error.message:
                # What others say with 409 or 412: https://cloud.google.com/secret-manager/docs/etags.
                stale = (error.status, error.reason, error.message)
                raise StaleVersionError(*stale, method=error.method, url=error.url) from error
            raise

    def _add_version(self, google: Google) -> None:
        """Write a version and read it back: nobody else gets the value before it is certain to be kept."""
        if self._generated is None:
            self._generated = self._given if self._given is not None else generate_value()
        data = self._generated.encode()
        payload = {"data": base64.b64encode(data).decode(), "dataCrc32c": str(crc32c(data))}
        version = self._write_version(google, payload)
        number = version_number(version)
        if self._access(google, version) != self._generated:
            raise PayloadMismatchError(
                f"secret {self.name}: version {number} reads back differently from what was written: disable that "
                "version and run again"
            )
        # The next task asks for the newest version.
        await_visibility(google, lambda: version_number(self._latest(google) or _NO_VERSION) >= number, "the version")

    def _write_version(self, google: Google, payload: JsonObject) -> JsonObject:
        """A version is seen at once by its number, and by it alone, so that tells how an unclear end has ended.

        https://cloud.google.com/secret-manager/docs/reference/consistency
        """
        try:
            return google.write("POST", API, f"{self._path(google)}:addVersion", {"payload": payload})
        except OutcomeUnknownError:
            version = google.find(API, f"{self._path(google)}/versions/{(self._rotated_from or 0) + 1}")
            ours = version and version.get("state") == _ENABLED and self._access(google, version) == self._generated
            if not version or not ours:
                raise
            google.writes += 1
            return version

    def _latest(self, google: Google) -> JsonObject | None:
        return google.find(API, f"{self._path(google)}/versions/latest")

    def _access(self, google: Google, version: JsonObject) -> str:
        number = version_number(version)
        payload = google.get(API, f"{self._path(google)}/versions/{number}:access").get("payload", {})
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
