# Copyright: (c) 2026, mlflow_ops developers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks in CIDR notation, by family, or what is wrong with them. Pure."""

from __future__ import annotations

import ipaddress
from typing import Any


def by_family(networks: object) -> dict[str, Any]:
    """Lists of networks as iptables prints them, and a fault (then the lists are empty)."""
    if not isinstance(networks, list):
        return {"fault": f"{networks} is no list of networks: write it as [10.0.0.0/24]", "ipv4": [], "ipv6": []}
    found: dict[str, list[str]] = {"ipv4": [], "ipv6": []}
    for text in networks:
        try:
            network = ipaddress.ip_network(str(text), strict=False)
        except ValueError:
            return {"fault": f"{text} is no network: write it as 10.0.0.0/24", "ipv4": [], "ipv6": []}
        if str(text) not in (str(network), str(network.network_address)):
            return {"fault": f"{text} names no network exactly: write {network}", "ipv4": [], "ipv6": []}
        found[f"ipv{network.version}"].append(str(network))
    return {"fault": "", **found}
