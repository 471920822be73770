# SPDX-License-Identifier: BSD-3-Clause
"""tools/geneve-tun by itself, with this machine's kernel and with Suricata as what inspects."""

import os

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from gateway import GatewayLab, geneve, options
from raw_port import RawPort
from suricata import SHIM, Suricata
from topology import wait_until

SPORT = 51234


@pytest.fixture
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", appliances=1) as lab:
        yield lab


@pytest.fixture
def ask(lab):
    """ask(inner packet, cookie): the UDP payload that comes back, or None."""
    wire = RawPort(lab.lb, "weir-back")
    mac = lab.targets[0].ns.mac("eth0")

    def ask(inner, cookie: int = 7, seconds: float = 2):
        payload = geneve(*options(1, 2, cookie), protocol=0x86DD if IPv6 in inner else 0x0800) + bytes(inner)
        got = wire.ask(Ether(src="02:00:00:00:00:01", dst=mac) / IP(src="198.18.2.1", dst="198.18.2.11") /
                       UDP(sport=SPORT, dport=6081, chksum=0) / Raw(payload),
                       lambda f: UDP in f and f.src == mac and f[UDP].sport == SPORT, seconds)
        if got is None:
            return None
        assert bytes(got[UDP].payload)[:40] == payload[:40]
        return bytes(got[UDP].payload)[40:]

    yield ask
    wire.close()


def test_a_kernel_that_routes(lab, ask):
    """Linux forwards from one device to the other, and its ICMP errors find their way back."""
    target = lab.targets[0]
    target.serve("shim", SHIM, ready=lambda: target.is_listening(80))
    ns = target.ns
    ns.sysctl("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=0",
              "net.ipv4.conf.gw-in.rp_filter=0")
    ns.ip("route", "replace", "default", "dev", "gw-out")
    ns.ip("-6", "route", "replace", "default", "dev", "gw-out")
    ns.address("gw-out", "203.0.113.1/32")
    back = IP(ask(IP(src="10.0.0.1", dst="10.1.0.2") / UDP(sport=1, dport=53) / Raw(b"question")))
    assert (back.src, back.dst, back.ttl) == ("10.0.0.1", "10.1.0.2", 63)
    assert bytes(back[UDP].payload) == b"question"
    back = IPv6(ask(IPv6(src="fd00::1", dst="fd00::2") / TCP(sport=1, dport=80), cookie=8))
    assert (back.dst, back.hlim, back[TCP].dport) == ("fd00::2", 63, 80)
    expired = IP(ask(IP(src="10.0.0.1", dst="10.1.0.2", ttl=1) / UDP(sport=1, dport=53), cookie=9))
    assert (expired.src, expired.dst, expired[ICMP].type) == ("203.0.113.1", "10.0.0.1", 11)


def test_suricata_passes_and_drops(lab, ask):
    suricata = Suricata(lab.targets[0], lab.directory / "suricata")
    question = IP(src="10.0.0.1", dst="10.1.0.2") / UDP(sport=1, dport=53) / Raw(b"a good question")
    assert ask(question) == bytes(question)
    assert ask(IP(src="10.0.0.1", dst="10.1.0.2") / UDP(sport=2, dport=53) / Raw(b"an evil one"), seconds=0.5) is None
    wait_until("alert", lambda: suricata.alerts() == [("bad question", "blocked")], 10)
