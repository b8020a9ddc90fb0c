# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory of site.yml calls an option, so that a message names what its reader has set."""

from __future__ import annotations

VARIABLES = {
    "bucket.name": "mlflow_bucket",
    "secret.name": "mlflow_password_secret",
    "service_account.account_id": "mlflow_server_account",
    "sql_database.name": "mlflow_database",
    "sql_instance.allow_restart": "backend_store_allow_restart",
    "sql_instance.ip_configuration.private_network": "mlflow_private_network",
    "sql_instance.name": "mlflow_instance",
    "sql_instance.region": "gcp_region",
    "sql_instance.tier": "mlflow_tier",
    "sql_user.name": "mlflow_database_user",
    "sql_user.password": "backend_store_password",
}
# Maps that a role hands through to its module.
SETTINGS = {"bucket": "artifact_store_settings", "sql_instance": "backend_store_settings"}
PROJECT = "gcp_project (option project)"


def setting(module: str, option: str) -> str:
    """How a message names an option: by its variable, and for those who call the module themselves by its own name."""
    if variable := VARIABLES.get(f"{module}.{option}"):
        return f"{variable} (option {option})"
    return f"{option} (in {SETTINGS[module]})" if module in SETTINGS else option
