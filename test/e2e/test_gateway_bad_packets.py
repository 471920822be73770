# SPDX-License-Identifier: BSD-3-Clause
"""GENEVE that weir must not believe: each is dropped under its own reason, and none reaches a host.

Hosts and appliances are frames by hand here; an appliance program in mode drop answers health checks.
"""

import os
import random
import struct
import time
from dataclasses import dataclass

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from conftest import BACK, FRONT
from gateway import GatewayLab, endpoint, far, fleet, gateway, geneve, option, options
from raw_port import RawPort
from topology import wait_until

CLIENT, CLIENT_MAC = "198.18.1.77", "02:00:00:00:00:77"
SERVER, SERVER_MAC = "198.18.3.77", "02:00:00:00:00:88"
OTHER_APPLIANCE = "198.18.2.12"
WEIR = "198.18.2.1"
IDS = (0x1111, 0x2222)
OTHER_IDS = (0x3333, 0x4444)

EDGE = endpoint("edge", "inspect", "front", "far",
                more=f"id = {IDS[0]:#018x}\nattachment_id = {IDS[1]:#018x}\n")


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", appliances=2) as lab:
        lab.start_appliances("--mode", "drop")
        yield lab


@dataclass
class Hands:
    """Frames by hand at the client, at the server and at each appliance."""

    client: RawPort
    server: RawPort
    appliances: list[RawPort]
    macs: dict[str, str]

    def flush(self) -> None:
        for port in (self.client, self.server, *self.appliances):
            port.flush()


def start_by_hand(lab, start_weir, body: str):
    weir = start_weir(body, front=FRONT + f"neighbor = {CLIENT} {CLIENT_MAC}\n", back=BACK,
                      more=far() + f"neighbor = {SERVER} {SERVER_MAC}\n")
    macs = {row["name"]: row["mac"] for row in weir.ask("interfaces")["interfaces"]}
    return weir, Hands(RawPort(lab.client), RawPort(lab.server.ns), [RawPort(t.ns) for t in lab.targets], macs)


def is_geneve(frame: Packet) -> bool:
    return UDP in frame and frame[UDP].dport == 6081 and frame[IP].src == WEIR


@dataclass
class Seen:
    """A packet as an appliance got it."""

    appliance: int
    frame: Packet
    header: bytes
    inner: bytes

    @property
    def cookie(self) -> int:
        return struct.unpack("!I", self.header[36:40])[0]


def inspect(hands: Hands, packet: Packet, side: str = "client") -> Seen:
    """Send a packet into an endpoint; what came to an appliance of it."""
    hands.flush()
    if side == "client":
        hands.client.send(Ether(src=CLIENT_MAC, dst=hands.macs["front"]) / packet)
    else:
        hands.server.send(Ether(src=SERVER_MAC, dst=hands.macs["far"]) / packet)
    for _ in range(20):
        for n, port in enumerate(hands.appliances):
            got = port.receive(is_geneve, 1, 0.1)
            if got:
                payload = bytes(got[0][UDP].payload)
                return Seen(n, got[0], payload[:40], payload[40:])
    raise AssertionError("no appliance got it")


def answer(seen: Seen, payload: bytes, hands: Hands, **outer) -> Packet:
    """GENEVE from the flow's appliance, with another payload of UDP."""
    fields = {"src": seen.frame[IP].dst, "dst": seen.frame[IP].src, "ttl": 2, "id": 0, **outer}
    return (Ether(src=seen.frame.dst, dst=hands.macs["back"]) / IP(**fields) /
            UDP(sport=seen.frame[UDP].sport, dport=6081, chksum=0xBEEF) / Raw(payload))


def question(sport: int = 1000) -> Packet:
    return IP(src=CLIENT, dst=SERVER) / UDP(sport=sport, dport=53) / Raw(b"question")


def opts(seen: Seen, ids: tuple[int, int] = IDS, cookie: int | None = None) -> list[bytes]:
    return options(*ids, seen.cookie if cookie is None else cookie)


UNKNOWN = option(9, b"\0" * 4, 0x1234)
CRITICAL = option(0x89, b"\0" * 4, 0x1234)


def packet_of(src: str, dst: str, **udp) -> bytes:
    return bytes(IP(src=src, dst=dst) / UDP(**{"sport": 1000, "dport": 53, **udp}) / Raw(b"question"))


# What, UDP payload made of what the appliance saw, reason.
CASES = [
    ("version 1", lambda s: geneve(*opts(s), version=1) + s.inner, "geneve_version"),
    ("version 3", lambda s: geneve(*opts(s), version=3) + s.inner, "geneve_version"),
    ("no GENEVE header", lambda s: b"", "geneve_length"),
    ("half a header", lambda s: s.header[:5], "geneve_length"),
    ("options cut short", lambda s: s.header[:30], "geneve_length"),
    ("options longer than the packet", lambda s: geneve(*opts(s), length=252) + s.inner, "geneve_length"),
    ("control packet", lambda s: geneve(*opts(s), flags=0x80) + s.inner, "geneve_protocol"),
    ("Ethernet inside", lambda s: geneve(*opts(s), protocol=0x6558) + s.inner, "geneve_protocol"),
    ("ARP inside", lambda s: geneve(*opts(s), protocol=0x0806) + s.inner, "geneve_protocol"),
    ("unknown critical option", lambda s: geneve(*opts(s), CRITICAL, flags=0x40) + s.inner,
     "geneve_option_critical"),
    ("option longer than the options", lambda s: s.header[:35] + b"\x1f" + s.header[36:] + s.inner,
     ("geneve_option_length", "geneve_length")),
    ("endpoint of 4 bytes", lambda s: geneve(option(1, b"\0" * 4), *opts(s)[1:]) + s.inner, "geneve_option_length"),
    ("attachment of 16 bytes", lambda s: geneve(opts(s)[0], option(2, b"\0" * 16), opts(s)[2]) + s.inner,
     "geneve_option_length"),
    ("cookie of 8 bytes", lambda s: geneve(*opts(s)[:2], option(3, b"\0" * 8)) + s.inner, "geneve_option_length"),
    ("cookie of 0 bytes", lambda s: geneve(*opts(s)[:2], option(3, b"")) + s.inner, "geneve_option_length"),
    ("options in another order", lambda s: geneve(opts(s)[1], opts(s)[0], opts(s)[2]) + s.inner,
     "geneve_option_order"),
    ("cookie first", lambda s: geneve(opts(s)[2], *opts(s)[:2]) + s.inner, "geneve_option_order"),
    ("cookie twice", lambda s: geneve(*opts(s), opts(s)[2]) + s.inner, "geneve_option_duplicate"),
    ("endpoint twice", lambda s: geneve(opts(s)[0], *opts(s)) + s.inner, "geneve_option_duplicate"),
    ("no options", lambda s: geneve() + s.inner, "geneve_option_missing"),
    ("no cookie", lambda s: geneve(*opts(s)[:2]) + s.inner, "geneve_option_missing"),
    ("no endpoint", lambda s: geneve(*opts(s)[1:]) + s.inner, ("geneve_option_missing", "geneve_option_order")),
    ("options of another class", lambda s: geneve(UNKNOWN) + s.inner, "geneve_option_missing"),
    ("a cookie never given out", lambda s: geneve(*opts(s, cookie=s.cookie ^ 0x5A5A5A00)) + s.inner,
     ("geneve_cookie_foreign", "geneve_cookie_expired")),
    ("a cookie of another slot", lambda s: geneve(*opts(s, cookie=s.cookie ^ 0x5A)) + s.inner,
     ("geneve_cookie_foreign", "geneve_cookie_expired")),
    ("cookie 0", lambda s: geneve(*opts(s, cookie=0)) + s.inner, ("geneve_cookie_foreign", "geneve_cookie_expired")),
    ("another endpoint's id", lambda s: geneve(*opts(s, (OTHER_IDS[0], IDS[1]))) + s.inner, "geneve_endpoint_other"),
    ("another attachment's id", lambda s: geneve(*opts(s, (IDS[0], OTHER_IDS[1]))) + s.inner,
     "geneve_endpoint_other"),
    ("nothing inside", lambda s: s.header, ("geneve_inner_invalid", "geneve_length")),
    ("inner packet cut short", lambda s: s.header + s.inner[:-1], "geneve_inner_invalid"),
    ("half an inner header", lambda s: s.header + s.inner[:12], "geneve_inner_invalid"),
    ("garbage inside", lambda s: s.header + random.Random(1).randbytes(60), "geneve_inner_invalid"),
    ("IPv6 under IPv4's number", lambda s: s.header + bytes(IPv6(src="fd00::1", dst="fd00::2") / UDP()),
     "geneve_inner_invalid"),
    ("inner checksum wrong", lambda s: s.header + s.inner[:10] + b"\x12\x34" + s.inner[12:], "geneve_inner_invalid"),
    ("to another host", lambda s: s.header + packet_of(CLIENT, "198.18.3.78"), "geneve_inner_other"),
    ("from another host", lambda s: s.header + packet_of("198.18.1.78", SERVER), "geneve_inner_other"),
    ("to another port", lambda s: s.header + packet_of(CLIENT, SERVER, dport=54), "geneve_inner_other"),
    ("of another protocol", lambda s: s.header + bytes(IP(src=CLIENT, dst=SERVER) / TCP(sport=1000, dport=53)),
     "geneve_inner_other"),
    ("to weir", lambda s: s.header + packet_of(CLIENT, "198.18.3.1"), "geneve_inner_own"),
    ("from weir", lambda s: s.header + packet_of("198.18.1.1", SERVER), "geneve_inner_own"),
    ("GENEVE for weir inside", lambda s: s.header + bytes(IP(src=OTHER_APPLIANCE, dst=WEIR) /
                                                          UDP(sport=7, dport=6081) / Raw(s.header + s.inner)),
     "geneve_recursion"),
]


def total(drops: dict) -> dict:
    return {reason: n for reason, n in drops.items() if n and reason not in ("ip_multicast", "ethertype_unknown")}


def counted(weir, before: dict) -> dict[str, int]:
    try:
        wait_until("a drop", lambda: total(weir.ask("drops")) != before, 1, 0.005)
    except TimeoutError:
        return {}
    after = total(weir.ask("drops"))
    return {reason: n - before.get(reason, 0) for reason, n in after.items() if n != before.get(reason, 0)}


def came_through(hands: Hands) -> list[Packet]:
    """Inner packets that reached a host."""
    def inner(frame: Packet) -> bool:
        return IP in frame and UDP in frame and frame.src in hands.macs.values() and frame[UDP].dport != 6081

    return hands.server.receive(inner, 5, 0.05) + hands.client.receive(inner, 5, 0.05)


def test_each_is_counted_under_its_reason_and_passes_nothing(lab, start_weir):
    """Reasons that a stranger can't tell apart are given as several."""
    weir, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)
    seen = inspect(hands, question())
    assert seen.header == geneve(*opts(seen))
    assert seen.inner[20:] == bytes(question())[20:]
    wrong = []
    for what, payload, reason in CASES:
        before = total(weir.ask("drops"))
        hands.flush()
        hands.appliances[seen.appliance].send(answer(seen, payload(seen), hands))
        got, allowed = counted(weir, before), (reason,) if isinstance(reason, str) else reason
        if got not in [{name: 1} for name in allowed]:
            wrong.append(f"{what}: wanted {reason}, got {got}")
        if came_through(hands):
            wrong.append(f"{what}: came through")
    assert not wrong, "\n".join(wrong)
    hands.flush()
    hands.appliances[seen.appliance].send(answer(seen, seen.header + seen.inner, hands))
    assert len(came_through(hands)) == 1  # the flow itself is none the worse


def test_unknown_options_that_are_not_critical_are_skipped(lab, start_weir):
    """RFC 8926 section 3.5: an appliance may add options of its own class."""
    _, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)
    seen = inspect(hands, question())
    hands.appliances[seen.appliance].send(answer(seen, geneve(*opts(seen), UNKNOWN) + seen.inner, hands))
    assert len(came_through(hands)) == 1


def test_spoofed_appliances(lab, start_weir):
    """The right cookie from the wrong place: another appliance, a stranger, or the hosts' side."""
    weir, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)
    seen = inspect(hands, question())
    good = seen.header + seen.inner
    other = next(t.v4 for t in lab.targets if t.v4 != seen.frame[IP].dst)
    for what, source, port, mac in (
            ("another appliance", other, hands.appliances[1 - seen.appliance], "back"),
            ("a stranger", "198.18.2.99", hands.appliances[seen.appliance], "back"),
            ("the client's side", seen.frame[IP].dst, hands.client, "front"),
            ("the server's side", seen.frame[IP].dst, hands.server, "far")):
        before = total(weir.ask("drops"))
        hands.flush()
        frame = answer(seen, good, hands, src=source)
        frame.dst = hands.macs[mac]
        port.send(frame)
        assert counted(weir, before) == {"geneve_target_other": 1}, what
        assert came_through(hands) == [], what


def test_cookies_of_flows_that_are_over(lab, start_weir):
    """A connection that was refused is forgotten after 10 s; its cookie opens nothing then."""
    weir, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)

    seen = inspect(hands, IP(src=CLIENT, dst=SERVER) / TCP(sport=4000, dport=80, flags="S", seq=1))
    refusal = IP(src=SERVER, dst=CLIENT) / TCP(sport=80, dport=4000, flags="RA", ack=2)
    assert inspect(hands, refusal, "server").cookie == seen.cookie
    assert len(weir.ask("flows")["flows"]) == 1
    wait_until("the flow to be over", lambda: not weir.ask("flows")["flows"], 15)
    before = total(weir.ask("drops"))
    hands.appliances[seen.appliance].send(answer(seen, seen.header + seen.inner, hands))
    assert counted(weir, before) == {"geneve_cookie_expired": 1}


def test_nothing_crosses_between_load_balancers(lab, start_weir):
    """Two load balancers that share an appliance, and two endpoints of one of them."""
    body = (gateway("inspect", fleet(lab, 1)) + gateway("watch", fleet(lab, 1, 2)) +
            endpoint("edge", "inspect", "front", more=f"id = {IDS[0]:#018x}\nattachment_id = {IDS[1]:#018x}\n") +
            endpoint("core", "watch", "far", more=f"id = {OTHER_IDS[0]:#018x}\nattachment_id = {OTHER_IDS[1]:#018x}\n"))
    weir, hands = start_by_hand(lab, start_weir, body)
    edge = inspect(hands, question(1001))
    core = inspect(hands, IP(src=SERVER, dst=CLIENT) / UDP(sport=2000, dport=53) / Raw(b"question"), "server")
    assert edge.header[12:20] + edge.header[24:32] == struct.pack("!QQ", *IDS)
    assert core.header[12:20] + core.header[24:32] == struct.pack("!QQ", *OTHER_IDS)
    assert edge.appliance == 0
    appliance = hands.appliances[0]
    for what, frame, reasons in (
            ("other ids", answer(edge, geneve(*options(*OTHER_IDS, edge.cookie)) + edge.inner, hands),
             {"geneve_endpoint_other"}),
            ("the other flow's cookie", answer(edge, geneve(*options(*IDS, core.cookie)) + edge.inner, hands),
             {"geneve_endpoint_other", "geneve_target_other", "geneve_cookie_foreign"}),
            ("the other flow's options", answer(edge, core.header + edge.inner, hands),
             {"geneve_inner_other", "geneve_target_other"})):
        before = total(weir.ask("drops"))
        hands.flush()
        appliance.send(frame)
        got = counted(weir, before)
        assert sum(got.values()) == 1 and set(got) <= reasons, what
        assert came_through(hands) == [], what


def test_frames_into_an_endpoint(lab, start_weir):
    """What hosts send that no appliance may see: each with its reason."""
    weir, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)
    wrong = []
    for what, packet, reason in (
            ("from weir's own address", IP(src="198.18.1.1", dst=SERVER) / UDP(dport=53), "ip_source_spoofed"),
            ("from an appliance-side address of weir", IP(src=WEIR, dst=SERVER) / UDP(dport=53), "ip_source_spoofed"),
            ("from loopback", IP(src="127.0.0.1", dst=SERVER) / UDP(dport=53), "ip_source_martian"),
            ("land", IP(src=SERVER, dst=SERVER) / UDP(dport=53), "ip_land"),
            ("header checksum wrong", IP(src=CLIENT, dst=SERVER, chksum=1) / UDP(dport=53), "ip_checksum"),
            ("TCP header cut short", IP(src=CLIENT, dst=SERVER, len=30) / TCP(), "l4_header_invalid"),
            ("multicast", IP(src=CLIENT, dst="224.0.0.5") / UDP(dport=53), "ip_multicast"),
            ("TTL at its end", IP(src=CLIENT, dst=SERVER, ttl=1) / UDP(dport=53), "ttl_exceeded")):
        before = {k: v for k, v in weir.ask("drops").items() if v}
        hands.flush()
        hands.client.send(Ether(src=CLIENT_MAC, dst=hands.macs["front"]) / packet)
        wait_until("drop", lambda: {k: v for k, v in weir.ask("drops").items() if v} != before, 2, 0.005)
        after = weir.ask("drops")
        got = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        if got != {reason: 1}:
            wrong.append(f"{what}: wanted {reason}, got {got}")
        if [f for port in hands.appliances for f in port.receive(is_geneve, 1, 0.02)]:
            wrong.append(f"{what}: an appliance saw it")
    assert not wrong, "\n".join(wrong)


def in_and_out(weir) -> tuple[int, int]:
    rows = weir.ask("lcores")["lcores"]

    def total_of(*names: str) -> int:
        return sum(row[name] for row in rows for name in names)

    return (total_of("received", "originated", "from_management", "answered"),
            total_of("transmitted", "drops", "consumed", "to_management"))


def test_random_answers_and_every_packet_is_accounted_for(lab, start_weir):
    """GENEVE with changed bytes, bits and lengths: no crash, no leak, and counters that add up."""
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    weir, hands = start_by_hand(lab, start_weir, gateway("inspect", fleet(lab)) + EDGE)
    seeds = []
    for packet in (question(), IP(src=CLIENT, dst=SERVER) / TCP(sport=5, dport=80, flags="S"),
                   IP(src=CLIENT, dst=SERVER) / ICMP()):
        seen = inspect(hands, packet)
        seeds += [(seen, payload(seen)) for _, payload, _ in CASES] + [(seen, seen.header + seen.inner)] * 10
    for n in range(4000):
        seen, payload = rng.choice(seeds)
        data = bytearray(bytes(answer(seen, payload, hands)))
        for _ in range(rng.randint(0, 5)):
            data[rng.randrange(14, len(data))] = rng.randrange(256)
        if rng.random() < 0.2:
            data = data[:rng.randrange(14, len(data) + 1)]
        hands.appliances[seen.appliance].send(bytes(data))
        if n % 50 == 0:
            hands.client.send(Ether(src=CLIENT_MAC, dst=hands.macs["front"]) / question(rng.randrange(1, 65536)))
            assert weir.process.poll() is None
            time.sleep(0.005)
    wait_until("counters to add up", lambda: len(set(in_and_out(weir))) == 1, 5)
    wait_until("buffers to be given back", lambda: weir.pool("mbufs")["in_use"] == 0, 5)
    seen = inspect(hands, question(9))
    hands.flush()
    hands.appliances[seen.appliance].send(answer(seen, seen.header + seen.inner, hands))
    assert len(came_through(hands)) == 1
