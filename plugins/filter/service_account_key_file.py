# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter mlflow_ops.gcp.service_account_key_file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_account_key_file
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: The credentials file of a service account's key
description:
  - Returns what to write into a file that Google's clients read. It holds the private key, so the task needs C(no_log).
positional: impersonate
options:
  _input:
    description: The key's JSON, as a string or a dictionary.
    type: raw
    required: true
  impersonate:
    description: >-
      E-mail of a service account to impersonate. The file is then a configuration of the type
      C(impersonated_service_account), which Google's client libraries read and the Cloud SQL Auth Proxy does not.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Write the key
  ansible.builtin.copy:
    content: "{{ vault_key | mlflow_ops.gcp.service_account_key_file }}"
    dest: /etc/mlflow/key.json
    mode: "0600"
  diff: false
  no_log: true
"""

RETURN = r"""
_value:
  description: JSON.
  type: str
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError
from ansible_collections.mlflow_ops.gcp.plugins.module_utils import key_files


def key_file(content: object, impersonate: str = "") -> str:
    """See the documentation."""
    try:
        return key_files.text(content, impersonate)
    except key_files.KeyFileError as error:
        raise AnsibleFilterError(f"service_account_key_file: {error}") from None


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"service_account_key_file": key_file}
