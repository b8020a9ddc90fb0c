"""operations: get, list (newest first) and cancel. Reading one takes no more than reading its instance."""

from sandbox.apis.sqladmin import routes
from sandbox.apis.sqladmin.resources import in_wrong_state, operation_resource, page
from sandbox.cloudsql.operations import OPERATIONS
from sandbox.core.documents import Json
from sandbox.core.errors import classic
from sandbox.core.routing import Call, Route

LIST_SIZES = (500, 1000)


async def get(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/get."""
    return operation_resource(call, _find(call))


async def list_(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/list."""
    instance = call.query.get("instance")
    found = [record["operation"] for _, record in call.world.store.items(OPERATIONS)]
    found = [operation for operation in reversed(found) if instance in (None, operation["targetId"])]
    resources = [operation_resource(call, operation) for operation in found]
    return {"kind": "sql#operationsList"} | page(call, "items", resources, "maxResults", LIST_SIZES)


async def cancel(call: Call) -> Json:
    """https://cloud.google.com/sql/docs/postgres/admin-api/rest/v1/operations/cancel.

    Google cancels imports and exports alone, which the sandbox has none of; that this is how it refuses is assumed.
    """
    _find(call)
    raise in_wrong_state()


def _find(call: Call) -> Json:
    record = call.world.store.get(OPERATIONS, call.params["operation"])
    if record is None:
        # https://cloud.google.com/sql/docs/postgres/admin-api/error-messages, OPERATION_DOES_NOT_EXIST.
        raise classic(404, "The Cloud SQL instance operation does not exist.", "operationDoesNotExist")
    operation: Json = record["operation"]
    return operation


ROUTES: list[Route] = [
    *routes("GET", "operations", list_, "cloudsql.instances.get"),
    *routes("GET", "operations/{operation}", get, "cloudsql.instances.get"),
    *routes("POST", "operations/{operation}/cancel", cancel, "cloudsql.instances.update"),
]
