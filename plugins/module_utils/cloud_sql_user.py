# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a Cloud SQL instance. Google never tells a password: only a login can compare it."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    InvalidRequestError,
    MissingSecretError,
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

_BUILT_IN = "BUILT_IN"
_ALWAYS = ("always",)
_MAX_NAME = 63


class SqlUser(Resource):
    """A database user."""

    MODULE = "sql_user"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "instance": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "state": STATE,
        "type": {"type": "str", "choices": [_BUILT_IN, "CLOUD_IAM_SERVICE_ACCOUNT"], "default": _BUILT_IN},
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": ["on_create", "always"], "default": "on_create", "no_log": False},
        "confirm_delete": {"type": "str"},
    }

    # PostgreSQL has the role though Google does not list it, as a refused creation has shown.
    _unlisted = False

    @property
    def name(self) -> str:
        """PostgreSQL's name; of a service account its e-mail without .gserviceaccount.com, as Google wants it."""
        name = str(self.params["name"])
        return name if self._built_in else name.removesuffix(".gserviceaccount.com")

    @property
    def instance(self) -> str:
        """The instance's name."""
        return str(self.params["instance"])

    @property
    def parent(self) -> Reference:
        return cloud_sql.instance_reference(self.instance)

    @property
    def _built_in(self) -> bool:
        return bool(self.params["type"] == _BUILT_IN)

    def _path(self, google: Google) -> str:
        return f"{cloud_sql.instance_path(google, self.instance)}/users"

    def check(self) -> None:
        if len(self.name.encode()) > _MAX_NAME:
            raise RefusedError(
                f"name {self.name!r}: PostgreSQL knows names of {_MAX_NAME} bytes at most: use a shorter one"
            )
        password = self.params.get("password")
        if self._built_in:
            if password is not None and (not password or set(password) & set("\n\r\0'")):
                raise RefusedError(
                    f"the password of user {self.name} is empty or holds a line break or a single quote, which its "
                    f"readers can't take: choose another, as {setting(self.MODULE, 'password')} or as a new version of "
                    "the secret it comes from"
                )
            return
        if password is not None:
            raise RefusedError(
                f"user {self.name} is of type {self.params['type']}, which has no password: leave it out"
            )
        if self.name != self.name.lower() or not self.name.endswith(".iam"):
            raise RefusedError(
                f"name {self.params['name']!r}: a service account's user is its e-mail in lower case, such as "
                "mlflow@project.iam.gserviceaccount.com"
            )

    def read(self, google: Google) -> Observed:
        user = next((u for u in self._users(google) if u.get("name") == self.name), None)
        if user is None:
            return Observed(Presence.PRESENT, {"name": self.name}, {"unlisted": True}) if self._unlisted else ABSENT
        about: JsonObject = {}
        if self.wants_absence:
            about["instance"] = cloud_sql.read_instance(google, self.instance)
        return Observed(Presence.PRESENT, user, about)

    def _users(self, google: Google) -> list[JsonObject]:
        return list_users(google, self.instance)

    def plan(self, observed: Observed) -> Plan:
        if self.wants_absence:
            if not observed.exists:
                return plans.nothing(self.MODULE, self.name)
            refusal = cloud_sql.protection_refusal(observed.about.get("instance"), self.instance)
            refusal = refusal or plans.confirm_refusal(self.name, self.params.get("confirm_delete"))
            return plans.delete(self.MODULE, self.name, BlastRadius.DESTROYS, refusal)
        if not observed.exists:
            fields = {"name": self.name, "type": self.params["type"]}
            return plans.create(self.MODULE, self.name, fields | ({"password": plans.HIDDEN} if self._built_in else {}))
        if observed.about.get("unlisted"):
            return plans.nothing(self.MODULE, self.name).with_warnings(
                f"PostgreSQL on instance {self.instance} has a role {self.name}, but Google lists no such user, since "
                f"it may not log in: restore that with ALTER ROLE {self.name} LOGIN (playbooks/deploy.yml does so)"
            )
        return self._plan_present(observed)

    def _plan_present(self, observed: Observed) -> Plan:
        # Google leaves the type of built-in users out.
        found = observed.body.get("type") or _BUILT_IN
        if found != self.params["type"]:
            way_out = "a user's type can't change: remove the user first, or choose another name"
            change = Change("type", found, self.params["type"], "is fixed at creation", BlastRadius.DESTROYS, way_out)
            return plans.update(self.MODULE, self.name, [change])
        if self.params["update_password"] in _ALWAYS and self.params.get("password") is not None:
            change = Change("password", plans.HIDDEN, plans.HIDDEN, "update_password is always")
            return plans.update(self.MODULE, self.name, [change])
        return plans.nothing(self.MODULE, self.name)

    def check_apply(self, plan: Plan) -> None:
        if plan.action is plans.Action.CREATE and self._built_in and self.params.get("password") is None:
            raise MissingSecretError(
                f"the user {self.name} does not exist on instance {self.instance}, and to create it a password is "
                "needed: set password"
            )

    def apply(self, google: Google, plan: Plan, observed: Observed) -> None:
        del observed
        path = self._path(google)
        if plan.action is plans.Action.DELETE:
            cloud_sql.write(google, "DELETE", path, self.instance, params={"name": self.name})
            return
        body: JsonObject = {"name": self.name, "instance": self.instance, "project": google.project}
        if self._built_in:
            body["password"] = self.params["password"]
        else:
            body["type"] = self.params["type"]
        if plan.action is plans.Action.UPDATE:
            cloud_sql.write(google, "PUT", path, self.instance, body=body, params={"name": self.name})
        else:
            self._create(google, path, body)

    def _create(self, google: Google, path: str, body: JsonObject) -> None:
        try:
            cloud_sql.write(google, "POST", path, self.instance, body=body)
        except (AlreadyExistsError, InvalidRequestError, OperationFailedError) as error:
            if not self._built_in or "already exists" not in str(error):
                raise
            self._unlisted = True
            raise StateChangedError(str(error)) from error

    def settle(self, google: Google, observed: Observed) -> bool:
        return observed.presence is Presence.UNKNOWN and cloud_sql.wait_for_others(
            google, self.instance, cloud_sql.CHILD_TIMEOUT
        )


def list_users(google: Google, instance: str) -> list[JsonObject]:
    """The instance's users, in one request for all who ask; raises ParentAbsentError without the instance."""

    def read() -> list[JsonObject]:
        try:
            reply = google.get(cloud_sql.API, f"{cloud_sql.instance_path(google, instance)}/users")
        except NotFoundError as error:
            raise cloud_sql.instance_absent(google, instance) from error
        return list(reply.get("items") or [])

    return google.once(("users", instance), read)
