"""Changes of IAM that take their time, and writers who get in between: see sandbox/access/propagation.py."""

from typing import Any

from sandbox.access import propagation
from sandbox.core.documents import Json
from sandbox.core.world import World
from sandbox.management import ManagementRoute, RefusedError

UNSEEN = (403, 404)
LONGEST_SECONDS = 3600


async def get(world: World, _: Json) -> Json:
    """The settings as they are now."""
    return propagation.current(world.store)


async def post(world: World, body: Json) -> Json:
    """Any of {"seconds": how long, "unseen_account": 403 or 404, "other_writers": how many of the next reads}.

    `seconds` holds for changes from now on. Each of the next `other_writers` reads of a policy by getIamPolicy is
    followed at once by somebody else's additional binding, so that whoever writes what it read has a stale etag.
    """
    known = propagation.current(world.store)
    if strange := sorted(set(body) - set(known)):
        raise RefusedError(f"There is no setting {', '.join(strange)}: known are {', '.join(known)}.")
    _check_number("seconds", body.get("seconds", 0), LONGEST_SECONDS)
    _check_number("other_writers", body.get("other_writers", 0), 1000)
    if body.get("unseen_account", 404) not in UNSEEN:
        raise RefusedError("unseen_account must be 403 or 404: both are seen of Google's IAM.")
    return propagation.configure(world.store, body)


def _check_number(name: str, value: Any, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise RefusedError(f"{name} must be a number from 0 to {most}, not {value!r}.")


ROUTES = [
    ManagementRoute("GET", "/propagation", get),
    ManagementRoute("POST", "/propagation", post),
]
