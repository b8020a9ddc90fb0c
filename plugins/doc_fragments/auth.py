# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of every module: the project and who calls Google."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation fragment mlflow_ops.gcp.auth."""

    DOCUMENTATION = r"""
options:
  project:
    description:
      - Id of the Google Cloud project.
      - Falls back to the environment variable E(GOOGLE_CLOUD_PROJECT).
    type: str
  credentials_file:
    description:
      - Path of a credentials file on the host that runs the module (a service account's key, or what
        C(gcloud auth application-default login) and workload identity federation write).
      - At most one of O(credentials_file), O(credentials_contents) and O(access_token) can be given. Without any of
        them, application default credentials are used, the account attached to a Google Cloud machine included.
      - A file with a secret in it that every user can read is used with a warning.
    type: path
  credentials_contents:
    description:
      - Content of a credentials file, as a JSON string or a dictionary.
    type: raw
  access_token:
    description:
      - An OAuth 2.0 access token. It is not renewed, so it must outlive the task.
      - Falls back to the environment variable E(GOOGLE_OAUTH_ACCESS_TOKEN).
    type: str
  impersonate_service_account:
    description:
      - E-mail of a service account to act as, by short-lived tokens that no key is needed for. It works on top of any
        of the other options.
      - The account that the other options name must hold C(roles/iam.serviceAccountTokenCreator) on this one, and
        C(iamcredentials.googleapis.com) must be enabled in its project. Chains of accounts are refused.
      - Falls back to gcloud's environment variable E(CLOUDSDK_AUTH_IMPERSONATE_SERVICE_ACCOUNT), then to Terraform's
        E(GOOGLE_IMPERSONATE_SERVICE_ACCOUNT).
    type: str
requirements:
  - google-auth >= 2.40
  - requests >= 2.32
"""
