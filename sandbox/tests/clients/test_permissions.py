"""The table of permissions, row by row through google-api-python-client: refused without, let in with it alone."""

import re
from pathlib import Path

import pytest

from sandbox.core.routing import Route
from sandbox.permissions import guarded_routes
from sandbox.tests.clients.generic import Generic, is_reachable
from sandbox.tests.running import PROJECT, Client, Sandbox
from sandbox.tests.untyped import SCOPE, http_error

TABLE = [route for route in guarded_routes() if route.permission]
ALL = sorted({route.permission or "" for route in TABLE})
# Addresses that are in no discovery document, or not as an address of their own.
UNREACHABLE = {
    r"/(resumable/)?upload/storage/v1/.*": "bytes go up here: google-cloud-storage and gcloud do it",
    r"/download/storage/v1/.*": "bytes come down here too: Google's Go and Java clients ask there",
}
# Asked for by no method alone, but by what is in a call.
BESIDES = {
    "cloudsql.instances.login": "an IAM database login: test_cloud_sql_proxy.py and test_node_connector.py",
    "iam.serviceAccounts.implicitDelegation": "below",
    "serviceusage.services.use": "below",
}
ROOMS = [Path(__file__).parents[2] / room for room in ("apis", "cloudsql")]
NAMED = re.compile(r'"((?:cloudsql|iam|resourcemanager|secretmanager|serviceusage|storage)\.[a-z]\w+\.\w+)"')


@pytest.fixture(scope="module")
def one(sandbox: Sandbox) -> Generic:
    """An account whose custom role `one` holds a single permission."""
    return _holder(sandbox, "one")


@pytest.fixture(scope="module")
def others(sandbox: Sandbox) -> Generic:
    """An account whose custom role `others` holds all permissions but one."""
    return _holder(sandbox, "others")


def _holder(sandbox: Sandbox, role: str) -> Generic:
    return Generic(sandbox.url, sandbox.key_of(sandbox.holder_of(role).email))


def _label(route: Route) -> str:
    return f"{route.permission} {route.method} {route.path}"


@pytest.mark.parametrize("route", [route for route in TABLE if is_reachable(route)], ids=_label)
def test_a_method_needs_its_permission_and_no_other(
    operator: Client, one: Generic, others: Generic, route: Route
) -> None:
    permission = str(route.permission)
    operator.must("PATCH", "roles/one", {"includedPermissions": [permission]})
    operator.must("PATCH", "roles/others", {"includedPermissions": [name for name in ALL if name != permission]})
    status, reason = others.status(route)
    assert status == 403, reason
    assert "permission" in reason.lower() or "not authorized" in reason
    status, reason = one.status(route)
    assert status not in (401, 403), reason


def test_what_the_client_cannot_reach_is_known_and_why() -> None:
    rest = [route for route in TABLE if not is_reachable(route)]
    unexplained = [_label(route) for route in rest if not any(re.fullmatch(path, route.path) for path in UNREACHABLE)]
    assert unexplained == [], "tested by hand in emulator/test_permissions.py"


def test_no_permission_is_forgotten() -> None:
    sources = [path.read_text() for room in ROOMS for path in room.rglob("*.py")]
    named = {name for source in sources for name in NAMED.findall(source) if not name.endswith(".com")}
    assert named - set(ALL) == set(BESIDES)


def test_acting_through_another_account_needs_delegation_on_it(sandbox: Sandbox, operator: Client) -> None:
    middle, target = (
        operator.must("POST", "serviceAccounts", {"accountId": name})["email"]
        for name in ("delegation-middle", "delegation-target")
    )
    operator.bind("roles/iam.serviceAccountTokenCreator", middle)
    operator.must("POST", "roles", {"roleId": "delegates", "role": {"includedPermissions": []}})
    caller = sandbox.account("delegation-caller", f"projects/{PROJECT}/roles/delegates")
    client = Generic(sandbox.url, sandbox.key_of(caller.email)).service("iamcredentials.v1")
    body = {"scope": [SCOPE], "delegates": [f"projects/-/serviceAccounts/{middle}"]}
    call = (
        client.projects().serviceAccounts().generateAccessToken(name=f"projects/-/serviceAccounts/{target}", body=body)
    )
    with pytest.raises(http_error, match=r"iam\.serviceAccounts\.implicitDelegation"):
        call.execute()
    operator.must("PATCH", "roles/delegates", {"includedPermissions": ["iam.serviceAccounts.implicitDelegation"]})
    assert "accessToken" in call.execute()


def test_billing_a_project_needs_its_use(operator: Client, one: Generic) -> None:
    operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "billed-bucket"})
    call = one.service("storage.v1").buckets().get(bucket="billed-bucket", userProject=PROJECT)
    operator.must("PATCH", "roles/one", {"includedPermissions": ["storage.buckets.get"]})
    with pytest.raises(http_error, match=r"serviceusage\.services\.use"):
        call.execute()
    both = ["storage.buckets.get", "serviceusage.services.use"]
    operator.must("PATCH", "roles/one", {"includedPermissions": both})
    assert call.execute()["name"] == "billed-bucket"
