"""Role -> permissions, for the roles this project meets. Any other role can be bound and grants nothing here.

Source of each row: the role's page below https://cloud.google.com/iam/docs/roles-permissions/ (cloudsql, secretmanager,
storage, iam, resourcemanager, serviceusage), compared with the roles as the IAM API listed them in August 2026 and cut
down to the permissions that somebody asks for here: a route, a login, or a caller of testIamPermissions.
"""

from fnmatch import fnmatchcase

from sandbox.core.store import Store

CUSTOM_ROLES = "custom_roles"

SQL_READ = (
    "cloudsql.backupRuns.get",
    "cloudsql.backupRuns.list",
    "cloudsql.instances.get",
    "cloudsql.instances.list",
    "cloudsql.databases.get",
    "cloudsql.databases.list",
    "cloudsql.users.get",
    "cloudsql.users.list",
)
SECRET_READ = (
    "secretmanager.secrets.get",
    "secretmanager.secrets.list",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.versions.get",
    "secretmanager.versions.list",
)
OBJECT_USE = (
    "storage.objects.create",
    "storage.objects.delete",
    "storage.objects.get",
    "storage.objects.list",
    "storage.objects.restore",
    "storage.objects.update",
)
SERVICE_READ = ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.operations.get")
SERVICE_LIST = ("serviceusage.services.get", "serviceusage.services.list")
PROJECT_READ = ("resourcemanager.projects.get",)
PROJECT_POLICY_READ = ("resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy")
ACCOUNT_READ = ("iam.serviceAccounts.get", "iam.serviceAccounts.list")
VIEWER = (
    *SQL_READ,
    *SECRET_READ,
    *SERVICE_READ,
    *PROJECT_POLICY_READ,
    *ACCOUNT_READ,
    "iam.roles.get",
    "iam.roles.list",
    "iam.serviceAccounts.getIamPolicy",
    "iam.serviceAccountKeys.get",
    "iam.serviceAccountKeys.list",
    "storage.buckets.list",
)

PERMISSIONS: dict[str, tuple[str, ...]] = {
    # Basic roles. An editor changes neither policies nor secrets' payloads.
    "roles/owner": ("*",),
    "roles/editor": (
        *VIEWER,
        "cloudsql.*",
        "storage.buckets.create",
        "storage.buckets.delete",
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.update",
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.disable",
        "iam.serviceAccounts.enable",
        "iam.serviceAccounts.actAs",
        "iam.serviceAccountKeys.*",
        "secretmanager.secrets.create",
        "secretmanager.secrets.update",
        "secretmanager.secrets.delete",
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
        "secretmanager.versions.disable",
        "secretmanager.versions.enable",
        "serviceusage.services.enable",
        "serviceusage.services.disable",
        "serviceusage.services.use",
    ),
    "roles/viewer": VIEWER,
    "roles/browser": PROJECT_POLICY_READ,
    # Cloud SQL
    "roles/cloudsql.admin": ("cloudsql.*", *SERVICE_LIST, *PROJECT_READ),
    "roles/cloudsql.editor": (
        *SQL_READ,
        # Not backupRuns.delete: terraform-google-modules/terraform-google-sql-db#618.
        "cloudsql.backupRuns.create",
        "cloudsql.instances.connect",
        "cloudsql.instances.restart",
        "cloudsql.instances.update",
        "cloudsql.databases.create",
        *SERVICE_LIST,
        *PROJECT_READ,
    ),
    "roles/cloudsql.viewer": (*SQL_READ, *SERVICE_LIST, *PROJECT_READ),
    "roles/cloudsql.client": ("cloudsql.instances.connect", "cloudsql.instances.get"),
    "roles/cloudsql.instanceUser": ("cloudsql.instances.get", "cloudsql.instances.login"),
    # Secret Manager
    "roles/secretmanager.admin": ("secretmanager.*", *PROJECT_READ),
    "roles/secretmanager.viewer": (*SECRET_READ, *PROJECT_READ),
    "roles/secretmanager.secretAccessor": ("secretmanager.versions.access", *PROJECT_READ),
    "roles/secretmanager.secretVersionAdder": ("secretmanager.versions.add", *PROJECT_READ),
    "roles/secretmanager.secretVersionManager": (
        "secretmanager.versions.add",
        "secretmanager.versions.destroy",
        "secretmanager.versions.disable",
        "secretmanager.versions.enable",
        "secretmanager.versions.get",
        "secretmanager.versions.list",
        *PROJECT_READ,
    ),
    # Cloud Storage
    "roles/storage.admin": ("storage.*", *PROJECT_READ),
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.objectAdmin": (
        *OBJECT_USE,
        "storage.managedFolders.list",
        "storage.objects.getIamPolicy",
        "storage.objects.setIamPolicy",
        *PROJECT_READ,
    ),
    "roles/storage.objectUser": (*OBJECT_USE, "storage.managedFolders.list", *PROJECT_READ),
    "roles/storage.objectViewer": (
        "storage.managedFolders.list",
        "storage.objects.get",
        "storage.objects.list",
        *PROJECT_READ,
    ),
    "roles/storage.objectCreator": ("storage.objects.create", *PROJECT_READ),
    "roles/storage.legacyBucketOwner": (
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.update",
        "storage.managedFolders.list",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketWriter": (
        "storage.buckets.get",
        "storage.managedFolders.list",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketReader": ("storage.buckets.get", "storage.managedFolders.list", "storage.objects.list"),
    "roles/storage.legacyObjectOwner": (
        "storage.objects.get",
        "storage.objects.getIamPolicy",
        "storage.objects.setIamPolicy",
        "storage.objects.update",
    ),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    # IAM, Resource Manager, Service Usage
    "roles/iam.serviceAccountAdmin": (
        *ACCOUNT_READ,
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.delete",
        "iam.serviceAccounts.disable",
        "iam.serviceAccounts.enable",
        "iam.serviceAccounts.getIamPolicy",
        "iam.serviceAccounts.setIamPolicy",
        "iam.serviceAccounts.undelete",
        "iam.serviceAccounts.update",
        *PROJECT_READ,
    ),
    "roles/iam.serviceAccountCreator": ("iam.serviceAccounts.create", *ACCOUNT_READ, *PROJECT_READ),
    "roles/iam.serviceAccountKeyAdmin": (
        "iam.serviceAccountKeys.create",
        "iam.serviceAccountKeys.delete",
        "iam.serviceAccountKeys.disable",
        "iam.serviceAccountKeys.enable",
        "iam.serviceAccountKeys.get",
        "iam.serviceAccountKeys.list",
        *ACCOUNT_READ,
        *PROJECT_READ,
    ),
    "roles/iam.serviceAccountTokenCreator": (
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.implicitDelegation",
        *ACCOUNT_READ,
        *PROJECT_READ,
    ),
    "roles/iam.serviceAccountUser": ("iam.serviceAccounts.actAs", *ACCOUNT_READ, *PROJECT_READ),
    "roles/iam.roleAdmin": (
        "iam.roles.create",
        "iam.roles.delete",
        "iam.roles.get",
        "iam.roles.list",
        "iam.roles.undelete",
        "iam.roles.update",
        *PROJECT_POLICY_READ,
    ),
    "roles/resourcemanager.projectIamAdmin": (*PROJECT_POLICY_READ, "resourcemanager.projects.setIamPolicy"),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*",),
    "roles/serviceusage.serviceUsageViewer": SERVICE_READ,
    "roles/serviceusage.serviceUsageConsumer": (*SERVICE_READ, "serviceusage.services.use"),
}

# What an owner's wildcard does not hold. A project's owner reads its buckets through the legacy roles bound on each.
NOT_OWNED = frozenset(
    {
        "iam.serviceAccounts.getAccessToken",
        "iam.serviceAccounts.implicitDelegation",
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.update",
        *OBJECT_USE,
        "storage.objects.getIamPolicy",
        "storage.objects.setIamPolicy",
    }
)

OPERATOR_ROLES = (
    "roles/cloudsql.admin",
    "roles/secretmanager.admin",
    "roles/storage.admin",
    "roles/iam.serviceAccountCreator",
    "roles/resourcemanager.projectIamAdmin",
    "roles/serviceusage.serviceUsageAdmin",
)
"""What the operator of a fresh sandbox holds on the project, and docs/provision.md tells an operator to ask for.

The smallest set of Google's own roles that has every permission that site.yml uses.
"""


def grants(role: str, permission: str) -> bool:
    """Whether holding one of Google's own roles gives the permission."""
    if role == "roles/owner" and permission in NOT_OWNED:
        return False
    return any(fnmatchcase(permission, pattern) for pattern in PERMISSIONS.get(role, ()))


def gives(store: Store, role: str, permission: str) -> bool:
    """Whether holding any role, a custom one of the project too, gives the permission."""
    custom = store.get(CUSTOM_ROLES, role)
    if custom is None:
        return grants(role, permission)
    return not custom.get("deleted") and permission in custom.get("includedPermissions", [])
