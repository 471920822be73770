# SPDX-License-Identifier: BSD-3-Clause
"""Appliances that die under load, come back, drain, or are all gone.  Checks run at ELB's fastest."""

import json
import os
import subprocess
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from gateway import (DEAD_SECONDS, NEAR_V4, SERVER_V4, Appliance, GatewayLab, Load, far, in_line, ping, ports_of,
                     received, routed, wire_ends)
from raw_port import RawPort
from topology import CLIENT_V4, wait_until

REBALANCE = "target_failover.on_unhealthy = rebalance\ntarget_failover.on_deregistration = rebalance\n"
SLACK = 3.0  # seconds on a busy machine


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
        lab.net.ip("link", "set", appliance.name, "up")


@pytest.fixture
def load(lab):
    """load(protocol, flows, interval_ms): ended at last."""
    loads = []

    def load(protocol: str, flows: int = 24, interval_ms: int = 50) -> Load:
        loads.append(Load(lab, protocol, SERVER_V4, flows, interval_ms))
        return loads[-1]

    yield load
    for each in loads:
        each.kill()


@pytest.fixture
def start(lab, start_weir):
    def start(more: str = "", workers: int = 1, **keys: str):
        dataplane = f"workers = {workers}\nlcores = 0@0,1@1,2@0\n" if workers == 2 else "workers = 1\n"
        return start_weir(routed(lab, more, **keys), more=far(), dataplane=dataplane + "max_flows = 65536")
    return start


both_ways = pytest.mark.parametrize("how, workers", [("killed", 1), ("cut off", 2)])


def fail(lab, appliance, how: str) -> float:
    """Let an appliance die now; its process alone, or the whole machine's network."""
    if how == "killed":
        appliance.kill()
    else:
        lab.net.ip("link", "set", appliance.name, "down")
    return time.monotonic()


def state(weir, appliance) -> str:
    return weir.target_states("inspect-fleet")[f"inspect-fleet {appliance.target.v4}:6081"]


def wait_for_state(weir, appliance, wanted: str, seconds: float = DEAD_SECONDS + SLACK) -> None:
    wait_until(f"{appliance.name} {wanted}", lambda: state(weir, appliance) == wanted, seconds)


def settle(appliances, protocol: str, flows: int) -> None:
    wait_until("flows on all appliances",
               lambda: sum(len(ports_of(a, protocol)) for a in appliances) >= flows
               and all(ports_of(a, protocol) for a in appliances))


def split(flows: list[dict], ports: set[int]) -> tuple[list[dict], list[dict]]:
    """Flows of these ports, and the others."""
    return [f for f in flows if f["port"] in ports], [f for f in flows if f["port"] not in ports]


def assert_nothing_lost(flows: list[dict]) -> None:
    assert flows
    bad = [(f["port"], len(f["lost"]), f["error"]) for f in flows if f["lost"] or f["error"]]
    assert not bad


@both_ways
def test_rebalance(lab, appliances, start, load, how, workers):
    """The dead appliance's flows go on after the health checks' time; nobody else loses a packet."""
    weir = start(REBALANCE, workers)
    udp, tcp = load("udp"), load("tcp")
    settle(appliances, "UDP", 24)
    settle(appliances, "TCP", 24)
    victim = appliances[1]
    udp_victims, tcp_victims = ports_of(victim, "UDP"), ports_of(victim, "TCP")
    died = fail(lab, victim, how)
    wait_for_state(weir, victim, "unhealthy")
    time.sleep(2.5)  # TCP sends again after at most twice its silence; not waited for
    flows = udp.end()
    hit, spared = split(flows, udp_victims)
    assert_nothing_lost(spared)
    assert len(hit) == len(udp_victims)
    for flow in hit:
        assert flow["lost"] and not flow["error"]
        assert min(flow["lost"]) >= died - 0.5
        assert max(flow["lost"]) <= died + DEAD_SECONDS + SLACK
        assert flow["last"] > max(flow["lost"])
    wait_until("TCP flows of the victim elsewhere",
               lambda: tcp_victims <= ports_of(appliances[0], "TCP") | ports_of(appliances[2], "TCP"), 30)
    time.sleep(1)
    hit, spared = split(tcp.end(), tcp_victims)
    assert_nothing_lost(spared)
    assert all(flow["error"] == "" and flow["last"] > died for flow in hit)


@both_ways
def test_no_rebalance(lab, appliances, start, load, how, workers):
    """Exactly the dead appliance's flows stall; new flows avoid it; when it is back, they go on."""
    weir = start(workers=workers)
    udp = load("udp")
    settle(appliances, "UDP", 24)
    victim = appliances[1]
    victims = ports_of(victim, "UDP")
    died = fail(lab, victim, how)
    wait_for_state(weir, victim, "unhealthy")
    unhealthy = time.monotonic()
    assert lab.udp(SERVER_V4, 5353, 40) == ["server"] * 40
    time.sleep(1.5)
    if how == "killed":
        appliances[1] = Appliance(victim.target, str(lab.directory))
    else:
        lab.net.ip("link", "set", victim.name, "up")
    back = time.monotonic()
    time.sleep(2)
    hit, spared = split(udp.end(), victims)
    assert_nothing_lost(spared)
    assert len(hit) == len(victims)
    for flow in hit:
        assert flow["error"] == ""
        silent = [when for when in flow["lost"] if died + 0.5 < when < back - 0.5]
        assert len(silent) >= (unhealthy - died) / 0.05 * 0.5  # all that while, not a packet came back
        assert flow["last"] > back
    assert all(when < back + 1.5 for flow in hit for when in flow["lost"])
    metrics = weir.ask("metrics", target_group="inspect-fleet")
    assert metrics["UnHealthyHostCount"] + metrics["HealthyHostCount"] == 3


def test_rebalance_under_bulk_load(lab, appliances, start):
    """UDP streams of 16 Mbit/s in all: those of the dead appliance pause and go on, no other misses a packet.

    So many that an appliance without any is no matter of chance (of 8 it was in one run of nine).
    """
    weir = start(REBALANCE)
    lab.server.serve("iperf3", "iperf3", "-s", ready=lambda: lab.server.is_listening(5201))
    process = lab.client.start("iperf3", "-J", "-c", SERVER_V4, "-u", "-R", "-P", "24", "-b", "670k", "-l", "1000",
                               "-t", "24", stdout=subprocess.PIPE, text=True)
    try:
        settle(appliances, "UDP", 24)
        time.sleep(2)
        # The stream that carries iperf3's own control is TCP: it may be on any appliance.
        victim = max(appliances, key=lambda a: len(ports_of(a, "UDP")))
        victims = ports_of(victim, "UDP")
        fail(lab, victim, "killed")
        wait_for_state(weir, victim, "unhealthy")
        output = json.loads(process.communicate(timeout=60)[0])
    finally:
        process.kill()
        lab.server.stop("iperf3")
    assert "error" not in output
    ports = {c["socket"]: c["local_port"] for c in output["start"]["connected"]}
    by_port: dict[int, list[dict]] = {}
    for interval in output["intervals"]:
        for stream in interval["streams"]:
            by_port.setdefault(ports[stream["socket"]], []).append(stream)
    assert len(by_port) == 24 and 0 < len(victims) < 24
    for port, seconds in by_port.items():
        silent = sum(stream["bytes"] == 0 for stream in seconds)
        if port in victims:
            assert 3 <= silent <= DEAD_SECONDS + SLACK
            assert all(stream["bytes"] > 0 for stream in seconds[-3:])
        else:
            assert silent == 0 and sum(stream["lost_packets"] for stream in seconds) == 0


def test_a_dead_appliance_gets_no_new_flows_until_it_is_back(lab, appliances, start):
    weir = start()
    victim = appliances[0]
    victim.ask("health", "off")
    wait_for_state(weir, victim, "unhealthy")
    victim.ask("reset")
    assert lab.udp(SERVER_V4, 5353, 40) == ["server"] * 40
    assert ports_of(victim, "UDP") == set()
    victim.ask("health", "on")
    wait_for_state(weir, victim, "healthy")
    assert lab.udp(SERVER_V4, 5353, 40) == ["server"] * 40
    assert ports_of(victim, "UDP") != set()


def all_unhealthy(lab, appliances, weir) -> None:
    for appliance in appliances:
        appliance.ask("health", "off")
    for appliance in appliances:
        wait_for_state(weir, appliance, "unhealthy")
        appliance.ask("reset")


def udp_seen(appliances) -> int:
    return sum(len(a.flows("UDP")) for a in appliances)


def test_fail_open(lab, appliances, start):
    """Without a healthy appliance, all of them are used: they may still work."""
    weir = start()
    all_unhealthy(lab, appliances, weir)
    assert lab.udp(SERVER_V4, 5353, 30) == ["server"] * 30
    assert all(len(a.flows("UDP")) > 0 for a in appliances)
    assert weir.ask("target_groups")["target_groups"][0]["fail_open"] == "yes"


def test_fail_close(lab, appliances, start, load):
    """Without a healthy appliance nothing passes, until one is back."""
    weir = start("weir.fail_mode = fail_close\n")
    udp = load("udp", 4, 200)
    all_unhealthy(lab, appliances, weir)
    assert lab.udp(SERVER_V4, 5353, 3) == [""] * 3
    assert weir.drops()["target_unhealthy"] >= 3
    assert received(ping(lab, SERVER_V4, "-c", "1", "-W", "1")) == 0
    appliances[2].ask("health", "on")
    wait_for_state(weir, appliances[2], "healthy")
    assert lab.udp(SERVER_V4, 5353, 10) == ["server"] * 10
    assert udp.end()


@pytest.mark.parametrize("mode", ["routed", "in line"])
def test_bypass(lab, appliances, start, start_weir, mode):
    """Without a healthy appliance everything passes uninspected, until one is back."""
    fails = "weir.fail_mode = bypass\n"
    if mode == "routed":
        address, weir = SERVER_V4, start(fails)
    else:
        near_end, far_end = wire_ends()
        address, weir = NEAR_V4, start_weir(in_line(lab, fails), front=near_end, more=far_end)
        lab.connect_in_line()
    try:
        all_unhealthy(lab, appliances, weir)
        assert lab.udp(address, 5353, 20) == ["server"] * 20
        assert lab.http(f"http://{address}/", 5) == ["server"] * 5
        assert received(ping(lab, address, "-c", "2", "-i", "0.05")) == 2
        assert sum(a.counts()["packets"] for a in appliances) == 0
        assert weir.ask("metrics", load_balancer="inspect")["BypassedPackets"] >= 2 * 20 + 2 * 2
        appliances[1].ask("health", "on")
        wait_for_state(weir, appliances[1], "healthy")

        def inspected():
            return sum(sum(f["packets"]) for f in appliances[1].flows("UDP"))

        # Workers hear of it a moment later.
        wait_until("it inspects again", lambda: lab.udp(address, 5353, 1) == ["server"] and inspected() >= 2)
        before = inspected()
        assert lab.udp(address, 5353, 10) == ["server"] * 10
        assert inspected() - before == 2 * 10
    finally:
        lab.route_through_weir()


# Deregistration.


def deregister(weir, appliance) -> None:
    text = weir.config_path.read_text()
    line = f"target = {appliance.target.v4}:6081\n"
    assert line in text
    weir.config_path.write_text(text.replace(line, ""))
    weir.reload()
    assert weir.ask("info")["reloads_refused"] == 0


def test_draining_keeps_flows(lab, appliances, start, load):
    """A removed appliance gets no new flows and keeps its old ones, which lose nothing."""
    weir = start("deregistration_delay.timeout_seconds = 2\n")
    udp = load("udp")
    settle(appliances, "UDP", 24)
    leaving = appliances[2]
    old = ports_of(leaving, "UDP")
    deregister(weir, leaving)
    assert lab.udp(SERVER_V4, 5353, 40) == ["server"] * 40
    time.sleep(4)  # past the delay: old flows end when they are idle, not before
    assert ports_of(leaving, "UDP") == old
    before = leaving.counts()["packets"]
    time.sleep(0.5)
    assert leaving.counts()["packets"] > before
    assert_nothing_lost(udp.end())


def test_deregistration_rebalances_after_the_delay(lab, appliances, start, load):
    weir = start(REBALANCE + "deregistration_delay.timeout_seconds = 2\n")
    udp = load("udp")
    settle(appliances, "UDP", 24)
    leaving = appliances[2]
    old = ports_of(leaving, "UDP")
    deregister(weir, leaving)
    wait_until("flows elsewhere", lambda: old <= ports_of(appliances[0], "UDP") | ports_of(appliances[1], "UDP"), 10)
    time.sleep(0.5)
    before = leaving.counts()["packets"]
    time.sleep(0.5)
    assert leaving.counts()["packets"] == before
    assert_nothing_lost(udp.end())


def test_registration_moves_no_flow(lab, appliances, start, load):
    """A new appliance gets new flows only."""
    weir = start(REBALANCE)
    text = weir.config_path.read_text()
    deregister(weir, appliances[2])
    udp = load("udp")
    settle(appliances[:2], "UDP", 24)
    weir.config_path.write_text(text)
    weir.reload()
    wait_for_state(weir, appliances[2], "healthy")
    appliances[2].ask("reset")
    time.sleep(1)
    old = {flow["port"] for flow in udp.end()}
    assert ports_of(appliances[2], "UDP") & old == set()
    assert lab.udp(SERVER_V4, 5353, 40) == ["server"] * 40
    assert ports_of(appliances[2], "UDP") != set()


# Resets.


def test_reset_on_unhealthy(lab, appliances, start, load):
    """TCP flows of an appliance that died end with RST; others go on."""
    weir = start("send_tcp_reset.on_unhealthy.enabled = true\n")
    tcp = load("tcp", 24, 100)
    settle(appliances, "TCP", 24)
    victim = appliances[1]
    victims = ports_of(victim, "TCP")
    fail(lab, victim, "cut off")
    wait_for_state(weir, victim, "unhealthy")
    time.sleep(3)
    hit, spared = split(tcp.end(), victims)
    assert_nothing_lost(spared)
    assert {flow["error"] for flow in hit} == {"ConnectionResetError"}


def test_without_the_attribute_nothing_is_reset(lab, appliances, start, load):
    weir = start()
    tcp = load("tcp", 24, 100)
    settle(appliances, "TCP", 24)
    victims = ports_of(appliances[1], "TCP")
    fail(lab, appliances[1], "cut off")
    wait_for_state(weir, appliances[1], "unhealthy")
    time.sleep(1)
    hit, spared = split(tcp.end(), victims)
    assert_nothing_lost(spared)
    assert {flow["error"] for flow in hit} == {""}


def test_reset_on_deregistration(lab, appliances, start, load):
    """When draining is over, TCP flows of the removed appliance end with RST."""
    weir = start("send_tcp_reset.on_deregistration.enabled = true\nderegistration_delay.timeout_seconds = 3\n")
    tcp = load("tcp", 24, 100)
    settle(appliances, "TCP", 24)
    leaving = appliances[0]
    old = ports_of(leaving, "TCP")
    deregister(weir, leaving)
    begin = time.monotonic()
    time.sleep(7)
    hit, spared = split(tcp.end(), old)
    assert_nothing_lost(spared)
    assert {flow["error"] for flow in hit} == {"ConnectionResetError"}
    assert all(flow["last"] > begin + 1.5 for flow in hit)  # not before the delay is over


@pytest.mark.parametrize("on", [False, True], ids=["off", "on"])
def test_segments_of_no_flow(lab, appliances, start, client_port, on):
    """Such as one idle for too long: dropped, or with the listener's attribute answered with RST."""
    weir = start(listener=f"send_tcp_reset.on_idle_timeout.enabled = {str(on).lower()}\n")
    mac = weir.mac("front")
    client_port.flush()
    client_port.send(Ether(src=client_port.mac, dst=mac) / IP(src=CLIENT_V4, dst=SERVER_V4) /
                     TCP(sport=999, dport=80, flags="A", seq=1000, ack=2000))
    got = client_port.receive(lambda f: TCP in f and f[TCP].dport == 999, 1, 1)
    assert len(got) == on
    if on:
        assert got[0][TCP].flags & 4 and got[0][TCP].seq == 2000
        assert (got[0][IP].src, got[0][TCP].sport) == (SERVER_V4, 80)
    assert weir.drops()["not_a_flow"] >= 1  # connections of earlier tests may still be trying
    assert sum(len(a.flows("TCP")) for a in appliances) == 0


# Zones.


@pytest.mark.parametrize("cross_zone", ["false", "true"])
def test_zones(lab, appliances, start_weir, cross_zone):
    """Appliances of other zones get flows only with cross-zone load balancing."""
    body = routed(lab, balancer=f"load_balancing.cross_zone.enabled = {cross_zone}\n")
    line = f"target = {lab.targets[2].v4}:6081"
    assert line in body
    start_weir(body.replace(line, line + " zone=zone-b"), more=far())
    assert lab.udp(SERVER_V4, 5353, 60) == ["server"] * 60
    seen = [len(a.flows("UDP")) > 0 for a in appliances]
    assert seen == [True, True, cross_zone == "true"]


def test_no_appliance_at_all(lab, start_weir):
    """A group without targets refuses flows, counted."""
    body = "\n".join(line for line in routed(lab).splitlines() if not line.startswith("target ="))
    weir = start_weir(body, more=far())
    assert lab.udp(SERVER_V4, 5353, 2) == ["", ""]
    assert weir.drops()["no_target"] == 2
    assert weir.ask("metrics", load_balancer="inspect")["RejectedFlowCount"] == 2


def test_a_raw_port_sees_no_leak_while_failing_over(lab, appliances, start):
    """fail_close means it: not a packet reaches the server while no appliance is healthy."""
    weir = start("weir.fail_mode = fail_close\n")
    all_unhealthy(lab, appliances, weir)
    port = RawPort(lab.server.ns)
    try:
        assert lab.udp(SERVER_V4, 5353, 2) == ["", ""]
        assert port.receive(lambda f: IP in f and f[IP].src == CLIENT_V4, 1, 0.3) == []
    finally:
        port.close()
