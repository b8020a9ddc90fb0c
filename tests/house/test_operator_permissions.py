"""docs/provision.md tells an operator to ask for what the code uses: no role or permission more, and none less."""

import re

import yaml
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.permissions import ROLES

from sandbox.access.roles import OPERATOR_ROLES, grants
from tests.house.checkout import ROOT

SECTION = "## What the operator's account needs"
PERMISSION = re.compile(r"\b(?:serviceusage|iam|resourcemanager|cloudsql|secretmanager|storage)\.[a-z]\w+\.\w+")
# What only other playbooks, modules or options use.
NOT_BY_SITE = {
    "cloudsql.backupRuns.create",
    "cloudsql.backupRuns.delete",
    "cloudsql.backupRuns.list",
    "cloudsql.databases.delete",
    "cloudsql.instances.delete",
    "cloudsql.users.delete",
    "secretmanager.secrets.delete",
    "secretmanager.secrets.getIamPolicy",
    "secretmanager.secrets.setIamPolicy",
    "secretmanager.secrets.update",
    "serviceusage.services.disable",
    "storage.buckets.delete",
    "storage.objects.list",
}


def section() -> str:
    return (ROOT / "docs" / "provision.md").read_text().partition(SECTION)[2].partition("\n## ")[0]


def table() -> dict[str, set[str]]:
    """Role -> permissions, of the section's first table."""
    rows = re.findall(r"^\| `(roles/[\w.]+)` \| ([^|]*) \|", section(), re.MULTILINE)
    return {role: set(PERMISSION.findall(used)) for role, used in rows}


def custom_role() -> dict[str, list[str] | str]:
    """The role of one's own, as gcloud takes it."""
    block = re.search(r"```yaml\n(.*?)```", section(), re.DOTALL)
    assert block is not None
    role: dict[str, list[str] | str] = yaml.safe_load(block[1])
    return role


def test_the_page_names_the_operators_roles_in_its_table_and_in_its_command() -> None:
    assert set(table()) == set(OPERATOR_ROLES)
    commanded = re.search(r"^for role in ([\w. ]+); do$", section(), re.MULTILINE)
    assert commanded is not None
    assert {f"roles/{name}" for name in commanded[1].split()} == set(OPERATOR_ROLES)


def test_each_role_holds_what_the_page_says_is_used_of_it() -> None:
    for role, used in table().items():
        assert used, role
        assert [name for name in used if not grants(role, name)] == [], role


def test_the_page_names_every_permission_that_the_playbooks_use() -> None:
    used = {name for role in OPERATOR_ROLES for name in ROLES[role]} - NOT_BY_SITE
    assert set().union(*table().values()) == used
    assert set(custom_role()["includedPermissions"]) == used
