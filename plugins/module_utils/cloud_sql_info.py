# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that Google tells about one Cloud SQL instance, for reports and as variables of an inventory."""

from __future__ import annotations

from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import cloud_sql
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.client import Google
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_fields import settings_as_options
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import list_users
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_values import wrong_name
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.errors import (
    InstanceNotRunningError,
    RefusedError,
)
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.session import JsonObject

NOTHING: dict[str, Any] = {"instance": None, "databases": [], "users": [], "as_variables": {}}
# What every instance has from the start.
_GOOGLES_OWN = {"postgres", "cloudsqladmin"}


def read_all(google: Google, name: str) -> dict[str, Any]:
    """The instance (None if absent), its databases and users (None if it is stopped, when Google does not tell).

    :raises RefusedError: no instance can have that name.
    """
    if problem := wrong_name(name, google.project):
        raise RefusedError(problem)
    instance = cloud_sql.read_instance(google, name)
    if instance is None:
        return NOTHING
    found: dict[str, Any] = {"instance": instance, "databases": None, "users": None}
    try:
        found["databases"] = google.get(cloud_sql.API, f"{cloud_sql.instance_path(google, name)}/databases").get(
            "items", []
        )
        found["users"] = list_users(google, name)
    except InstanceNotRunningError:
        pass
    return found | {"as_variables": as_variables(**found)}


def as_variables(
    instance: JsonObject, databases: list[JsonObject] | None, users: list[JsonObject] | None
) -> dict[str, Any]:
    """An instance as variables of an inventory: with them, a run of the role backend_store finds nothing to change."""
    settings = settings_as_options(instance)
    variables = {
        "gcp_project": instance.get("project"),
        "gcp_region": settings.pop("region", None),
        "mlflow_instance": instance.get("name"),
        "mlflow_tier": settings.pop("tier", None),
        "mlflow_database": _only(databases),
        "mlflow_database_user": _only([u for u in users or [] if u.get("type") in (None, "BUILT_IN")]),
        "backend_store_settings": settings,
    }
    return {name: value for name, value in variables.items() if value is not None}


def _only(found: list[JsonObject] | None) -> str | None:
    """The one name that people gave; None where there is none or a choice."""
    names = [str(item["name"]) for item in found or [] if item.get("name") not in _GOOGLES_OWN]
    return names[0] if len(names) == 1 else None
