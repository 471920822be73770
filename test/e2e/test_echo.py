# SPDX-License-Identifier: BSD-3-Clause
"""ICMP echo for weir's own addresses."""

import json
import time

import pytest
from scapy.layers.inet import ICMP, IP
from scapy.layers.l2 import Ether

from conftest import BACK, FRONT
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


@pytest.mark.parametrize("mac", ["own", "02:00:00:00:5e:11"])
def test_mac_address(lab, start_weir, mac):
    """Another one than the kernel's, which drops what is for weir unread."""
    weir = start_weir(SERVICES, front=FRONT + f"mac = {mac}\n", back=BACK + "mac = own\n", healthy=False)
    kernels = json.loads(lab.lb.run("ip", "-j", "link", "show", "weir-front").stdout)[0]["address"]
    own = f"{(int(kernels[:2], 16) | 2) ^ 8:02x}{kernels[2:]}"
    assert weir.mac("front") == (own if mac == "own" else mac)
    lab.client.run("ip", "neigh", "flush", "dev", "eth0")
    for address in ("198.18.1.10", "2001:db8:1::10"):
        got = lab.client.try_run("ping", "-c", "3", "-i", "0.02", "-W", "1", address)
        assert got.returncode == 0, got.stdout
    assert weir.mac("front") in lab.client.run("ip", "neigh", "show", "198.18.1.10").stdout
