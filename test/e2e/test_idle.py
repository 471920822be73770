# SPDX-License-Identifier: BSD-3-Clause
"""Lcores that have nothing to do sleep, until something comes: counted in turns of their loops."""

import time

import pytest

from topology import wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    health_check.interval_seconds = 300
    target = 198.18.2.11:80
"""

DATAPLANE = "lcores = 0@0,1@1,2@1\nworkers = {}\nmax_flows = 65536"

# A wait is a millisecond long at most; by naps it would be ten times as many turns.
TURNS_A_SECOND = 3000


@pytest.fixture(params=[1, 2], ids=["one", "two"])
def weir(start_weir, request):
    # The second worker has no port, or only one: what it does comes by the rings.
    return start_weir(SERVICES, dataplane=DATAPLANE.format(request.param)).wait_healthy()


def turns(weir, seconds: float) -> list[float]:
    def polls() -> list[int]:
        return [row["polls"] for row in weir.ask("lcores")["lcores"]]

    begin, before = time.monotonic(), polls()
    time.sleep(seconds)
    after, took = polls(), time.monotonic() - begin
    return [(b - a) / took for a, b in zip(before, after)]


def test_sleeps_and_wakes(lab, weir):
    time.sleep(0.5)  # neighbors and first checks
    assert max(turns(weir, 1)) < TURNS_A_SECOND
    assert set(lab.http("http://198.18.1.10/", 50)) == {"t1"}
    got = lab.client.run("ping", "-c", "20", "-i", "0.02", "198.18.1.10")
    assert "20 received" in got.stdout
    assert max(turns(weir, 1)) < TURNS_A_SECOND


def test_interface_goes_down_and_up(lab, weir):
    """It leaves an error in the port's socket, which must neither end each wait nor the waiting."""
    lab.lb.run("ip", "link", "set", "weir-front", "down")
    try:
        time.sleep(0.5)
        assert max(turns(weir, 1)) < TURNS_A_SECOND
    finally:
        lab.lb.run("ip", "link", "set", "weir-front", "up")
    wait_until("it answers again", lambda: lab.client.try_run(
        "ping", "-c", "1", "-W", "0.3", "198.18.1.10").returncode == 0)
    assert set(lab.http("http://198.18.1.10/", 20)) == {"t1"}
    assert max(turns(weir, 1)) < TURNS_A_SECOND
