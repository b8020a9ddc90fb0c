# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter mlflow_ops.gcp.service_account_key."""

from __future__ import annotations

DOCUMENTATION = r"""
name: service_account_key
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: What may be shown of a service account's key
description:
  - Reads the key of a service account and returns only what is public about it, or what is wrong with it.
positional: impersonate
options:
  _input:
    description: The key's JSON, as a string or a dictionary; empty for none.
    type: raw
    required: true
  impersonate:
    description: E-mail of a service account that is impersonated with the key.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Name the key
  ansible.builtin.set_fact:
    key_id: "{{ (vault_key | mlflow_ops.gcp.service_account_key).key_id }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: Strings, all of them empty where there is no key.
  type: dict
  contains:
    fault:
      description: What is wrong with it, without any part of it; then the others are empty.
      type: str
    account:
      description: The account's e-mail.
      type: str
    key_id:
      description: The key's id.
      type: str
    project:
      description: The account's project.
      type: str
    file:
      description: A file name for it. Another key or another impersonated account has another one.
      type: str
    sha256:
      description: Checksum of what the filter P(mlflow_ops.gcp.service_account_key_file#filter) makes of it.
      type: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import key_files


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"service_account_key": key_files.about}
