"""The slot of a sandbox: the first whose subnet nobody uses."""

from ipaddress import IPv4Network

from sandbox.machine.network import Addresses, free_slots, routes

ROUTES = """\
Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
br-1\t00011EAC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0
"""


def test_addresses_of_a_slot() -> None:
    seven = Addresses(7)
    assert (seven.subnet, seven.gateway, seven.target) == ("172.30.7.0/24", "172.30.7.1", "172.30.7.10")
    assert seven.loopback == "127.30.7.1"


def test_routes_are_read_without_the_default() -> None:
    assert routes(ROUTES) == [IPv4Network("172.17.0.0/16"), IPv4Network("172.30.1.0/24")]


def test_used_slots_are_left_out() -> None:
    assert free_slots(range(1, 5), routes(ROUTES)) == [2, 3, 4]


def test_a_wider_network_takes_many() -> None:
    assert free_slots(range(1, 251), [IPv4Network("172.30.0.0/17")])[0] == 128
    assert free_slots(range(1, 251), [IPv4Network("172.16.0.0/12")]) == []
