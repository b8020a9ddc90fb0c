# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cloud Storage JSON API v1: buckets. Path-style addresses only: names may hold underscores."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import plans, policies, storage_rules, storage_settings
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google, segment
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    GoogleApiError,
    GoogleError,
    PermissionDeniedError,
    RefusedError,
    StaleVersionError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_members import refuse_without_etag
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

API = "storage"
SERVICE = "storage.googleapis.com"
_LOCKED = "retention_policy_locked"
_PUBLIC = "public_bindings"
# https://cloud.google.com/storage/docs/soft-delete: off, or between 7 and 90 days.
_SOFT_DELETE = (604_800, 7_776_000)
# https://cloud.google.com/storage/docs/bucket-lock: at most 100 years.
_LONGEST_RETENTION = 3_155_760_000


class Bucket(Resource):
    """A bucket."""

    MODULE = "bucket"
    SERVICE = SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "name": {"type": "str", "required": True},
        "state": STATE,
        **storage_settings.SPEC,
        _LOCKED: {"type": "bool"},
        "confirm_lock": {"type": "str"},
        "labels": {"type": "dict"},
        "on_create": {"type": "dict", "options": storage_settings.SPEC},
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
        for settings in (self.params, self.params.get("on_create") or {}):
            self._check_settings(settings)
        if self.params.get(_LOCKED) is False:
            raise RefusedError(f"bucket {self.name}: a locked retention policy stays locked: leave out {_LOCKED}")

    def _check_settings(self, settings: Any) -> None:
        seconds = settings.get("soft_delete_retention_seconds")
        if seconds and not _SOFT_DELETE[0] <= seconds <= _SOFT_DELETE[1]:
            raise RefusedError(
                f"bucket {self.name}: soft_delete_retention_seconds {seconds}: Google keeps deleted objects for 7 to "
                f"90 days: give {_SOFT_DELETE[0]} to {_SOFT_DELETE[1]}, or 0 for not at all"
            )
        period = settings.get("retention_period_seconds")
        if period is not None and not 0 <= period <= _LONGEST_RETENTION:
            raise RefusedError(
                f"bucket {self.name}: retention_period_seconds {period}: give up to 100 years ({_LONGEST_RETENTION}), "
                "or 0 for no retention"
            )
        if wrong := storage_rules.mistake(settings.get("lifecycle_rules") or []):
            raise RefusedError(f"bucket {self.name}: {wrong}")

    def _path(self) -> str:
        return f"b/{segment(self.name)}"

    def read(self, google: Google) -> Observed:
        body = google.find(API, self._path(), projection="noAcl")
        if body is None:
            return ABSENT
        now = dt.datetime.fromtimestamp(google.clock.wall(), dt.UTC)
        about: dict[str, Any] = {"now": now.strftime("%Y-%m-%dT%H:%M:%SZ")}
        if self.params.get("public_access_prevention") == "enforced" and not self.wants_absence:
            about["policy"] = google.once(("policy", f"bucket {self.name}"), lambda: fetch_policy(google, self.name))
        if self.wants_absence:
            listing = google.get(API, f"{self._path()}/o", maxResults=1, versions="true", fields="items/name")
            about["holds_objects"] = bool(listing.get("items"))
        return Observed(Presence.PRESENT, body, about)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            return self._plan_absence(observed)
        if not observed.exists:
            return self._plan_creation()
        body = observed.body
        changes = storage_settings.differences(self.params, body, observed.about.get("now", ""))
        changes += _public_changes(observed.about.get("policy") or {})
        changes += self._lock_changes(body.get("retentionPolicy"))
        changes += plans.managed_keys("labels", self.params.get("labels"), body.get("labels"))
        return plans.update(self.MODULE, self.name, changes)

    def _plan_creation(self) -> Plan:
        settings = plans.overlay(
            self.params.get("on_create"), {option: self.params.get(option) for option in storage_settings.SPEC}
        )
        labels = {key: value for key, value in (self.params.get("labels") or {}).items() if value is not None}
        fields = {"name": self.name, **storage_settings.new(settings)}
        fields |= {f"labels.{key}": str(value) for key, value in sorted(labels.items())}
        plan = plans.create(self.MODULE, self.name, fields)
        return replace(plan, changes=(*plan.changes, *self._lock_changes(None)))

    def _lock_changes(self, policy: JsonObject | None) -> list[Change]:
        """A lock is for good, so it wants the bucket's name once more, and a policy to lock."""
        if not self.params.get(_LOCKED) or (policy or {}).get("isLocked"):
            return []
        reason = (
            "is to be locked for good: the period can only become longer, and the bucket stays until all are as old"
        )
        refusal = ""
        if self.params.get("confirm_lock") != self.name:
            refusal = f"this can't be undone: set confirm_lock: {self.name} to lock it"
        if not policy and not self.params.get("retention_period_seconds"):
            refusal = "there is no retention policy to lock: set retention_period_seconds"
        return [Change(_LOCKED, False, True, reason, refusal=refusal)]

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
            google.write("DELETE", API, self._path())
            return
        body = storage_settings.body_of(plan)
        bucket = observed.body
        try:
            if _PUBLIC in plan.fields():
                bucket = self._shut_out_the_public(google, observed.about["policy"])
            if plan.action is plans.Action.CREATE:
                bucket = self._create(google, {"name": self.name, **body})
            elif body:
                bucket = google.write("PATCH", API, self._path(), body, {"projection": "noAcl", **_guard(bucket)})
            if _LOCKED in plan.fields():
                google.write("POST", API, f"{self._path()}/lockRetentionPolicy", None, _guard(bucket))
        except StaleVersionError as error:
            if way_out := way_out_for_good(error):
                raise RefusedError(f"{error}: {way_out}") from error
            raise

    def _shut_out_the_public(self, google: Google, policy: JsonObject) -> JsonObject:
        """The bucket afterwards: a change of its policy counts as one of the bucket."""
        refuse_without_etag(policy, f"bucket {self.name}")
        google.write("PUT", API, f"{self._path()}/iam", policies.without_public_grants(policy))
        return google.get(API, self._path(), projection="noAcl")

    def way_out(self, error: GoogleError) -> str:
        if not isinstance(error, PermissionDeniedError):
            return super().way_out(error)
        return (
            f"if it is somebody else's bucket (names are global at Google), set {setting(self.MODULE, 'name')} to "
            "another name; if it is yours, grant the caller a role that holds the permission"
        )

    def _create(self, google: Google, body: JsonObject) -> JsonObject:
        try:
            return google.write("POST", API, "b", body, {"project": google.project, "projection": "noAcl"})
        except AlreadyExistsError as error:
            google.forget()
            try:
                seen = google.find(API, self._path(), projection="noAcl")
            except PermissionDeniedError as denied:
                raise _taken(error) from denied
            if seen is None:
                raise _taken(error) from error
            raise


def fetch_policy(google: Google, bucket: str) -> JsonObject:
    """A bucket's policy, with its conditions."""
    return google.get(API, f"b/{segment(bucket)}/iam", optionsRequestedPolicyVersion=policies.POLICY_VERSION)


def _public_changes(policy: JsonObject) -> list[Change]:
    """Where public access prevention is wanted, nobody may stay bound whom it keeps out.

    Such bindings give nothing then, but Google takes no policy any more that has one (GoogleCloudPlatform/gsutil#1620),
    so whatever else is to be bound would be refused.
    """
    found = [f"{grant.role} to {grant.member}" for grant in policies.public_grants(policy)]
    reason = "public access prevention is wanted, and Google then takes no policy that binds everybody"
    return [Change(_PUBLIC, found, [], reason)] if found else []


def _guard(bucket: JsonObject) -> dict[str, Any]:
    generation = bucket.get("metageneration")
    return {"ifMetagenerationMatch": generation} if generation else {}


def _taken(error: AlreadyExistsError) -> RefusedError:
    return RefusedError(
        f"the name is taken by another owner (names are global at Google): {error}: set "
        f"{setting('bucket', 'name')} to another name"
    )


# Cloud Storage also says 412 of what no repetition helps: a word of its sentence, and the way out.
_FOR_GOOD = (
    # As quoted by users of Terraform: "Request violates constraint 'constraints/storage.uniformBucketLevelAccess'".
    ("violates constraint", "set what the organization's policy demands, or have the policy changed"),
    ("public access prevention is enforced", "set public_access_prevention: inherited on the bucket first"),
    ("enable uniform bucket-level access", "set uniform_bucket_level_access: true on the bucket first"),
    ("disable uniform bucket-level access", "leave out uniform_bucket_level_access"),
)


def way_out_for_good(error: GoogleApiError) -> str:
    """What helps against a 412 that is no matter of who was first; empty for one that is."""
    return next((way_out for said, way_out in _FOR_GOOD if said in error.message), "")
