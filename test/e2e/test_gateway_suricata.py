# SPDX-License-Identifier: BSD-3-Clause
"""Real inspecting appliances behind weir: Suricata as a bridge that drops, and Linux as a firewall router."""

import hashlib
import os

import pytest

from gateway import SERVER_V4, SERVER_V6, GatewayLab, back, endpoint, far, fleet, front, gateway, ping, received
from suricata import SHIM, Suricata
from topology import wait_until


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", appliances=1, mtu=9100, hosts_mtu=1500) as lab:
        lab.serve()
        files = lab.directory / "server" / "files"
        (files / "body").write_bytes(os.urandom(8 << 20))
        for name in ("notice", "forbidden"):
            (files / name).write_text(f"{name}\n")
        yield lab


@pytest.fixture
def start(lab, start_weir):
    def start():
        # The interfaces' MTU leaves room for GENEVE: nothing has to be clamped or cut.
        return start_weir(gateway("inspect", fleet(lab)) + endpoint("edge", "inspect", "front", "far"),
                          front=front(), back=back(9100), more=far())
    return start


def body_hash(lab, host: str) -> str:
    return lab.client.run("sh", "-c", 'curl -sS -g -m 60 "$1" | sha256sum', "sh",
                          f"http://{host}/files/body").stdout.split()[0]


def test_suricata(lab, start):
    """Its rules see whole connections: one is noted, one is stopped, all else passes unchanged."""
    suricata = Suricata(lab.targets[0], lab.directory / "suricata")
    try:
        weir = start()
        wanted = hashlib.sha256((lab.directory / "server" / "files" / "body").read_bytes()).hexdigest()
        for host in (SERVER_V4, f"[{SERVER_V6}]"):
            assert body_hash(lab, host) == wanted
            got = lab.client.run("curl", "-sS", "-g", "-m", "5", f"http://{host}/files/notice")
            assert got.stdout == "notice\n"
            got = lab.client.try_run("curl", "-sS", "-g", "-m", "2", f"http://{host}/files/forbidden")
            assert got.returncode != 0 and got.stdout == ""
        assert lab.udp(SERVER_V4, 5353, 10) == ["server"] * 10
        assert received(ping(lab, SERVER_V4, "-c", "3", "-i", "0.05")) == 3
        wait_until("alerts", lambda: {("notice", "allowed"), ("forbidden", "blocked")} <= set(suricata.alerts()), 10)
        assert sum(what == "notice" for what, _ in suricata.alerts()) == 2
        assert not [reason for reason in weir.drops() if reason.startswith("geneve")]
    finally:
        suricata.stop()


def test_linux_routes(lab, start):
    """An appliance that is a router: it counts down the hop limit of what it inspects."""
    target = lab.targets[0]
    target.serve("shim", SHIM, ready=lambda: target.is_listening(80))
    ns = target.ns
    try:
        ns.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
                  "net.ipv4.conf.gw-in.rp_filter=0")
        ns.ip("route", "replace", "default", "dev", "gw-out")
        ns.ip("-6", "route", "replace", "default", "dev", "gw-out")
        ns.address("gw-out", "203.0.113.1/32")
        weir = start()
        wanted = hashlib.sha256((lab.directory / "server" / "files" / "body").read_bytes()).hexdigest()
        for host in (SERVER_V4, f"[{SERVER_V6}]"):
            assert body_hash(lab, host) == wanted
        assert "ttl=62" in ping(lab, SERVER_V4, "-c", "1").stdout  # weir, the appliance
        out = lab.client.run("traceroute", "-n", "-q", "1", "-w", "2", "-m", "5", SERVER_V4).stdout
        assert [line.split()[1] for line in out.splitlines()[1:]] == ["198.18.1.1", "203.0.113.1", SERVER_V4]
        assert not [reason for reason in weir.drops() if reason.startswith("geneve")]
    finally:
        target.stop("shim")
