# SPDX-License-Identifier: BSD-3-Clause
"""ICMP echo for weir's own addresses."""

import pytest

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


def test_answers_are_limited(lab, weir):
    """A flood is answered at most 1,000 times a second by each worker; the rest is counted."""
    # ping slows down when answers stay away: how many are refused depends on the machine.
    lab.client.try_run("ping", "-f", "-q", "-c", "5000", "-W", "1", "198.18.1.10")
    assert weir.ask("drops")["icmp_rate_limited"] > 0
