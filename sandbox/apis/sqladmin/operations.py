"""operations: get and list (newest first). Reading one takes no more than reading its instance."""

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.resources import operation_resource
from sandbox.cloudsql.operations import OPERATIONS
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

LIST_SIZE = 500


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/get."""
    record = call.world.store.get(OPERATIONS, call.params["operation"])
    if record is None:
        raise classic(404, "The Cloud SQL instance operation does not exist.", "operationDoesNotExist")
    return operation_resource(call, record["operation"])


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/list."""
    instance = call.query.get("instance")
    found = [record["operation"] for _, record in call.world.store.items(OPERATIONS)]
    found = [operation for operation in reversed(found) if instance in (None, operation["targetId"])]
    size, start = call.page_size("maxResults", LIST_SIZE), int(call.query.get("pageToken") or 0)
    answer: Json = {"kind": "sql#operationsList"}
    if page := found[start : start + size]:
        answer["items"] = [operation_resource(call, operation) for operation in page]
    if start + size < len(found):
        answer["nextPageToken"] = str(start + size)
    return answer


ROUTES: list[Route] = [
    *routes("GET", "operations", list_, "cloudsql.instances.get"),
    *routes("GET", "operations/{operation}", get, "cloudsql.instances.get"),
]
