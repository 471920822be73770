# SPDX-License-Identifier: BSD-3-Clause
"""Malformed frames of every layer: each is dropped under its reason or answered, and all are counted."""

import random
import socket
import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_LSRR, IPOption_NOP
from scapy.layers.inet6 import (ICMPv6EchoRequest, ICMPv6ND_NS, IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment,
                                IPv6ExtHdrHopByHop)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from conftest import FRONT
from topology import wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::11]:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    target = 198.18.2.11:5353
"""

# A client by hand, whose frames the kernel beside it does not see as its own.
MAC = "02:00:00:00:00:77"
HAND, HAND6 = "198.18.1.77", "2001:db8:1::77"
VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
NEIGHBORS = f"neighbor = {HAND} {MAC}\nneighbor = {HAND6} {MAC}\n"


@pytest.fixture
def weir(start_weir):
    return start_weir(SERVICES, front=FRONT + NEIGHBORS)


def front_mac(weir) -> str:
    return weir.mac("front")


def v4(**fields):
    return IP(**{"src": HAND, "dst": VIP, **fields})


def v6(**fields):
    return IPv6(**{"src": HAND6, "dst": VIP6, **fields})


def broken(frame, layer, **fields):
    """`frame` with fields of a layer set after the checksums were computed."""
    frame = frame.__class__(bytes(frame))
    for name, value in fields.items():
        setattr(frame[layer], name, value)
    return frame


SYN = TCP(sport=1000, dport=80, flags="S")
V4_SYN = v4() / SYN

# What, payload of Ethernet or the bytes behind the MAC addresses, reason.  IPv4 fragments are in
# test/packet: the kernel puts them together before net_af_packet sees them.
CASES = [
    ("IPv4 version 5", broken(V4_SYN, IP, version=5), "ip_header_invalid"),
    ("IPv4 header length 4", broken(V4_SYN, IP, ihl=4), "ip_header_invalid"),
    ("IPv4 header beyond the packet", broken(V4_SYN, IP, ihl=15), "ip_header_invalid"),
    ("IPv4 length beyond the frame", v4(len=1400) / SYN, "ip_header_invalid"),
    ("IPv4 length shorter than the header", v4(len=19) / SYN, "ip_header_invalid"),
    ("IPv4 checksum wrong", v4(chksum=0x1234) / SYN, "ip_checksum"),
    ("IPv4 cut short", Raw(bytes(V4_SYN)[:15]), None),
    ("IPv4 loose source route", v4(options=[IPOption_LSRR(routers=["198.18.2.11"])]) / SYN, "ip_options"),
    ("IPv4 option of length 0", v4(options=[Raw(b"\x44\x00\x00\x00")]) / SYN, "ip_options"),
    ("IPv4 option beyond the header", v4(options=[Raw(b"\x44\x28\x05\x00")]) / SYN, "ip_options"),
    ("IPv4 source multicast", v4(src="224.0.0.5") / SYN, "ip_source_martian"),
    ("IPv4 source loopback", v4(src="127.0.0.1") / SYN, "ip_source_martian"),
    ("IPv4 source broadcast", v4(src="255.255.255.255") / SYN, "ip_source_martian"),
    ("IPv4 source weir's own", v4(src="198.18.1.1") / SYN, "ip_source_spoofed"),
    ("IPv4 land", v4(src=VIP) / SYN, "ip_land"),
    ("IPv4 multicast", v4(dst="224.0.0.1") / UDP(sport=1, dport=2), "ip_multicast"),
    ("IPv4 unknown protocol", v4(proto=132) / Raw(b"x" * 24), "protocol_unsupported"),
    ("TCP header cut short", v4(len=30) / SYN, "l4_header_invalid"),
    ("TCP data offset 4", v4() / TCP(sport=1000, dport=80, flags="S", dataofs=4), "l4_header_invalid"),
    ("TCP data offset beyond the segment", v4() / TCP(sport=1000, dport=80, flags="S", dataofs=15),
     "l4_header_invalid"),
    ("TCP to no listener", v4() / TCP(sport=1000, dport=81, flags="S"), "no_listener"),
    ("TCP of no flow", v4() / TCP(sport=1000, dport=80, flags="A"), "not_a_flow"),
    ("UDP cut short", v4(len=26) / UDP(sport=1, dport=53), "l4_header_invalid"),
    ("UDP length beyond the packet", v4() / UDP(sport=1, dport=53, len=400) / Raw(b"x"), "l4_header_invalid"),
    ("UDP length below 8", v4() / UDP(sport=1, dport=53, len=7) / Raw(b"x"), "l4_header_invalid"),
    ("UDP to no listener", v4() / UDP(sport=1, dport=54) / Raw(b"x"), "no_listener"),
    ("UDP to weir's own address", v4(dst="198.18.1.1") / UDP(sport=1, dport=54) / Raw(b"x"), "host_unwanted"),
    ("ICMP cut short", v4() / Raw(b"\x08\x00\x00"), None),
    ("ICMP timestamp", v4() / ICMP(type=13), "icmp_unwanted"),
    ("ICMP error about nothing", v4() / ICMP(type=3, code=3) / Raw(b"x" * 4), None),
    ("ICMP error about an unknown flow",
     v4() / ICMP(type=3, code=3) / IP(src=VIP, dst=HAND) / TCP(sport=80, dport=5), None),
    ("transit", v4(dst="203.0.113.9") / SYN, "not_a_flow"),
    ("IPv6 version 4", broken(v6() / SYN, IPv6, version=4), "ip_header_invalid"),
    ("IPv6 length beyond the frame", v6(plen=1400) / SYN, "ip_header_invalid"),
    ("IPv6 source multicast", v6(src="ff02::1") / SYN, "ip_source_martian"),
    ("IPv6 source loopback", v6(src="::1") / SYN, "ip_source_martian"),
    ("IPv6 land", v6(src=VIP6) / SYN, "ip_land"),
    ("IPv6 source weir's own", v6(src="2001:db8:1::1") / SYN, "ip_source_spoofed"),
    ("IPv6 extension beyond the packet",
     v6(nh=60, plen=8) / Raw(b"\x06\x1f" + b"\x00" * 6), "ip_extension"),
    ("IPv6 chain of fifty headers",
     v6(nh=60) / Raw((b"\x3c\x00\x01\x04\x00\x00\x00\x00" * 49) + b"\x06\x00\x01\x04\x00\x00\x00\x00") / SYN,
     "ip_extension"),
    ("IPv6 hop-by-hop not first", v6() / IPv6ExtHdrDestOpt() / IPv6ExtHdrHopByHop() / SYN, "ip_extension"),
    ("IPv6 fragment of ICMP", v6(nh=44) / IPv6ExtHdrFragment(m=1, nh=58) / Raw(b"x" * 16), "fragment_unsupported"),
    ("IPv6 no next header", v6(nh=59), "protocol_unsupported"),
    ("IPv6 TCP cut short", v6(plen=10) / SYN, "l4_header_invalid"),
    ("ARP cut short", b"\x08\x06\x00\x01\x08\x00\x06\x04\x00", None),
    ("ARP of another hardware", broken(ARP(op=1, psrc=HAND, pdst="198.18.1.1"), ARP, hwtype=6), "arp_invalid"),
    ("ARP with a broadcast sender", ARP(op=1, hwsrc="ff:ff:ff:ff:ff:ff", psrc=HAND, pdst="198.18.1.1"),
     "arp_invalid"),
    ("ARP that claims weir's address", ARP(op=2, hwsrc=MAC, psrc=VIP, pdst="198.18.1.1"), "arp_invalid"),
    ("ND with hop limit 64", IPv6(src=HAND6, dst="2001:db8:1::1", hlim=64) /
     ICMPv6ND_NS(tgt="2001:db8:1::1"), "nd_invalid"),
    ("ND with an option of length 0", IPv6(src=HAND6, dst="2001:db8:1::1", hlim=255) /
     ICMPv6ND_NS(tgt="2001:db8:1::1") / Raw(b"\x01\x00" + b"\x00" * 6), "nd_invalid"),
    ("a type nobody knows", b"\x88\xb5" + b"x" * 50, "ethertype_unknown"),
    ("a VLAN nobody has", Dot1Q(vlan=99) / V4_SYN, "vlan_unknown"),
]


def test_each_malformed_frame_is_counted_under_its_reason(weir, client_port):
    """`None`: any one reason."""
    mac = front_mac(weir)
    wrong = []
    for what, payload, reason in CASES:
        if isinstance(payload, bytes):
            frame = bytes(Ether(dst=mac, src=MAC, type=0))[:12] + payload
        else:
            frame = bytes(Ether(dst=mac, src=MAC) / payload)
        before, received = weir.ask("drops"), weir.ask("lcores")["lcores"][0]["received"]
        client_port.send(frame)
        wait_until(what, lambda: weir.ask("lcores")["lcores"][0]["received"] > received, 2, 0.005)
        try:
            wait_until(what, lambda: weir.ask("drops") != before, 1, 0.005)
        except TimeoutError:
            pass
        after = weir.ask("drops")
        counted = {name: after[name] - before[name] for name in after
                   if after[name] != before[name] and (name != "ip_multicast" or reason == name)}
        if reason is None and sum(counted.values()) == 1:
            continue
        if counted != {reason: 1}:
            wrong.append(f"{what}: wanted {reason}, got {counted}")
    assert not wrong, "\n".join(wrong)
    assert weir.ask("info")["state"] == "running"


def test_frames_for_others_are_dropped(weir, client_port):
    before = weir.ask("drops")["mac_not_ours"]
    client_port.send(Ether(dst="02:00:00:00:00:99", src=MAC) / V4_SYN)
    wait_until("drop", lambda: weir.ask("drops")["mac_not_ours"] == before + 1)


def random_frames(rng: random.Random, mac: str):
    """Valid frames with a few bytes changed, bits flipped, cut or lengthened."""
    seeds = [bytes(Ether(dst=mac, src=MAC) / payload) for _, payload, _ in CASES if not isinstance(payload, bytes)]
    seeds += [bytes(Ether(dst=mac, src=MAC) / p) for p in (
        v4() / UDP(sport=9, dport=53) / Raw(b"question"), v6() / SYN, v4() / ICMP() / Raw(b"ping"),
        v6(dst="2001:db8:1::1") / ICMPv6EchoRequest(data=b"ping"), ARP(psrc=HAND, pdst="198.18.1.1"),
        v4(options=[IPOption_NOP()] * 4) / SYN, v6() / IPv6ExtHdrDestOpt() / SYN)]
    while True:
        frame = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 6)):
            frame[rng.randrange(12, len(frame))] = rng.randrange(256)
        if rng.random() < 0.3:
            frame = frame[:rng.randrange(14, len(frame) + 1)]
        elif rng.random() < 0.1:
            frame += rng.randbytes(rng.randrange(1, 1400 - len(frame) % 1300))
        yield bytes(frame[:1514])


def in_and_out(weir) -> tuple[int, int]:
    """What came into the workers, and what became of it."""
    rows = weir.ask("lcores")["lcores"]

    def total(*names: str) -> int:
        return sum(row[name] for row in rows for name in names)

    return (total("received", "originated", "from_management", "answered"),
            total("transmitted", "drops", "consumed", "to_management"))


def test_random_frames_and_every_packet_is_accounted_for(lab, weir, client_port):
    """received + made = transmitted + dropped + consumed + handed to the management core."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    frames = random_frames(random.Random(seed), front_mac(weir))
    for _ in range(100):
        for _ in range(50):
            client_port.send(next(frames))
        assert weir.process.poll() is None
    assert lab.http(f"http://{VIP}/", 10) == ["t1"] * 10
    wait_until("counters to add up", lambda: len(set(in_and_out(weir))) == 1, 5)
    wait_until("buffers to be given back", lambda: weir.pool("mbufs")["in_use"] == 0, 5)


def test_short_control_frames(weir):
    """The control socket takes no nonsense either."""
    for junk in (b"", b"\x00", b"\xff\xff\xff\xff", struct.pack("!I", 5) + b"[1,2]",
                 struct.pack("!I", 3) + b"{}}", struct.pack("!I", 0), struct.pack("!I", 100) + b"{"):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(weir.control_socket)
            s.sendall(junk)
            s.shutdown(socket.SHUT_WR)
            s.settimeout(2)
            reply = s.recv(4096)
            assert reply == b"" or b'"error"' in reply
    assert weir.ask("info")["state"] == "running"
