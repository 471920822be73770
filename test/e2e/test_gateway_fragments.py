# SPDX-License-Identifier: BSD-3-Clause
"""Fragments follow their first one, in any order.

IPv4 comes over net_af_xdp on the hosts' sides: behind net_af_packet the kernel puts IPv4 fragments
together before weir sees them.
"""

import os
import random
import time

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from gateway import (LARGE, NEAR_V4, NEAR_V6, SERVER_V4, SERVER_V6, GatewayLab, back, far, front, in_line, ping,
                     received, routed, wire_ends)
from geneve_appliance import set_ip_checksum
from raw_port import RawPort
from topology import PYTHON, wait_until

CLIENT, CLIENT6, CLIENT_MAC = "198.18.1.77", "2001:db8:1::77", "02:00:00:00:00:77"
SERVER, SERVER6, SERVER_MAC = "198.18.3.77", "2001:db8:3::77", "02:00:00:00:00:88"


@pytest.fixture(scope="module")
def lab():
    """Hosts with an MTU of 1,500; whole fragments and GENEVE around them fit towards the appliances."""
    with GatewayLab(f"weir-e2e-{os.getpid()}", mtu=LARGE, hosts_mtu=1500) as lab:
        lab.serve()
        yield lab


@pytest.fixture
def appliances(lab):
    started = lab.start_appliances()
    yield started
    for appliance in started:
        appliance.stop()


def with_xdp(text: str) -> str:
    return text.replace("net_af_packet", "net_af_xdp")  # devices of MTU 1,500: no arguments to take away


def neighbors(mac: str, *addresses: str) -> str:
    return "".join(f"neighbor = {address} {mac}\n" for address in addresses)


@pytest.fixture(params=["workers = 1", "workers = 2\nlcores = 0@0,1@1,2@0"], ids=["one worker", "two workers"])
def weir(request, lab, appliances, start_weir):
    """Routed, over devices that show fragments, with neighbours by hand."""
    lab.route_through_weir()
    return start_weir(routed(lab), back=back(LARGE), dataplane=request.param + "\nmax_flows = 65536",
                      front=with_xdp(front()) + neighbors(CLIENT_MAC, CLIENT, CLIENT6),
                      more=with_xdp(far()) + neighbors(SERVER_MAC, SERVER, SERVER6))


BIG = """
import socket, sys
data = bytes(range(251)) * 200
wrong = 0
for size in (1473, 2000, 2960, 6000, 16000, 40000):
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((sys.argv[1], 5353))
        s.send(data[:size])
        try:
            wrong += s.recv(65535) != b"server " + data[:size]
        except OSError as error:
            print(size, error)
            wrong += 1
print("wrong", wrong)
"""


def assert_large_datagrams_pass(lab, v4: str, v6: str) -> None:
    for address in (v4, v6):
        assert lab.client.run(PYTHON, "-c", BIG, address).stdout == "wrong 0\n"
        for size in (1473, 4000, 20000):
            assert received(ping(lab, address, "-c", "2", "-i", "0.05", "-s", str(size))) == 2


def test_large_datagrams(lab, weir, appliances):
    """Of real kernels, in both directions, up to 28 fragments."""
    assert_large_datagrams_pass(lab, SERVER_V4, SERVER_V6)
    assert not {"fragment_timeout", "fragment_table_full", "geneve_inner_other"} & set(weir.drops())


def test_large_datagrams_in_line(lab, appliances, start_weir):
    lab.connect_in_line()
    near_end, far_end = wire_ends()
    start_weir(in_line(lab), front=with_xdp(near_end), back=back(LARGE), more=with_xdp(far_end))
    assert_large_datagrams_pass(lab, NEAR_V4, NEAR_V6)


def test_over_af_packet(lab, appliances, start_weir):
    """The kernel puts IPv4 together; weir sees long packets, which leave in pieces or fit."""
    lab.route_through_weir()
    start_weir(routed(lab), front=front(), back=back(LARGE), more=far())
    assert lab.client.run(PYTHON, "-c", BIG, SERVER_V6).stdout == "wrong 0\n"


def pieces(family: int, identification: int, sport: int) -> list:
    data = Raw(random.Random(identification).randbytes(5000))
    if family == 4:
        return fragment(IP(src=CLIENT, dst=SERVER, id=identification) / UDP(sport=sport, dport=53) / data, 1400)
    return fragment6(IPv6(src=CLIENT6, dst=SERVER6) / IPv6ExtHdrFragment(id=identification) /
                     UDP(sport=sport, dport=53) / data, 1400)


def is_piece(frame) -> bool:
    if frame.src == CLIENT_MAC or frame.dst != SERVER_MAC:
        return False
    return IP in frame and frame[IP].src == CLIENT or IPv6ExtHdrFragment in frame


def content(frame) -> tuple[int, int, bytes]:
    """Identification, offset and payload."""
    if IP in frame:
        return frame[IP].id, frame[IP].frag, bytes(frame[IP].payload)
    header = frame[IPv6ExtHdrFragment]
    return header.id, header.offset, bytes(header.payload)


@pytest.mark.parametrize("family", [4, 6])
def test_any_order(lab, weir, appliances, family):
    """50 datagrams of 4 fragments, shuffled each: all arrive, and each datagram saw one appliance."""
    mac = weir.mac("front")
    sender, receiver = RawPort(lab.client), RawPort(lab.server.ns)
    rng = random.Random(family)
    try:
        for n in range(50):
            parts = pieces(family, 1000 + n, 2000 + n)
            rng.shuffle(parts)
            receiver.flush()
            sender.send(*(Ether(src=CLIENT_MAC, dst=mac) / part for part in parts))
            got = receiver.receive(is_piece, len(parts))
            assert sorted(map(content, got)) == sorted(map(content, (Ether() / part for part in parts)))
    finally:
        sender.close()
        receiver.close()
    # An appliance counts a first fragment under its ports, later ones under addresses alone: these must
    # carry the cookies of first fragments that this appliance saw.
    assert sum(sum(flow["packets"]) for a in appliances for flow in a.flows()) == 50 * 4
    firsts = 0
    for appliance in appliances:
        by_ports = {c for f in appliance.flows() if f["a"] not in (CLIENT, CLIENT6) for c in f["cookies"]}
        by_addresses = {c for f in appliance.flows() if f["a"] in (CLIENT, CLIENT6) for c in f["cookies"]}
        assert by_addresses == by_ports
        firsts += len(by_ports)
    assert firsts == 50


@pytest.mark.parametrize("family", [4, 6])
def test_without_a_first_fragment(lab, weir, appliances, family):
    """Nothing is sent on; what waited is dropped and counted (and given back, which the end of weir tells)."""
    mac = weir.mac("front")
    sender, receiver = RawPort(lab.client), RawPort(lab.server.ns)
    try:
        for n in range(5):
            sender.send(*(Ether(src=CLIENT_MAC, dst=mac) / part for part in pieces(family, 3000 + n, 2000)[1:]))
        wait_until("drops", lambda: weir.drops().get("fragment_timeout") == 15, 60)
        assert receiver.receive(is_piece, 1, 0.1) == []
    finally:
        sender.close()
        receiver.close()


def test_a_flood_of_fragments_is_bounded(lab, weir, appliances):
    """20,000 fragments whose first ones never come: other traffic goes on, all is counted, nothing leaks."""
    mac = weir.mac("front")
    sender = RawPort(lab.client)
    frame = bytearray(bytes(Ether(src=CLIENT_MAC, dst=mac) / IP(src=CLIENT, dst=SERVER, frag=100, proto=17) /
                            Raw(b"x" * 64)))
    try:
        for n in range(20000):
            frame[18:20] = (n & 0xFFFF).to_bytes(2, "big")
            set_ip_checksum(frame)
            sender.send(bytes(frame))
            if n % 2000 == 0:
                assert lab.udp(SERVER_V4, 5353, 1) == ["server"]
        drops = weir.drops()
        assert drops.get("fragment_table_full", 0) + drops.get("fragment_timeout", 0) > 0
        time.sleep(2)  # what waits for a first fragment waits for a second
        assert_large_datagrams_pass(lab, SERVER_V4, SERVER_V6)
    finally:
        sender.close()
