# SPDX-License-Identifier: BSD-3-Clause
"""ICMP echo for weir's own addresses."""

import time

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from topology import CLIENT_V4, wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10
"""


@pytest.fixture(scope="module")
def weir(start_module_weir):
    return start_module_weir(SERVICES)


@pytest.mark.parametrize("address", ["198.18.1.1", "198.18.1.10", "2001:db8:1::1", "2001:db8:1::10"])
@pytest.mark.parametrize("size", [0, 56, 1400])
def test_echo(lab, weir, address, size):
    got = lab.client.try_run("ping", "-c", "3", "-i", "0.02", "-W", "1", "-s", str(size), address)
    assert got.returncode == 0, got.stdout


def test_echo_for_others_is_not_answered(lab, weir):
    assert lab.client.try_run("ping", "-c", "1", "-W", "0.3", "198.18.1.99").returncode != 0


def test_answers_are_limited(weir, client_port):
    """A worker answers at most 1,000 a second; the rest is counted."""
    mac = weir.mac("front")
    request = bytes(Ether(dst=mac, src=client_port.mac) / IP(src=CLIENT_V4, dst="198.18.1.10") / ICMP())
    begin = time.monotonic()
    for _ in range(30):
        client_port.send(*[request] * 200)
        time.sleep(0.01)
    seconds = time.monotonic() - begin
    wait_until("all are counted", lambda: weir.ask("drops")["icmp_rate_limited"] >= 6000 - 1000 * (seconds + 2))
    assert weir.ask("drops")["icmp_rate_limited"] < 6000
