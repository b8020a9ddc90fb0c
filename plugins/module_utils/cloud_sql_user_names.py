# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a database user may be called, by the type of the user. Pure.

cloud.google.com/sql/docs/postgres/add-manage-iam-users has the rules of IAM users, /postgres/users the names that Cloud
SQL keeps for itself.
"""

from __future__ import annotations

import re

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import RefusedError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.variables import setting

BUILT_IN = "BUILT_IN"
SERVICE_ACCOUNT = "CLOUD_IAM_SERVICE_ACCOUNT"
USER = "CLOUD_IAM_USER"
GROUP = "CLOUD_IAM_GROUP"
TYPES = (BUILT_IN, SERVICE_ACCOUNT, USER, GROUP)

_SUFFIX = ".gserviceaccount.com"
# PostgreSQL cuts longer ones off in silence (postgresql.org/docs/14/limits.html, identifier length).
_LONGEST = 63
_SYSTEM = {
    "cloudsqladmin",
    "cloudsqlagent",
    "cloudsqliamserviceaccount",
    "cloudsqliamuser",
    "cloudsqlimportexport",
    "cloudsqllogical",
    "cloudsqlreplica",
    "cloudsqlsuperuser",
}
# NAME@PROJECT.iam, and accounts that Google makes: cloud.google.com/iam/docs/service-account-types.
_ACCOUNT = re.compile(r"[a-z0-9-]+@([a-z0-9.-]+\.iam|developer|appspot|cloudservices)")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_WHOSE = {
    SERVICE_ACCOUNT: ("a service account", "mlflow@project.iam.gserviceaccount.com"),
    USER: ("a person", "ada@example.com"),
    GROUP: ("a group", "data-team@example.com"),
}


def database_name(kind: str, given: str) -> str:
    """PostgreSQL's name of a user; of a service account its e-mail without .gserviceaccount.com, as Google wants it."""
    return given.removesuffix(_SUFFIX) if kind == SERVICE_ACCOUNT else given


def check_name(kind: str, given: str) -> None:
    """Raise RefusedError for a name that no user of this type can have."""
    name = database_name(kind, given)
    if kind == BUILT_IN:
        _check_built_in(name)
    else:
        _check_principal(kind, given, name)
    size = len(name.encode())
    if size > _LONGEST and kind == SERVICE_ACCOUNT:
        raise RefusedError(
            f"name {given!r}: the service account's database user would be {name}, which has {size} bytes, and "
            f"PostgreSQL knows names of {_LONGEST} bytes at most: choose an account with a shorter ID"
        )
    if size > _LONGEST:
        raise RefusedError(f"name {name!r}: PostgreSQL knows names of {_LONGEST} bytes at most: use a shorter one")


def _check_built_in(name: str) -> None:
    option = setting("sql_user", "name")
    if name in _SYSTEM or name.startswith("pg_"):
        raise RefusedError(
            f"name {name!r}: Cloud SQL and PostgreSQL keep this name for a role of their own: set {option} to another"
        )


def _check_principal(kind: str, given: str, name: str) -> None:
    whose, example = _WHOSE[kind]
    if kind != SERVICE_ACCOUNT and (given.endswith(_SUFFIX) or _ACCOUNT.fullmatch(given)):
        # Google would make a user that can never log in: GoogleCloudPlatform/cloud-sql-proxy#1013.
        raise RefusedError(f"name {given!r} is a service account's, and type is {kind}: set type to {SERVICE_ACCOUNT}")
    if name != name.lower():
        raise RefusedError(
            f"name {given!r}: a user that stands for {whose} is its e-mail in lower case: write {given.lower()}"
        )
    if not (_ACCOUNT if kind == SERVICE_ACCOUNT else _ADDRESS).fullmatch(name):
        raise RefusedError(
            f"name {given!r}: a user of type {kind} is the e-mail of {whose} in lower case: write it as {example}"
        )
