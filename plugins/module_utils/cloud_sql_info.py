# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Google tells about one Cloud SQL instance, for reports."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import list_users
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import InstanceNotRunningError

NOTHING: dict[str, Any] = {"instance": None, "databases": [], "users": []}


def read_all(google: Google, name: str) -> dict[str, Any]:
    """The instance (None if absent), its databases and users (None if it is stopped, when Google does not tell)."""
    instance = cloud_sql.read_instance(google, name)
    if instance is None:
        return NOTHING
    try:
        databases = google.get(cloud_sql.API, f"{cloud_sql.instance_path(google, name)}/databases").get("items", [])
        return {"instance": instance, "databases": databases, "users": list_users(google, name)}
    except InstanceNotRunningError:
        return {"instance": instance, "databases": None, "users": None}
