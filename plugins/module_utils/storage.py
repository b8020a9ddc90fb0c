# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud Storage JSON API v1: buckets and their IAM policies. Path-style addresses only: names may hold underscores."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans, policies
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    GoogleError,
    NotFoundError,
    PermissionDeniedError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
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
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_API = "storage"
_SERVICE = "storage.googleapis.com"


@dataclass(frozen=True)
class _Field:
    option: str
    api: str
    implied: Any = None


_FIELDS = (
    _Field("storage_class", "storageClass", "STANDARD"),
    _Field("uniform_bucket_level_access", "iamConfiguration.uniformBucketLevelAccess.enabled"),
    _Field("public_access_prevention", "iamConfiguration.publicAccessPrevention", "inherited"),
    _Field("versioning_enabled", "versioning.enabled"),
    _Field("soft_delete_retention_seconds", "softDeletePolicy.retentionDurationSeconds", "0"),
)
_FIXED = "a bucket can't move: make one with a new name there and copy the objects"


_SETTINGS: dict[str, Any] = {
    "location": {"type": "str"},
    "storage_class": {"type": "str", "choices": ["STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"]},
    "uniform_bucket_level_access": {"type": "bool"},
    "public_access_prevention": {"type": "str", "choices": ["enforced", "inherited"]},
    "versioning_enabled": {"type": "bool"},
    "soft_delete_retention_seconds": {"type": "int"},
}


class Bucket(Resource):
    """A bucket."""

    MODULE = "bucket"
    SERVICE = _SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        **_SETTINGS,
        "labels": {"type": "dict"},
        "on_create": {"type": "dict", "options": _SETTINGS},
        "confirm_delete": {"type": "str"},
    }

    @property
    def name(self) -> str:
        return str(self.params["name"])

    def check(self) -> None:
        if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]{1,220}[a-z0-9]", self.name):
            raise RefusedError(
                f"name {self.name!r}: a bucket's name holds 3 to 63 lower-case letters, digits, dots, hyphens and "
                "underscores, with a letter or digit at both ends (and no gs://): correct "
                f"{setting(self.MODULE, 'name')}"
            )

    def _path(self) -> str:
        return f"b/{segment(self.name)}"

    def read(self, google: Google) -> Observed:
        body = google.find(_API, self._path(), projection="noAcl")
        if body is None:
            return ABSENT
        about: dict[str, Any] = {}
        if self.wants_absence:
            listing = google.get(_API, f"{self._path()}/o", maxResults=1, versions="true", fields="items/name")
            about["holds_objects"] = bool(listing.get("items"))
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            return self._plan_creation()
        wanted = {field: self.params[field.option] for field in _FIELDS if self.params.get(field.option) is not None}
        labels = self.params.get("labels")
        changes = self._location_changes(observed.body)
        for field, value in wanted.items():
            found = _found(observed.body, field)
            if not plans.same(value, found):
                changes.append(Change(field.option, _printed(found, value), value, "differs"))
        changes += plans.managed_keys("labels", labels, observed.body.get("labels"))
        return plans.update(self.MODULE, self.name, changes)

    def _plan_creation(self) -> Plan:
        settings = plans.overlay(
            self.params.get("on_create"), {option: self.params.get(option) for option in _SETTINGS}
        )
        labels = {key: value for key, value in (self.params.get("labels") or {}).items() if value is not None}
        fields = {"name": self.name, **{option: value for option, value in settings.items() if value is not None}}
        fields |= {f"labels.{key}": str(value) for key, value in sorted(labels.items())}
        return plans.create(self.MODULE, self.name, fields)

    def _location_changes(self, body: JsonObject) -> list[Change]:
        wanted, found = self.params.get("location"), body.get("location")
        if not wanted or plans.same_ignoring_case(wanted, found):
            return []
        return [Change("location", found, wanted, "is fixed at creation", BlastRadius.DESTROYS, _FIXED)]

    def _plan_absence(self, observed: Observed) -> Plan:
        if not observed.exists:
            return plans.nothing(self.MODULE, self.name)
        refusal = plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
        if observed.about.get("holds_objects"):
            refusal = (
                f"bucket {self.name} is not empty: remove its objects first, with `gcloud storage rm --all-versions "
                f"gs://{self.name}/**`"
            )
        return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        if plan.action is plans.Action.DELETE:
            google.write("DELETE", _API, self._path())
        elif plan.action is plans.Action.CREATE:
            self._create(google, {"name": self.name, **_body(plan)})
        else:
            generation = observed.body.get("metageneration")
            guard = {"ifMetagenerationMatch": generation} if generation else {}
            google.write("PATCH", _API, self._path(), _body(plan), {"projection": "noAcl", **guard})

    def way_out(self, error: GoogleError) -> str:
        if not isinstance(error, PermissionDeniedError):
            return super().way_out(error)
        return (
            f"if it is somebody else's bucket (names are global at Google), set {setting(self.MODULE, 'name')} to "
            "another name; if it is yours, grant the caller a role that holds the permission"
        )

    def _create(self, google: Google, body: JsonObject) -> None:
        try:
            google.write("POST", _API, "b", body, {"project": google.project, "projection": "noAcl"})
        except AlreadyExistsError as error:
            google.forget()
            try:
                seen = google.find(_API, self._path(), projection="noAcl")
            except PermissionDeniedError as denied:
                raise _taken(error) from denied
            if seen is None:
                raise _taken(error) from error
            raise


class BucketIamMember(policies.IamMember):
    """A member of a role on a bucket."""

    MODULE = "bucket_iam_member"
    SERVICE = _SERVICE
    SPEC: ClassVar[dict[str, Any]] = {"bucket": {"type": "str", "required": True}, **policies.SPEC}

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return str(self.params["bucket"])

    @property
    def target(self) -> str:
        return f"bucket {self.bucket}"

    @property
    def parent(self) -> Reference:
        return Reference(Bucket.MODULE, self.bucket)

    def _path(self) -> str:
        return f"b/{segment(self.bucket)}/iam"

    def fetch(self, google: Google) -> JsonObject:
        try:
            return google.get(_API, self._path(), optionsRequestedPolicyVersion=policies.POLICY_VERSION)
        except NotFoundError as error:
            raise ParentAbsentError(
                f"the bucket {self.bucket} does not exist: create it first with mlflow_ops.gcp.bucket"
            ) from error

    def store(self, google: Google, policy: JsonObject) -> None:
        google.write("PUT", _API, self._path(), policy)


def _taken(error: AlreadyExistsError) -> RefusedError:
    return RefusedError(
        f"the name is taken by another owner (names are global at Google): {error}: set "
        f"{setting('bucket', 'name')} to another name"
    )


def _found(body: JsonObject, field: _Field) -> Any:
    value: Any = body
    for key in field.api.split("."):
        value = (value or {}).get(key)
    return field.implied if value is None else value


def _printed(found: Any, wanted: Any) -> Any:
    if isinstance(wanted, bool):
        return bool(found)
    return int(found) if isinstance(wanted, int) else found


def _body(plan: Plan) -> JsonObject:
    api = {field.option: field.api for field in _FIELDS} | {"location": "location"}
    body: JsonObject = {}
    for change in plan.applicable:
        if change.field == "name":
            continue
        label = change.field.removeprefix("labels.")
        path = ["labels", label] if label != change.field else api[change.field].split(".")
        target = body
        for key in path[:-1]:
            target = target.setdefault(key, {})
        sixty_four_bits = change.field == "soft_delete_retention_seconds"
        target[path[-1]] = str(change.after) if sixty_four_bits else change.after
    return body
