"""databases: insert, get, list, delete. PostgreSQL itself is the truth, so what SQL made is listed too."""

import hashlib

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.actions import act, ask, refuse_if_busy
from sandbox.apis.sqladmin.resources import find_instance, invalid, project_link
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

# The only pair that Cloud SQL for PostgreSQL accepts.
CHARSET, COLLATION = "UTF8", "en_US.UTF8"
LONGEST_NAME = 63


async def insert(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/databases/insert."""
    body = await call.body()
    refuse_if_busy(call)
    name = str(body.get("name", ""))
    charset, collation = body.get("charset") or CHARSET, body.get("collation") or COLLATION
    # Wording ours, but for PostgreSQL's own part: Google's texts are not known.
    if not name or len(name.encode()) > LONGEST_NAME:
        raise invalid(f"Invalid database name ({name}).")
    if charset.upper() != CHARSET or collation.lower() != COLLATION.lower():
        raise invalid(
            f"failed to create database {name}. Only charset {CHARSET} with collation {COLLATION} is accepted."
        )
    if name in await _names(call):
        # PostgreSQL's own words after "pq:"; wording ours before.
        raise invalid(f'failed to create database {name}. Detail: pq: database "{name}" already exists')
    failed, link = f"create database {name}", _link(call, name)
    return await act(call, "CREATE_DATABASE", failed, lambda c: c.create_database(name), targetLink=link)


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/databases/get."""
    name = call.params["database"]
    if name not in await _names(call):
        raise _missing(name)
    return _resource(call, name)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/databases/list (not paged)."""
    return {"kind": "sql#databasesList", "items": [_resource(call, name) for name in await _names(call)]}


async def delete(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/databases/delete."""
    name = call.params["database"]
    refuse_if_busy(call)
    if name not in await _names(call):
        raise _missing(name)
    failed, link = f"drop database {name}", _link(call, name)
    return await act(call, "DELETE_DATABASE", failed, lambda c: c.drop_database(name), targetLink=link)


def _link(call: Call, name: str) -> str:
    return f"instances/{find_instance(call)['name']}/databases/{name}"


async def _names(call: Call) -> list[str]:
    return [database.name for database in await ask(call, lambda cluster: cluster.databases())]


def _missing(name: str) -> Exception:
    # Shape and text as in KCC's golden logs (a mock): Google's own text is not known.
    error = classic(404, f'Not Found: database "{name}" does not exist.', "notFound")
    error.body["error"]["status"] = "NOT_FOUND"
    return error


def _resource(call: Call, name: str) -> Json:
    instance = find_instance(call)["name"]
    return {
        "kind": "sql#database",
        "name": name,
        "charset": CHARSET,
        "collation": COLLATION,
        "instance": instance,
        "project": call.project,
        "selfLink": f"{project_link(call)}/instances/{instance}/databases/{name}",
        "etag": hashlib.sha256(f"{instance}/{name}".encode()).hexdigest(),
    }


ROUTES: list[Route] = [
    *routes("POST", "instances/{instance}/databases", insert, "cloudsql.databases.create"),
    *routes("GET", "instances/{instance}/databases", list_, "cloudsql.databases.list"),
    *routes("GET", "instances/{instance}/databases/{database}", get, "cloudsql.databases.get"),
    *routes("DELETE", "instances/{instance}/databases/{database}", delete, "cloudsql.databases.delete"),
]
