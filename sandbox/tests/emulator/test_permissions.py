"""The table of permissions, row by row over HTTP: refused with everything but the permission, let in with it alone."""

import re
import secrets

import pytest

from sandbox.access.roles import PERMISSIONS, grants
from sandbox.core.documents import Json
from sandbox.core.routing import Route
from sandbox.permissions import guarded_routes
from sandbox.tests.running import PROJECT, Client, Sandbox

TABLE = [route for route in guarded_routes() if route.permission]
ALL = sorted({route.permission or "" for route in TABLE})
NAMES = {
    "project": PROJECT,
    "bucket": "no-such-bucket",
    "service": "compute.googleapis.com",
    "email": "no-such-account",
}
# A body that changes nothing even where the call is let in: a policy under an etag that nobody has.
STALE: Json = {"policy": {"etag": "AAAA"}, "etag": "AAAA"}


@pytest.fixture(scope="module")
def one(sandbox: Sandbox) -> Client:
    """An account whose custom role `one` holds a single permission."""
    return _holder(sandbox, "one")


@pytest.fixture(scope="module")
def others(sandbox: Sandbox) -> Client:
    """An account whose custom role `others` holds all permissions but one."""
    return _holder(sandbox, "others")


def _holder(sandbox: Sandbox, role: str) -> Client:
    operator = sandbox.operator
    operator.bind("roles/iam.roleAdmin", operator.email)
    operator.must("POST", "roles", {"roleId": role, "role": {"includedPermissions": []}})
    return sandbox.account(f"holder-of-{role}", f"projects/{PROJECT}/roles/{role}")


def _path(route: Route) -> str:
    path = re.sub(r"\{(\w+)\+?\}", lambda name: NAMES.get(name[1], "nothing"), route.path)
    return f"{path}?uploadType=media&name=nothing" if path.startswith(("/upload/", "/resumable/")) else path


def _label(route: Route) -> str:
    return f"{route.permission} {route.method} {route.path}"


@pytest.mark.parametrize("route", TABLE, ids=_label)
def test_a_method_needs_its_permission_and_no_other(
    operator: Client, one: Client, others: Client, route: Route
) -> None:
    permission = str(route.permission)
    operator.must("PATCH", "roles/one", {"includedPermissions": [permission]})
    operator.must("PATCH", "roles/others", {"includedPermissions": [name for name in ALL if name != permission]})
    path = _path(route)
    if route.path.startswith(("/upload/", "/resumable/")) and route.method != "POST":
        path = f"{path}&upload_id={_session(operator)}"
    body = None if route.method == "GET" else STALE
    refused, let_in = others.call(route.method, path, body), one.call(route.method, path, body)
    assert refused.status == 403, refused.body
    assert "permission" in refused.message.lower() or "not authorized" in refused.message
    assert let_in.status not in (401, 403), let_in.body


def _session(operator: Client) -> str:
    operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "sessions"})
    path = f"/upload/storage/v1/b/sessions/o?uploadType=resumable&name={secrets.token_hex(4)}"
    return operator.call("POST", path, {}).headers["X-GUploader-UploadID"]


def test_every_guarded_route_has_a_permission_or_a_reason_to_need_none() -> None:
    free = [route for route in guarded_routes() if not route.permission]
    for route in free:
        asks_about_itself = route.handler.__name__ in ("test", "test_iam_permissions")
        assert asks_about_itself or route.handler.__name__ in ("list_flags",), _label(route)


def test_every_permission_is_in_a_role_and_every_api_names_its_source() -> None:
    specific = {role for role in PERMISSIONS if role != "roles/owner"}
    assert [name for name in ALL if not any(grants(role, name) for role in specific)] == []
    sources = {route.api.permissions for route in guarded_routes() if route.api}
    assert all(source.startswith("https://cloud.google.com/") for source in sources)


# Method in the reference -> permission, where it is not simply SERVICE.COLLECTION.METHOD (see the APIs' `permissions`).
VERBS = {"insert": "create", "patch": "update", "batchGet": "get", "batchEnable": "enable"}
COLLECTIONS = {"keys": "serviceAccountKeys"}
NAMED_OTHERWISE = {
    "connect/get": "cloudsql.instances.connect",
    "connect/generateEphemeralCert": "cloudsql.instances.connect",
    # Cloud SQL has no permission for operations or tiers.
    "cloudsql operations/get": "cloudsql.instances.get",
    "cloudsql operations/list": "cloudsql.instances.get",
    "tiers/list": "cloudsql.instances.list",
    "secrets/addVersion": "secretmanager.versions.add",
    "serviceAccounts/generateAccessToken": "iam.serviceAccounts.getAccessToken",
    "buckets/getStorageLayout": "storage.objects.list",
    # Of the source; for the destination the handler asks for create.
    "objects/copy": "storage.objects.get",
    "objects/rewrite": "storage.objects.get",
}
SERVICES = {"sqladmin": "cloudsql", "cloudresourcemanager": "resourcemanager", "iamcredentials": "iam"}


def documented(route: Route) -> str | None:
    """The permission that the method's name in Google's reference (the handler's docstring) stands for."""
    url = (route.handler.__doc__ or "").partition("\n")[0].partition(" ")[0].rstrip(".:")
    if not url.startswith("https://") or route.api is None:
        return None
    *_, collection, method = url.split("/")
    collection = collection.rpartition(".")[2]
    api = route.api.service.partition(".")[0]
    service = SERVICES.get(api, api)
    for name in (f"{collection}/{method}", f"{service} {collection}/{method}"):
        if name in NAMED_OTHERWISE:
            return NAMED_OTHERWISE[name]
    return f"{service}.{COLLECTIONS.get(collection, collection)}.{VERBS.get(method, method)}"


def test_each_methods_permission_is_the_one_that_its_reference_names() -> None:
    uploads = [route for route in TABLE if "upload" in route.path]
    assert {route.permission for route in uploads} == {"storage.objects.create"}
    others = [route for route in TABLE if route not in uploads]
    wrong = {_label(route): documented(route) for route in others if documented(route) != route.permission}
    assert wrong == {}
