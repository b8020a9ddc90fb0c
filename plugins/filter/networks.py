# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter mlflow_ops.gcp.networks."""

from __future__ import annotations

DOCUMENTATION = r"""
name: networks
version_added: "0.1.0"
author:
  - mlflow_ops developers (@mlflow-ops)
short_description: Networks by family, or what is wrong with them
description:
  - Reads networks in CIDR notation and returns them as iptables prints them, or what is wrong with the first bad one.
options:
  _input:
    description: The networks. An address without a length is a network of one machine.
    type: list
    elements: str
    required: true
"""

EXAMPLES = r"""
- name: Refuse what is no network
  ansible.builtin.assert:
    that: (allowed | mlflow_ops.gcp.networks).fault == ''
"""

RETURN = r"""
_value:
  description: The networks.
  type: dict
  contains:
    fault:
      description: What is wrong, and how it is written rightly; then the lists are empty.
      type: str
    ipv4:
      description: Those of IPv4.
      type: list
      elements: str
    ipv6:
      description: Those of IPv6.
      type: list
      elements: str
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.mlflow_ops.gcp.plugins.module_utils import networks


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By name."""
        return {"networks": networks.by_family}
