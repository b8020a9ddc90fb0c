# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of every module that says where Google's APIs are."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment mlflow_ops.gcp.endpoints."""

    DOCUMENTATION = r"""
options:
  endpoints:
    description:
      - Base addresses of Google's APIs, where they are not Google's own (Private Service Connect, an emulator).
      - Each has the meaning of gcloud's C(api_endpoint_overrides) property of the same name, whose environment
        variable it falls back to.
    type: dict
    suboptions:
      sql:
        description: Cloud SQL Admin API; falls back to E(CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL).
        type: str
      cloudresourcemanager:
        description: Cloud Resource Manager API; falls back to
          E(CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDRESOURCEMANAGER).
        type: str
      iam:
        description: Identity and Access Management API; falls back to E(CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM).
        type: str
      iamcredentials:
        description: >-
          Service Account Credentials API, for O(impersonate_service_account); falls back to
          E(CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS).
        type: str
      secretmanager:
        description: Secret Manager API; falls back to E(CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER).
        type: str
      serviceusage:
        description: Service Usage API; falls back to E(CLOUDSDK_API_ENDPOINT_OVERRIDES_SERVICEUSAGE).
        type: str
      storage:
        description: >-
          Cloud Storage JSON API, with C(/storage/v1/); falls back to E(CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE).
        type: str
"""
