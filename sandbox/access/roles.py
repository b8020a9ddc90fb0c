"""Role -> permissions, for the roles this project meets. Any other role can be bound and grants nothing here.

Source of each row: the role's page below https://cloud.google.com/iam/docs/roles-permissions/ (cloudsql, secretmanager,
storage, iam, resourcemanager, serviceusage), cut down to the permissions that a route of the sandbox asks for.
"""

from fnmatch import fnmatchcase

SQL_READ = (
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
    "storage.objects.update",
)
SERVICE_READ = ("serviceusage.services.get", "serviceusage.services.list", "serviceusage.operations.get")
PROJECT_READ = ("resourcemanager.projects.get",)
PROJECT_POLICY_READ = ("resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy")
ACCOUNT_READ = ("iam.serviceAccounts.get", "iam.serviceAccounts.list", "iam.serviceAccountKeys.list")
VIEWER = (
    *SQL_READ,
    *SECRET_READ,
    *SERVICE_READ,
    *PROJECT_POLICY_READ,
    *ACCOUNT_READ,
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
    ),
    "roles/viewer": VIEWER,
    "roles/browser": PROJECT_POLICY_READ,
    # Cloud SQL
    "roles/cloudsql.admin": ("cloudsql.*", *PROJECT_READ),
    "roles/cloudsql.editor": (
        *SQL_READ,
        "cloudsql.instances.connect",
        "cloudsql.instances.restart",
        "cloudsql.instances.update",
        "cloudsql.databases.create",
        "cloudsql.databases.delete",
        *PROJECT_READ,
    ),
    "roles/cloudsql.viewer": (*SQL_READ, *PROJECT_READ),
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
    "roles/storage.admin": ("storage.*",),
    "roles/storage.bucketViewer": ("storage.buckets.get", "storage.buckets.list"),
    "roles/storage.objectAdmin": (*OBJECT_USE, "storage.objects.getIamPolicy", "storage.objects.setIamPolicy"),
    "roles/storage.objectUser": OBJECT_USE,
    "roles/storage.objectViewer": ("storage.objects.get", "storage.objects.list"),
    "roles/storage.objectCreator": ("storage.objects.create",),
    "roles/storage.legacyBucketOwner": (
        "storage.buckets.get",
        "storage.buckets.getIamPolicy",
        "storage.buckets.setIamPolicy",
        "storage.buckets.update",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketWriter": (
        "storage.buckets.get",
        "storage.objects.create",
        "storage.objects.delete",
        "storage.objects.list",
    ),
    "roles/storage.legacyBucketReader": ("storage.buckets.get", "storage.objects.list"),
    "roles/storage.legacyObjectOwner": (
        "storage.objects.get",
        "storage.objects.getIamPolicy",
        "storage.objects.setIamPolicy",
        "storage.objects.update",
    ),
    "roles/storage.legacyObjectReader": ("storage.objects.get",),
    # IAM, Resource Manager, Service Usage
    "roles/iam.serviceAccountAdmin": ("iam.serviceAccounts.*", *PROJECT_READ),
    "roles/iam.serviceAccountCreator": (
        "iam.serviceAccounts.create",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
        *PROJECT_READ,
    ),
    "roles/iam.serviceAccountKeyAdmin": (
        "iam.serviceAccountKeys.create",
        "iam.serviceAccountKeys.delete",
        "iam.serviceAccountKeys.list",
        "iam.serviceAccounts.get",
        "iam.serviceAccounts.list",
        *PROJECT_READ,
    ),
    "roles/iam.serviceAccountTokenCreator": ("iam.serviceAccounts.getAccessToken", *PROJECT_READ),
    "roles/resourcemanager.projectIamAdmin": (*PROJECT_POLICY_READ, "resourcemanager.projects.setIamPolicy"),
    "roles/serviceusage.serviceUsageAdmin": ("serviceusage.*", *PROJECT_READ),
    "roles/serviceusage.serviceUsageViewer": (*SERVICE_READ, *PROJECT_READ),
    "roles/serviceusage.serviceUsageConsumer": (*SERVICE_READ, "serviceusage.services.use", *PROJECT_READ),
}

# What serviceAccountAdmin's wildcard above must not hand out: acting as the account is another role's.
NOT_ADMINISTRATION = frozenset({"iam.serviceAccounts.getAccessToken"})

OPERATOR_ROLES = (
    "roles/cloudsql.admin",
    "roles/secretmanager.admin",
    "roles/storage.admin",
    "roles/iam.serviceAccountAdmin",
    "roles/resourcemanager.projectIamAdmin",
    "roles/serviceusage.serviceUsageAdmin",
)
"""What the operator of a fresh sandbox holds on the project: least privilege for everything that site.yml does."""


def grants(role: str, permission: str) -> bool:
    """Whether holding `role` gives `permission`."""
    if role == "roles/iam.serviceAccountAdmin" and permission in NOT_ADMINISTRATION:
        return False
    return any(fnmatchcase(permission, pattern) for pattern in PERMISSIONS.get(role, ()))
