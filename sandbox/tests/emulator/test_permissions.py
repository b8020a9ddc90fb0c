"""The table of permissions: it is complete, it is Google's, and the addresses of uploads obey it.

Every other row is tried in clients/test_permissions.py.
"""

import re
import secrets

import pytest

from sandbox.access.roles import PERMISSIONS, grants
from sandbox.core.documents import Json
from sandbox.core.routing import Route
from sandbox.permissions import guarded_routes
from sandbox.tests.clients.generic import sample_path
from sandbox.tests.running import PROJECT, Client, Sandbox

TABLE = [route for route in guarded_routes() if route.permission]
BYTES = re.compile(r"/(download|upload|resumable/upload)/.*")
ALL = sorted({route.permission or "" for route in TABLE})


@pytest.fixture(scope="module")
def one(sandbox: Sandbox) -> Client:
    """An account whose custom role `one` holds a single permission."""
    return sandbox.holder_of("one")


@pytest.fixture(scope="module")
def others(sandbox: Sandbox) -> Client:
    """An account whose custom role `others` holds all permissions but one."""
    return sandbox.holder_of("others")


def _path(route: Route) -> str:
    path = sample_path(route)
    return path if path.startswith("/download/") else f"{path}?uploadType=media&name=nothing"


def _label(route: Route) -> str:
    return f"{route.permission} {route.method} {route.path}"


@pytest.mark.parametrize("route", [route for route in TABLE if BYTES.fullmatch(route.path)], ids=_label)
def test_an_address_of_bytes_needs_its_permission_and_no_other(
    operator: Client, one: Client, others: Client, route: Route
) -> None:
    permission = str(route.permission)
    operator.must("PATCH", "roles/one", {"includedPermissions": [permission]})
    operator.must("PATCH", "roles/others", {"includedPermissions": [name for name in ALL if name != permission]})
    path = _path(route)
    if "upload/" in route.path and route.method != "POST":
        path = f"{path}&upload_id={_session(operator)}"
    body: Json | None = None if route.method == "GET" else {}
    refused, let_in = others.call(route.method, path, body), one.call(route.method, path, body)
    assert refused.status == 403, refused.body
    assert "permission" in refused.message.lower() or "not authorized" in refused.message
    assert let_in.status not in (401, 403), let_in.body


def _session(operator: Client) -> str:
    operator.call("POST", f"/storage/v1/b?project={PROJECT}", {"name": "sessions"})
    path = f"/upload/storage/v1/b/sessions/o?uploadType=resumable&name={secrets.token_hex(4)}"
    return operator.call("POST", path, {}).headers["X-GUploader-UploadID"]


# Google asks for no permission: what one holds oneself, what is the same for all, and lists of what one may get.
FREE = {
    "buckets/testIamPermissions",
    "flags/list",
    "permissions/queryTestablePermissions",
    "projects/list",
    "projects/search",
    "projects/testIamPermissions",
    "roles/get",
    "roles/list",
    "secrets/testIamPermissions",
    "serviceAccounts/testIamPermissions",
}


def _method(route: Route) -> str:
    """COLLECTION/METHOD, as the URL of Google's reference at the beginning of the handler's docstring ends."""
    url = (route.handler.__doc__ or "").partition("\n")[0].partition(" ")[0].rstrip(".:")
    return "/".join(url.split("/")[-2:]).rpartition(".")[2]


def test_every_guarded_route_has_a_permission_or_a_reason_to_need_none() -> None:
    free = [route for route in guarded_routes() if not route.permission]
    for route in free:
        assert _method(route) in FREE, _label(route)


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
    "connect/resolve": "cloudsql.instances.connect",
    # Cloud SQL has no permission for operations or tiers.
    "cloudsql operations/get": "cloudsql.instances.get",
    "cloudsql operations/list": "cloudsql.instances.get",
    "cloudsql operations/cancel": "cloudsql.instances.update",
    "tiers/list": "cloudsql.instances.list",
    # A backup of the project is mapped to its backup run for IAM (Backup.backupRun in the discovery document).
    "Backups/CreateBackup": "cloudsql.backupRuns.create",
    "Backups/ListBackups": "cloudsql.backupRuns.list",
    "Backups/GetBackup": "cloudsql.backupRuns.get",
    "Backups/UpdateBackup": "cloudsql.backupRuns.update",
    "Backups/DeleteBackup": "cloudsql.backupRuns.delete",
    "secrets/addVersion": "secretmanager.versions.add",
    "projects/getAncestry": "resourcemanager.projects.get",
    "serviceAccounts/generateAccessToken": "iam.serviceAccounts.getAccessToken",
    "buckets/getStorageLayout": "storage.objects.list",
    "buckets/lockRetentionPolicy": "storage.buckets.update",
    "bucketAccessControls/list": "storage.buckets.getIamPolicy",
    "bucketAccessControls/insert": "storage.buckets.setIamPolicy",
    "defaultObjectAccessControls/list": "storage.buckets.getIamPolicy",
    "objectAccessControls/list": "storage.objects.getIamPolicy",
    "objectAccessControls/insert": "storage.objects.setIamPolicy",
    # Of the destination; for the sources the handler asks for get.
    "objects/compose": "storage.objects.create",
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
