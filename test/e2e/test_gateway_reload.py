# SPDX-License-Identifier: BSD-3-Clause
"""A new configuration of gateway load balancers under load."""

import os
import subprocess
import time

import pytest

from gateway import SERVER_V4, GatewayLab, Load, endpoint, far, fleet, gateway, ports_of, routed
from topology import ROOT
from weir_process import Weir


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}") as lab:
        lab.serve()
        yield lab


@pytest.fixture
def appliances(lab):
    started = lab.start_appliances()
    yield started
    for appliance in started:
        appliance.stop()


def rewrite(weir: Weir, old: str, new: str) -> None:
    text = weir.config_path.read_text()
    assert old in text
    weir.config_path.write_text(text.replace(old, new))
    before = weir.ask("info")["reloads"]
    weir.reload()
    assert weir.ask("info")["reloads"] == before + 1, weir.log


def test_no_packet_is_lost_while_reloading(lab, appliances, start_weir):
    """20 reloads that change weights, lines and their order: every datagram comes back, by its appliance."""
    weir = start_weir(routed(lab), more=far())
    load = Load(lab, "udp", SERVER_V4, 24, 50)
    try:
        time.sleep(0.5)
        before = [ports_of(a, "UDP") for a in appliances]
        one, two = (f"target = {t.v4}:6081\n" for t in lab.targets[:2])
        for n in range(20):
            if n % 2 == 0:
                rewrite(weir, one + two, two.replace("6081", "6081 weight=3") + one)
            else:
                rewrite(weir, two.replace("6081", "6081 weight=3") + one, one + two)
            time.sleep(0.1)
        flows = load.end()
    finally:
        load.kill()
    assert [(f["port"], len(f["lost"]), f["error"]) for f in flows if f["lost"] or f["error"]] == []
    assert [ports_of(a, "UDP") for a in appliances] == before


def test_endpoints_come_and_go(lab, appliances, start_weir):
    """Without its endpoint, traffic stops; with it, it goes on."""
    edge = endpoint("edge", "inspect", "front", "far")
    weir = start_weir(routed(lab), more=far())
    assert lab.udp(SERVER_V4, 5353, 5) == ["server"] * 5
    rewrite(weir, edge, "")
    assert lab.udp(SERVER_V4, 5353, 1) == [""]
    assert weir.ask("endpoints")["endpoints"] == []
    rewrite(weir, "[load_balancer inspect]", edge + "\n[load_balancer inspect]")
    assert lab.udp(SERVER_V4, 5353, 5) == ["server"] * 5


def test_an_endpoint_gets_another_load_balancer(lab, appliances, start_weir):
    """From then on its flows see the other one's appliances, old flows too."""
    body = (gateway("inspect", fleet(lab, 1)) + gateway("watch", fleet(lab, 2, 3)) +
            endpoint("edge", "inspect", "front", "far"))
    weir = start_weir(body, more=far())
    load = Load(lab, "udp", SERVER_V4, 12, 50)
    try:
        time.sleep(0.5)
        assert len(ports_of(appliances[0], "UDP")) == 12
        rewrite(weir, "[endpoint edge]\nload_balancer = inspect", "[endpoint edge]\nload_balancer = watch")
        time.sleep(1)
        before = appliances[0].counts()["packets"]
        time.sleep(0.5)
        assert appliances[0].counts()["packets"] == before
        flows = load.end()
        assert len(ports_of(appliances[1], "UDP") | ports_of(appliances[2], "UDP")) == 12
    finally:
        load.kill()
    now = time.monotonic()
    assert all(flow["last"] > now - 5 and len(flow["lost"]) <= 3 for flow in flows)


@pytest.mark.parametrize("old, new, says", [
    ("protocol = GENEVE", "protocol = GENEVE\nstickiness.enabled = true\nstickiness.type = lb_cookie", "stickiness"),
    ("target_failover.on_unhealthy = rebalance\n", "target_failover.on_unhealthy = rebalance\n"
     "target_failover.on_deregistration = no_rebalance\n", "target_failover"),
    ("interface = front\n", "interface = nothing\n", "nothing"),
    (":6081", ":6082", "6081"),
    ("load_balancer = inspect", "load_balancer = nobody", "nobody")],
    ids=["stickiness", "failover", "interface", "port", "load balancer"])
def test_wrong_configuration_leaves_the_old_in_force(lab, appliances, start_weir, old, new, says):
    body = routed(lab, "target_failover.on_unhealthy = rebalance\n")
    body = body.replace("target_failover.on_unhealthy = rebalance\n", "target_failover.on_unhealthy = rebalance\n"
                        "target_failover.on_deregistration = rebalance\n")
    weir = start_weir(body, more=far())
    text = weir.config_path.read_text()
    if says == "target_failover":
        text = text.replace("target_failover.on_deregistration = rebalance\n", "")
    assert old in text
    weir.config_path.write_text(text.replace(old, new))
    got = subprocess.run([ROOT / "tools/weirctl", "reload", "--instance", weir.instance], text=True,
                         capture_output=True)
    assert got.returncode == 1 and "weir.ini:" in got.stderr and says in got.stderr
    assert lab.udp(SERVER_V4, 5353, 5) == ["server"] * 5
    assert weir.ask("info")["reloads_refused"] == 1
