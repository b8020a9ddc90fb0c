"""users: insert, list, get, update, delete; the last two name the user in the query. Users are roles of PostgreSQL."""

import hashlib

from sandbox.access.accounts import ACCOUNTS
from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.actions import act, ask, refuse_if_busy
from sandbox.apis.sqladmin.passwords import check_password
from sandbox.apis.sqladmin.resources import find_instance, invalid
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Route
from sandbox.postgres.cluster import IAM_GROUPS, SUPERUSER, Cluster, User

BUILT_IN = "BUILT_IN"
LONGEST_NAME = 63
# roles in PostgreSQL that are Cloud SQL's own
RESERVED = ("cloudsql", "pg_")
GRANTABLE = (SUPERUSER,)


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/insert.

    An existing built-in user's password is set anew.
    """
    body = await call.body()
    refuse_if_busy(call)
    name, kind, password = str(body.get("name", "")), body.get("type") or BUILT_IN, body.get("password")
    _check_new(name, kind, password)
    _check_details(call, name, body)
    _check_account(call, name, kind)
    known = {user.name: user for user in await _users(call)}
    if name in known and (kind != BUILT_IN or known[name].type != BUILT_IN):
        # Wording ours: Google's text is not known.
        raise classic(409, f"User {name} already exists.", "alreadyExists")
    failed, roles = f"create user {name}", _roles(body.get("databaseRoles") or [])
    if name in known:
        return await act(call, "CREATE_USER", failed, lambda c: c.set_password(name, str(password)))
    if kind == BUILT_IN:
        return await act(call, "CREATE_USER", failed, lambda c: c.create_user(name, password, roles or [SUPERUSER]))
    return await act(call, "CREATE_USER", failed, lambda c: c.create_iam_user(name, kind, roles))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/list (not paged)."""
    return {"kind": "sql#usersList", "items": [_resource(call, user) for user in await _users(call)]}


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/get."""
    return _resource(call, await _find(call, call.params["user"]))


async def update(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/update: the password, and roles by query.

    databaseRoles in the body are ignored, as the reference says.
    """
    body = await call.body()
    refuse_if_busy(call)
    user = await _find(call, call.query.get("name") or str(body.get("name", "")))
    password, roles = body.get("password"), _roles(call.request.query.getall("databaseRoles", []))
    revoke = call.query.get("revokeExistingRoles", "false").lower() == "true"
    _check_details(call, user.name, body)
    if not password and not roles and not revoke:
        # Wording ours: Google's texts are not known.
        raise invalid("the sandbox updates a user's password and database roles, and neither was sent.")
    if password and user.type != BUILT_IN:
        raise invalid(f"the password of IAM user {user.name} cannot be set.")

    def work(cluster: Cluster) -> None:
        if roles or revoke:
            cluster.grant_roles(user.name, roles, revoke_others=revoke)
        if password:
            cluster.set_password(user.name, password)

    return await act(call, "UPDATE_USER", f"update user {user.name}", work)


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/delete."""
    refuse_if_busy(call)
    user = await _find(call, call.query.get("name", ""))
    return await act(call, "DELETE_USER", f"delete user {user.name}", lambda c: c.drop_user(user.name))


async def _users(call: Call) -> list[User]:
    return await ask(call, lambda cluster: cluster.users())


async def _find(call: Call, name: str) -> User:
    for user in await _users(call):
        if user.name == name:
            return user
    raise _missing()


def _missing() -> ApiError:
    """Shape as in KCC's golden logs (a mock); wording ours: Google's text is not known."""
    error = classic(404, "User does not exist.", "notFound")
    error.body["error"]["status"] = "NOT_FOUND"
    return error


def _check_new(name: str, kind: str, password: str | None) -> None:
    """The text about the suffix as several public repositories quote it in full; the other wording ours."""
    if not name or len(name.encode()) > LONGEST_NAME or name.startswith(RESERVED):
        raise invalid(f"Invalid user name ({name}).")
    if kind == BUILT_IN and not password:
        raise invalid(f"failed to create user {name}: a built-in user needs a password.")
    if kind != BUILT_IN and kind not in IAM_GROUPS:
        raise invalid(f"the sandbox has no users of type {kind}.")
    if kind != BUILT_IN and password:
        raise invalid("Password should not be set for an IAM user.")
    if kind != BUILT_IN and name != name.lower():
        raise invalid(f"Invalid user name ({name}): an IAM user's name is lower-case.")
    if kind == "CLOUD_IAM_SERVICE_ACCOUNT" and (name.endswith(".gserviceaccount.com") or "@" not in name):
        raise invalid(
            "Database username for Cloud IAM service account should be created without "
            f'".gserviceaccount.com" suffix ({name}).'
        )


def _check_account(call: Call, name: str, kind: str) -> None:
    """An IAM user's service account must exist. Text as recorded in crossplane-contrib/provider-upjet-gcp#834."""
    email = f"{name}.gserviceaccount.com"
    of_project = name.endswith(f"@{call.project}.iam")
    if kind == "CLOUD_IAM_SERVICE_ACCOUNT" and of_project and not call.world.store.has(ACCOUNTS, email):
        raise invalid(f"Provided {kind}: {email}, does not exist.")


def _check_details(call: Call, name: str, body: Json) -> None:
    """Wording ours: Google's texts are not known."""
    for field in ("passwordPolicy", "dualPasswordType", "sqlserverUserDetails", "serverRoles"):
        if body.get(field):
            raise invalid(f"the sandbox does not emulate a user's {field}.")
    if password := body.get("password"):
        check_password(find_instance(call)["settings"], name, str(password))


def _roles(given: list[str]) -> list[str]:
    """Wording ours: Google's text is not known."""
    for role in given:
        if role.startswith(RESERVED) and role not in GRANTABLE and not role.startswith("pg_"):
            raise invalid(f"Invalid database role ({role}).")
    return given


def _resource(call: Call, user: User) -> Json:
    instance = find_instance(call)["name"]
    return {
        "kind": "sql#user",
        "name": user.name,
        "host": "",
        "instance": instance,
        "project": call.project,
        "etag": hashlib.sha256(f"{instance}/{user.name}".encode()).hexdigest(),
        "iamStatus": "IAM_STATUS_UNSPECIFIED",
        # The service leaves the type of built-in users out.
        **({"passwordPolicy": {"status": {}}} if user.type == BUILT_IN else {"type": user.type}),
    }


ROUTES: list[Route] = [
    *routes("POST", "instances/{instance}/users", insert, "cloudsql.users.create"),
    *routes("GET", "instances/{instance}/users", list_, "cloudsql.users.list"),
    *routes("GET", "instances/{instance}/users/{user}", get, "cloudsql.users.get"),
    *routes("PUT", "instances/{instance}/users", update, "cloudsql.users.update"),
    *routes("DELETE", "instances/{instance}/users", delete, "cloudsql.users.delete"),
]
