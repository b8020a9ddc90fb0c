"""After all other tests: every emulated method was called with success, so its reply was held against its schema."""

from pathlib import Path

import pytest

from sandbox.core.routing import Route, collect
from sandbox.tests.clients import gcloud
from sandbox.tests.conformance import exchanges
from sandbox.tests.running import Sandbox

FOLDER = Path(__file__).parents[1]
# 499 is how an upload is cancelled: https://cloud.google.com/storage/docs/performing-resumable-uploads#cancel-upload.
SUCCESS = {*range(exchanges.FAILED), 499}
# Google cancels imports and exports alone, which the sandbox does not have: it has nothing to say but no.
REFUSES = {"POST /v1/projects/{project}/operations/{operation}/cancel"}
JUDGES = {path for folder in ("emulator", "clients") for path in (FOLDER / folder).glob("test_*.py")}


@pytest.mark.last
def test_every_route_has_answered(request: pytest.FixtureRequest, running_sandbox: Sandbox) -> None:
    if JUDGES - {item.path for item in request.session.items} or gcloud.PROGRAM is None:
        pytest.skip("NOT TESTED: whether every route's reply fits its schema needs all sandbox tests, and gcloud")
    routes = collect("sandbox.apis")
    answered = {
        _name(route)
        for exchange in exchanges.read(running_sandbox.exchanges)
        if exchange.status in SUCCESS and (route := exchanges.route_of(exchange, routes))
    }
    silent = sorted({_name(route) for route in routes if route.api} - answered - REFUSES)
    assert not silent, "No test calls these with success:\n" + "\n".join(silent)


def _name(route: Route) -> str:
    """The method; Cloud SQL's two versions have one handler and one schema each."""
    return f"{route.method} {route.path.replace('/sql/v1beta4/', '/v1/')}"
