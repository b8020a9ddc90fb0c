"""Short operations on a running instance's PostgreSQL (databases, users): they come back DONE."""

from collections.abc import Callable

from sandbox.apis.sqladmin.resources import busy, find_instance, not_running, operation_resource, refuse_busy, refused
from sandbox.cloudsql.engine import NotRunningError, Result
from sandbox.cloudsql.operations import BusyError
from sandbox.core.documents import Json
from sandbox.core.routing import Call
from sandbox.postgres.cluster import Cluster
from sandbox.postgres.processes import ClusterError


def refuse_if_busy(call: Call) -> None:
    """409 while an operation runs on the instance; for writers that look before they act."""
    refuse_busy(call, find_instance(call)["name"])


async def ask(call: Call, question: Callable[[Cluster], Result]) -> Result:
    """Read something from the instance's PostgreSQL."""
    record = find_instance(call)
    try:
        return await call.world.engine.run(record["name"], question)
    except NotRunningError as error:
        raise not_running() from error
    except ClusterError as error:
        raise refused("read the instance", error) from error


async def act(call: Call, kind: str, action: str, work: Callable[[Cluster], None], **fields: str) -> Json:
    """Change something there; `action` says what failed if PostgreSQL refuses. `fields`: what the operation shows."""
    record = find_instance(call)
    engine = call.world.engine
    try:
        operation = await engine.operations.act(
            kind, record["name"], call.principal, lambda: engine.run(record["name"], work), **fields
        )
    except BusyError as error:
        raise busy(error) from error
    except NotRunningError as error:
        raise not_running() from error
    except ClusterError as error:
        raise refused(action, error) from error
    return operation_resource(call, operation)
