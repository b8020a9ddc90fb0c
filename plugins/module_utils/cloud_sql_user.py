# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Users of a Cloud SQL instance. Google tells neither a user's password nor its roles: only a login can tell."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql, plans
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user_names import (
    BUILT_IN,
    TYPES,
    check_name,
    database_name,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    AlreadyExistsError,
    GoogleError,
    InvalidRequestError,
    MissingPrerequisiteError,
    MissingSecretError,
    NotFoundError,
    OperationFailedError,
    PrincipalNotFoundError,
    RefusedError,
    StateChangedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.plans import BlastRadius, Change, Plan
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import (
    STATE,
    NotVisibleYetError,
    Observed,
    Presence,
    Reference,
    Resource,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

_ALWAYS = ("always",)
_UPDATES = ["on_create", *_ALWAYS]
IAM_FLAG = "cloudsql.iam_authentication"


class SqlUser(Resource):
    """A database user."""

    MODULE = "sql_user"
    SERVICE = cloud_sql.SERVICE
    SPEC: ClassVar[dict[str, Any]] = {
        "instance": {"type": "str", "required": True},
        "name": {"type": "str", "required": True},
        "state": STATE,
        "type": {"type": "str", "choices": list(TYPES), "default": BUILT_IN},
        "password": {"type": "str", "no_log": True},
        "update_password": {"type": "str", "choices": _UPDATES, "default": "on_create", "no_log": False},
        "database_roles": {"type": "list", "elements": "str"},
        "update_database_roles": {"type": "str", "choices": _UPDATES, "default": "on_create"},
        "revoke_existing_roles": {"type": "bool", "default": False},
        "confirm_delete": {"type": "str"},
    }

    # PostgreSQL has the role though Google does not list it, as a refused creation has shown.
    _unlisted = False
    # The instance lets no IAM user log in, as the last read has shown.
    _iam_is_off = False

    @property
    def name(self) -> str:
        return database_name(str(self.params["type"]), str(self.params["name"]))

    @property
    def instance(self) -> str:
        """The instance's name."""
        return str(self.params["instance"])

    @property
    def parent(self) -> Reference:
        return cloud_sql.instance_reference(self.instance)

    @property
    def _built_in(self) -> bool:
        return bool(self.params["type"] == BUILT_IN)

    def _path(self, google: Google) -> str:
        return f"{cloud_sql.instance_path(google, self.instance)}/users"

    def check(self) -> None:
        if not self.params["name"]:
            option = setting(self.MODULE, "name")
            raise RefusedError(f"the name of the user on instance {self.instance} is empty: set {option}")
        check_name(str(self.params["type"]), str(self.params["name"]))
        self._check_roles()
        password = self.params.get("password")
        if password is not None and not self._built_in:
            raise RefusedError(
                f"user {self.name} is of type {self.params['type']}, which has no password: leave it out"
            )
        if password is not None and (not password or set(password) & set("\n\r\0'")):
            raise RefusedError(
                f"the password of user {self.name} is empty or holds a line break or a single quote, which its "
                f"readers can't take: choose another, as {setting(self.MODULE, 'password')} or as a new version of "
                "the secret it comes from"
            )

    def _check_roles(self) -> None:
        roles = self.params.get("database_roles") or []
        if "" in roles or self.name in roles:
            wrong = f"{self.name} itself" if self.name in roles else "an empty name"
            raise RefusedError(
                f"database_roles of user {self.name} holds {wrong}: name roles that exist, such as cloudsqlsuperuser"
            )
        if self.params["update_database_roles"] in _ALWAYS and not roles:
            raise RefusedError(
                f"user {self.name}: update_database_roles is always, but there is nothing to give: set database_roles"
            )
        if self.params["revoke_existing_roles"] and self.params["update_database_roles"] not in _ALWAYS:
            raise RefusedError(
                f"user {self.name}: revoke_existing_roles works on an existing user's roles only: set "
                "update_database_roles to always, and database_roles to all that the user should keep"
            )

    def read(self, google: Google) -> Observed:
        user = next((u for u in self._users(google) if u.get("name") == self.name), None)
        about: JsonObject = {}
        if self.wants_absence or not self._built_in:
            about["instance"] = cloud_sql.read_instance(google, self.instance)
            self._iam_is_off = not self._built_in and not has_iam_authentication(about["instance"])
        if user is None and self._unlisted:
            return Observed(Presence.PRESENT, {"name": self.name}, {"unlisted": True})
        return Observed(Presence.ABSENT if user is None else Presence.PRESENT, user or {}, about)

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
            return self._plan_creation()
        if observed.about.get("unlisted"):
            return plans.nothing(self.MODULE, self.name).with_warnings(
                f"PostgreSQL on instance {self.instance} has a role {self.name}, but Google lists no such user, since "
                f"it may not log in: restore that with ALTER ROLE {self.name} LOGIN (playbooks/deploy.yml does so)"
            )
        return self._plan_present(observed)

    def _plan_present(self, observed: Observed) -> Plan:
        # Google leaves the type of built-in users out.
        found = observed.body.get("type") or BUILT_IN
        if found != self.params["type"]:
            way_out = "a user's type can't change: remove the user first, or choose another name"
            change = Change("type", found, self.params["type"], "is fixed at creation", BlastRadius.DESTROYS, way_out)
            return plans.update(self.MODULE, self.name, [change])
        changes = []
        if self.params["update_password"] in _ALWAYS and self.params.get("password") is not None:
            changes.append(Change("password", plans.HIDDEN, plans.HIDDEN, "update_password is always"))
        if self.params["update_database_roles"] in _ALWAYS:
            reason = "update_database_roles is always, since Google does not tell which roles a user has"
            changes.append(Change("database_roles", None, self._roles, reason))
        if self.params["revoke_existing_roles"]:
            changes.append(Change("revoke_existing_roles", None, True, "all roles but these are to be taken away"))
        plan = plans.update(self.MODULE, self.name, changes)
        return plan.with_warnings(self._no_login) if self._iam_is_off else plan

    def _plan_creation(self) -> Plan:
        fields: JsonObject = {"name": self.name, "type": self.params["type"]}
        fields |= {"password": plans.HIDDEN} if self._built_in else {}
        fields |= {"database_roles": self._roles} if self._roles else {}
        return plans.create(self.MODULE, self.name, fields)

    @property
    def _roles(self) -> list[str]:
        return list(dict.fromkeys(self.params.get("database_roles") or []))

    @property
    def _no_login(self) -> str:
        return (
            f"instance {self.instance} lets no IAM user log in, so {self.name} could not: set its flag {IAM_FLAG} to "
            "'on' (database_flags of mlflow_ops.gcp.sql_instance), which restarts it"
        )

    def check_apply(self, plan: Plan) -> None:
        if plan.action is not plans.Action.CREATE:
            return
        if self._iam_is_off:
            raise MissingPrerequisiteError(self._no_login)
        if self._built_in and self.params.get("password") is None:
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
        if not self._built_in:
            body["type"] = self.params["type"]
        if "password" in plan.fields():
            body["password"] = self.params["password"]
        if plan.action is plans.Action.UPDATE:
            cloud_sql.write(google, "PUT", path, self.instance, body=body, params=self._query(plan))
        else:
            self._create(google, path, body | ({"databaseRoles": self._roles} if self._roles else {}))

    def _query(self, plan: Plan) -> JsonObject:
        """Google ignores the roles in the body of an update (rest/v1/users/update)."""
        query: JsonObject = {"name": self.name}
        if "database_roles" in plan.fields():
            query["databaseRoles"] = self._roles
        if "revoke_existing_roles" in plan.fields():
            query["revokeExistingRoles"] = "true"
        return query

    def _create(self, google: Google, path: str, body: JsonObject) -> None:
        try:
            cloud_sql.write(google, "POST", path, self.instance, body=body)
        except PrincipalNotFoundError as error:
            if self._built_in:
                raise
            raise NotVisibleYetError(
                f"{error}: create the account with mlflow_ops.gcp.service_account, or mind its spelling; a new one "
                "takes up to two minutes to be seen"
            ) from error
        except (AlreadyExistsError, InvalidRequestError, OperationFailedError) as error:
            if not self._built_in or "already exists" not in str(error):
                raise
            self._unlisted = True
            raise StateChangedError(str(error)) from error

    def way_out(self, error: GoogleError) -> str:
        # Google's words: terraform-google-modules/terraform-google-sql-db#323, kernelci/kcidb#407.
        if self.wants_absence and "objects depend on it" in str(error):
            return (
                f'in each database where {self.name} owns or may use something, run REASSIGN OWNED BY "{self.name}" TO '
                f'another role and then DROP OWNED BY "{self.name}", as a user who has both roles; then run again'
            )
        return super().way_out(error)

    def await_unclear(self, google: Google) -> None:
        cloud_sql.wait_for_others(google, self.instance)

    def settle(self, google: Google, observed: Observed) -> bool:
        return observed.presence is Presence.UNKNOWN and cloud_sql.wait_for_others(google, self.instance)


def has_iam_authentication(instance: JsonObject | None) -> bool:
    """Whether the instance lets IAM users log in: cloud.google.com/sql/docs/postgres/create-edit-iam-instances."""
    flags = (instance or {}).get("settings", {}).get("databaseFlags") or []
    return any(flag.get("name") == IAM_FLAG and flag.get("value") == "on" for flag in flags)


def list_users(google: Google, instance: str) -> list[JsonObject]:
    """The instance's users, in one request for all who ask; raises ParentAbsentError without the instance."""

    def read() -> list[JsonObject]:
        try:
            reply = google.get(cloud_sql.API, f"{cloud_sql.instance_path(google, instance)}/users")
        except NotFoundError as error:
            raise cloud_sql.instance_absent(google, instance) from error
        return list(reply.get("items") or [])

    return google.once(("users", instance), read)
