"""roles: get, list; permissions: queryTestablePermissions. Google's own roles, as far as the sandbox holds them.

What they hold: sandbox/access/roles.py. Titles are Google's (https://cloud.google.com/iam/docs/roles-permissions);
descriptions are left out.
"""

import functools

from sandbox.access.roles import PERMISSIONS, grants
from sandbox.apis.iam import API
from sandbox.core.documents import Json
from sandbox.core.errors import modern
from sandbox.core.routing import Call, Route, collect

LIST_SIZE, LONGEST_LIST = 300, 1000
DEFAULT_PERMISSIONS = 100
# Every predefined role has this one in public recordings.
ETAG = "AA=="
TITLES = {
    "browser": "Browser",
    "cloudsql.admin": "Cloud SQL Admin",
    "cloudsql.client": "Cloud SQL Client",
    "cloudsql.editor": "Cloud SQL Editor",
    "cloudsql.instanceUser": "Cloud SQL Instance User",
    "cloudsql.viewer": "Cloud SQL Viewer",
    "editor": "Editor",
    "iam.roleAdmin": "Role Administrator",
    "iam.serviceAccountAdmin": "Service Account Admin",
    "iam.serviceAccountCreator": "Create Service Accounts",
    "iam.serviceAccountKeyAdmin": "Service Account Key Admin",
    "iam.serviceAccountTokenCreator": "Service Account Token Creator",
    "iam.serviceAccountUser": "Service Account User",
    "owner": "Owner",
    "resourcemanager.projectIamAdmin": "Project IAM Admin",
    "secretmanager.admin": "Secret Manager Admin",
    "secretmanager.secretAccessor": "Secret Manager Secret Accessor",
    "secretmanager.secretVersionAdder": "Secret Manager Secret Version Adder",
    "secretmanager.secretVersionManager": "Secret Manager Secret Version Manager",
    "secretmanager.viewer": "Secret Manager Viewer",
    "serviceusage.serviceUsageAdmin": "Service Usage Admin",
    "serviceusage.serviceUsageConsumer": "Service Usage Consumer",
    "serviceusage.serviceUsageViewer": "Service Usage Viewer",
    "storage.admin": "Storage Admin",
    "storage.bucketViewer": "Storage Bucket Viewer",
    "storage.legacyBucketOwner": "Storage Legacy Bucket Owner",
    "storage.legacyBucketReader": "Storage Legacy Bucket Reader",
    "storage.legacyBucketWriter": "Storage Legacy Bucket Writer",
    "storage.legacyObjectOwner": "Storage Legacy Object Owner",
    "storage.legacyObjectReader": "Storage Legacy Object Reader",
    "storage.objectAdmin": "Storage Object Admin",
    "storage.objectCreator": "Storage Object Creator",
    "storage.objectUser": "Storage Object User",
    "storage.objectViewer": "Storage Object Viewer",
    "viewer": "Viewer",
}


async def get(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/roles/get: anybody may."""
    name = f"roles/{call.params['role']}"
    if name not in PERMISSIONS:
        # Wording ours: no recording was found.
        raise modern(404, f"The role named {name} was not found.")
    return _resource(name, whole=True)


async def list_(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/roles/list: anybody may."""
    whole = call.query.get("view") == "FULL"
    return page(call, [_resource(name, whole=whole) for name in sorted(PERMISSIONS)])


async def query_testable_permissions(call: Call) -> Json:
    """https://cloud.google.com/iam/docs/reference/rest/v1/permissions/queryTestablePermissions: all that are known."""
    body = await call.body({"pageSize": int, "pageToken": int})
    size, start = body.get("pageSize") or DEFAULT_PERMISSIONS, body.get("pageToken") or 0
    found = [{"name": name, "stage": "GA"} for name in known_permissions()]
    answer: Json = {"permissions": found[start : start + size]}
    return answer | ({"nextPageToken": str(start + size)} if start + size < len(found) else {})


def page(call: Call, roles: list[Json]) -> Json:
    """The answer to a list of roles."""
    return call.page("roles", roles, default=LIST_SIZE, most=LONGEST_LIST)


@functools.cache
def known_permissions() -> tuple[str, ...]:
    """Every permission that a route asks for or a role names."""
    asked = {route.permission for route in collect("sandbox.apis") if route.permission}
    named = {name for permissions in PERMISSIONS.values() for name in permissions if "*" not in name}
    return tuple(sorted(asked | named))


def _resource(name: str, *, whole: bool) -> Json:
    role: Json = {"name": name, "title": TITLES.get(name.removeprefix("roles/"), name), "stage": "GA", "etag": ETAG}
    held = [permission for permission in known_permissions() if grants(name, permission)] if whole else []
    return role | ({"includedPermissions": held} if held else {})


ROUTES = [
    Route("GET", "/v1/roles", list_, API),
    Route("GET", "/v1/roles/{role}", get, API),
    Route("POST", "/v1/permissions:queryTestablePermissions", query_testable_permissions, API, mutating=False),
]
