"""Networks of an inventory: by family as iptables prints them, or one line about the first that is none."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.mlflow_ops.gcp.plugins.filter.networks import FilterModule

read = FilterModule().filters()["networks"]


@pytest.mark.parametrize(
    ("given", "ipv4", "ipv6"),
    [
        ([], [], []),
        (["10.0.0.0/24", "192.168.7.9"], ["10.0.0.0/24", "192.168.7.9/32"], []),
        (["0.0.0.0/0", "fd00::/8", "2001:db8::1"], ["0.0.0.0/0"], ["fd00::/8", "2001:db8::1/128"]),
    ],
)
def test_networks_come_by_family(given: list[str], ipv4: list[str], ipv6: list[str]) -> None:
    assert read(given) == {"fault": "", "ipv4": ipv4, "ipv6": ipv6}


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ("10.0.0.0/24", "10.0.0.0/24 is no list of networks: write it as [10.0.0.0/24]"),
        (["10.0.0.0/24", "office"], "office is no network: write it as 10.0.0.0/24"),
        (["10.0.0.0/33"], "10.0.0.0/33 is no network: write it as 10.0.0.0/24"),
        (["10.0.0.7/24"], "10.0.0.7/24 names no network exactly: write 10.0.0.0/24"),
        ([None], "None is no network: write it as 10.0.0.0/24"),
    ],
)
def test_a_fault_says_how_it_is_written(given: Any, fault: str) -> None:
    assert read(given) == {"fault": fault, "ipv4": [], "ipv6": []}
