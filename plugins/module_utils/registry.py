# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every resource by its module's short name. Only what handles many kinds at once imports this."""

from __future__ import annotations

from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_backup import SqlBackup
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_database import SqlDatabase
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_instance import SqlInstance
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.cloud_sql_user import SqlUser
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam import ServiceAccount
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.iam_keys import ServiceAccountKey
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resource_manager import ProjectIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.resources import Resource
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager import Secret
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.secret_manager_policies import SecretIamMember
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.service_usage import ProjectService
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage import Bucket
from ansible_collections.mlflow_ops.gcp.plugins.module_utils.storage_policies import BucketIamMember

RESOURCES: dict[str, type[Resource]] = {
    resource.MODULE: resource
    for resource in (
        Bucket,
        BucketIamMember,
        ProjectIamMember,
        ProjectService,
        Secret,
        SecretIamMember,
        ServiceAccount,
        ServiceAccountKey,
        SqlBackup,
        SqlDatabase,
        SqlInstance,
        SqlUser,
    )
}
