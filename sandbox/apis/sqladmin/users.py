"""users: insert, list, get, update, delete; the last two name the user in the query. Users are roles of PostgreSQL."""

import hashlib

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.actions import act, ask, refuse_if_busy
from sandbox.apis.sqladmin.resources import find_instance, invalid
from sandbox.core.documents import Json
from sandbox.core.errors import ApiError, classic
from sandbox.core.routing import Call, Route
from sandbox.postgres.cluster import IAM_GROUPS, SUPERUSER, User

BUILT_IN = "BUILT_IN"
LONGEST_NAME = 63
# roles in PostgreSQL that are Cloud SQL's own
RESERVED = ("cloudsql", "pg_")


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/insert.

    An existing built-in user's password is set anew.
    """
    body = await call.body()
    refuse_if_busy(call)
    name, kind, password = str(body.get("name", "")), body.get("type") or BUILT_IN, body.get("password")
    _check_new(name, kind, password)
    known = {user.name: user for user in await _users(call)}
    if name in known and (kind != BUILT_IN or known[name].type != BUILT_IN):
        raise classic(409, f"User {name} already exists.", "alreadyExists")
    failed = f"create user {name}"
    if name in known:
        return await act(call, "CREATE_USER", failed, lambda c: c.set_password(name, str(password)))
    if kind == BUILT_IN:
        groups = body.get("databaseRoles") or [SUPERUSER]
        return await act(call, "CREATE_USER", failed, lambda c: c.create_user(name, password, groups))
    return await act(call, "CREATE_USER", failed, lambda c: c.create_iam_user(name, kind))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/list (not paged)."""
    return {"kind": "sql#usersList", "items": [_resource(call, user) for user in await _users(call)]}


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/get."""
    return _resource(call, await _find(call, call.params["user"]))


async def update(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/users/update: sets the password."""
    body = await call.body()
    refuse_if_busy(call)
    user = await _find(call, call.query.get("name") or str(body.get("name", "")))
    password = body.get("password")
    if not password:
        raise invalid("the sandbox updates a user's password only, and none was sent.")
    if user.type != BUILT_IN:
        raise invalid(f"the password of IAM user {user.name} cannot be set.")
    return await act(call, "UPDATE_USER", f"update user {user.name}", lambda c: c.set_password(user.name, password))


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
    error = classic(404, "User does not exist.", "notFound")
    error.body["error"]["status"] = "NOT_FOUND"
    return error


def _check_new(name: str, kind: str, password: str | None) -> None:
    if not name or len(name.encode()) > LONGEST_NAME or name.startswith(RESERVED):
        raise invalid(f"Invalid user name ({name}).")
    if kind == BUILT_IN and not password:
        raise invalid(f"failed to create user {name}: a built-in user needs a password.")
    if kind != BUILT_IN and kind not in IAM_GROUPS:
        raise invalid(f"the sandbox has no users of type {kind}.")
    if kind != BUILT_IN and password:
        raise invalid("Password should not be set for an IAM user.")
    if kind == "CLOUD_IAM_SERVICE_ACCOUNT" and (name.endswith(".gserviceaccount.com") or "@" not in name):
        raise invalid(
            "Database username for Cloud IAM service account should be created without "
            f'".gserviceaccount.com" suffix ({name}).'
        )


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
