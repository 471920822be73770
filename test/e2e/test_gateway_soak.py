# SPDX-License-Identifier: BSD-3-Clause
"""
Mixed traffic through appliances that flap, with reloads every second, for WEIR_SOAK_SECONDS (default
15): no crash, nothing leaks, counters add up.  tools/check soak runs it for longer.
"""

import os
import random
import re
import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from gateway import (SERVER_V4, SERVER_V6, Appliance, GatewayLab, Load, back, endpoint, far, fleet, front,
                     gateway, geneve, options, ping, received)
from raw_port import RawPort
from soak import TCP_LOAD, UDP_LOAD, assert_counters_add_up, end_load, start_load
from topology import PYTHON, UDP_ECHO, wait_until

SECONDS = int(os.environ.get("WEIR_SOAK_SECONDS", "15"))
MEMORY_GROWTH_KB = 32 << 10


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}") as lab:
        lab.serve()
        lab.server.serve("echo 53", PYTHON, UDP_ECHO, "serve", "53", "server",
                         ready=lambda: lab.server.is_listening(53, udp=True))
        yield lab


def resident_kb(pid: int) -> int:
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


class Flapping:
    """What goes wrong, by a number that counts seconds."""

    def __init__(self, lab: GatewayLab, weir) -> None:
        self.lab, self.weir = lab, weir
        self.appliances = lab.start_appliances()
        self.text = weir.config_path.read_text()
        self.removed = f"target = {lab.targets[2].v4}:6081\n"
        assert self.removed in self.text
        self.rng = random.Random(1)
        self.port = RawPort(lab.targets[0].ns)
        self.mac = weir.mac("back")
        self.dead = False

    def step(self, n: int) -> None:
        self.weir.config_path.write_text(self.text.replace(self.removed, "") if n % 2 else self.text)
        self.weir.reload()
        self.appliances[0].mode(*(["delay", "20"], ["echo"], ["mangle", "cookie"], ["echo"])[n % 4])
        if n % 10 == 2:
            self.appliances[1].kill()
            self.dead = True
        if n % 10 == 7:
            self.revive()
        if n % 10 == 5:
            self.lab.net.ip("link", "set", "t3", "down")
        if n % 10 == 6:
            self.lab.net.ip("link", "set", "t3", "up")
        self.send_garbage(100)

    def send_garbage(self, n: int) -> None:
        for _ in range(n):
            payload = geneve(*options(*(self.rng.getrandbits(64) for _ in "ea"), self.rng.getrandbits(32)))
            data = bytearray(payload + bytes(IP(src="10.0.0.1", dst="10.0.0.2") / UDP()))
            data[self.rng.randrange(len(data))] = self.rng.randrange(256)
            self.port.send(Ether(src=self.port.mac, dst=self.mac) / IP(src=self.lab.targets[0].v4, dst="198.18.2.1") /
                           UDP(sport=self.rng.randrange(65536), dport=6081, chksum=0) / Raw(bytes(data)))

    def revive(self) -> None:
        if self.dead:
            self.appliances[1] = Appliance(self.lab.targets[1], str(self.lab.directory))
            self.dead = False

    def end(self) -> int:
        """All is well again, in the configuration it began with; how many reloads that took."""
        self.revive()
        self.lab.net.ip("link", "set", "t3", "up")
        self.appliances[0].mode("echo")
        self.weir.config_path.write_text(self.text)
        self.weir.reload()
        return 1

    def close(self) -> None:
        self.port.close()
        self.lab.net.ip("link", "set", "t3", "up")
        for appliance in self.appliances:
            appliance.stop()


BODIES = {
    "rebalance": "target_failover.on_unhealthy = rebalance\ntarget_failover.on_deregistration = rebalance\n"
                 "deregistration_delay.timeout_seconds = 2\n",
    "no_rebalance": "send_tcp_reset.on_unhealthy.enabled = true\nsend_tcp_reset.on_deregistration.enabled = true\n"
                    "deregistration_delay.timeout_seconds = 1\n"}


@pytest.mark.parametrize("failover, dataplane", [
    ("rebalance", "workers = 1\nmax_flows = 65536"),
    ("no_rebalance", "lcores = 0@0,1@1,2@1\nworkers = 2\nmax_flows = 65536")],
    ids=["rebalance, one worker", "no_rebalance, two workers"])
def test_soak(lab, start_weir, failover, dataplane):
    body = gateway("inspect", fleet(lab), BODIES[failover]) + endpoint("edge", "inspect", "front", "far")
    for target in lab.targets:  # health checks of the start
        assert "appliance" not in target.servers
    weir = start_weir(body, healthy=False, front=front(), back=back(), more=far(), dataplane=dataplane)
    flapping = Flapping(lab, weir)
    lived = []
    try:
        weir.wait_healthy()
        loads = [start_load(lab, TCP_LOAD, SERVER_V4), start_load(lab, TCP_LOAD, SERVER_V6),
                 start_load(lab, UDP_LOAD, SERVER_V4)]
        lived = [Load(lab, "udp", SERVER_V4, 20, 100), Load(lab, "tcp", SERVER_V6, 20, 100)]
        before, memory = weir.ask("info"), 0
        end, n = time.monotonic() + SECONDS, 0
        while time.monotonic() < end:
            n += 1
            flapping.step(n)
            ping(lab, SERVER_V6, "-c", "1", "-W", "0.2", "-s", str(flapping.rng.randrange(4000)))
            time.sleep(1)
            if memory == 0 and n >= min(10, SECONDS // 2):
                memory = resident_kb(weir.pid)
        n += flapping.end()
        weir.wait_healthy()
        for good, _ in map(end_load, loads):
            assert good > 3 * SECONDS
        for load in lived:
            flows = load.end()
            assert sum(flow["answered"] for flow in flows) > 20 * SECONDS
        after = weir.ask("info")
        assert after["reloads"] - before["reloads"] == n and after["reloads_refused"] == 0
        assert lab.udp(SERVER_V4, 5353, 20) == ["server"] * 20
        assert received(ping(lab, SERVER_V4, "-c", "2", "-i", "0.05")) == 2
        assert resident_kb(weir.pid) - memory < MEMORY_GROWTH_KB
        time.sleep(1)
        assert_counters_add_up(weir)
        assert weir.drops()["geneve_cookie_foreign"] > 0
        active = sum(t["ActiveFlowCount"] for t in weir.ask("target_health")["targets"])
        assert active == sum(lb["ActiveFlowCount"] for lb in weir.ask("load_balancers")["load_balancers"]) > 0
        wait_until("buffers to be given back", lambda: weir.pool("mbufs")["in_use"] == 0, 5)
    finally:
        for load in lived:
            load.kill()
        flapping.close()
