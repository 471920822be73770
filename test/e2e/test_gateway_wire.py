# SPDX-License-Identifier: BSD-3-Clause
"""In line: weir as a piece of wire.  What is no unicast IP passes unchanged; the rest keeps its MACs and TTL."""

import json
import os
import re

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import ARP, LLC, STP, Dot3, Ether
from scapy.packet import Raw

from gateway import (LARGE, NEAR_V4, NEAR_V6, SERVER_V4, Appliance, GatewayLab, back, device, endpoint, far, fleet,
                     front, gateway, in_line, ping, received, where_flows_went, wire_ends)
from raw_port import RawPort
from topology import wait_until

A, B = "02:00:00:00:0a:01", "02:00:00:00:0b:01"  # two stations of nobody


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", mtu=LARGE, hosts_mtu=1500) as lab:
        lab.serve()
        lab.connect_in_line()
        yield lab


@pytest.fixture
def appliances(lab):
    started = lab.start_appliances()
    yield started
    for appliance in started:
        appliance.stop()


@pytest.fixture
def ends(lab):
    """The two ends of the wire."""
    ports = RawPort(lab.client), RawPort(lab.server.ns)
    yield ports
    for port in ports:
        port.close()


@pytest.fixture
def weir(lab, appliances, start_weir):
    near_end, far_end = wire_ends()
    return start_weir(in_line(lab), front=near_end, more=far_end)


BROADCAST = "ff:ff:ff:ff:ff:ff"
PASSES = {
    "ARP request": Ether(src=A, dst=BROADCAST) / ARP(hwsrc=A, psrc="10.9.9.1", pdst="10.9.9.2"),
    "ARP reply": Ether(src=A, dst=B) / ARP(op=2, hwsrc=A, psrc="10.9.9.1", hwdst=B, pdst="10.9.9.2"),
    "ND solicitation": Ether(src=A, dst="33:33:ff:00:00:02") / IPv6(src="fe80::1", dst="ff02::1:ff00:2", hlim=255) /
    ICMPv6ND_NS(tgt="fe80::2"),
    "ND advertisement": Ether(src=A, dst=B) / IPv6(src="fe80::1", dst="fe80::2", hlim=255) /
    ICMPv6ND_NA(tgt="fe80::1") / ICMPv6NDOptDstLLAddr(lladdr=A),
    "LLDP": Ether(src=A, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"\x02\x07\x04\x02\0\0\0\x0a\x01" + b"\0" * 40),
    "spanning tree": Dot3(src=A, dst="01:80:c2:00:00:00") / LLC(dsap=0x42, ssap=0x42, ctrl=3) / STP(),
    "unknown type": Ether(src=A, dst=B, type=0x88B5) / Raw(b"w" * 60),
    "IPv4 multicast": Ether(src=A, dst="01:00:5e:00:00:05") / IP(src="10.9.9.1", dst="224.0.0.5", ttl=1, proto=89) /
    Raw(b"hello"),
    "IPv4 broadcast": Ether(src=A, dst=BROADCAST) / IP(src="0.0.0.0", dst="255.255.255.255") /
    UDP(sport=68, dport=67) / Raw(b"d" * 240),
    "IPv6 multicast": Ether(src=A, dst="33:33:00:00:00:fb") / IPv6(src="fe80::1", dst="ff02::fb", hlim=1) /
    UDP(sport=5353, dport=5353) / Raw(b"mdns"),
    "IPv4 link-local": Ether(src=A, dst=B) / IP(src="169.254.1.1", dst="169.254.1.2", ttl=1) / UDP(sport=1, dport=2),
}


@pytest.mark.parametrize("towards", ["far", "front"])
@pytest.mark.parametrize("what", PASSES)
def test_passes_unchanged_and_uninspected(weir, appliances, ends, what, towards):
    sender, receiver = ends if towards == "far" else ends[::-1]
    frame = bytes(PASSES[what])
    receiver.flush()
    sender.send(frame)
    got = receiver.receive(lambda f: bytes(f)[6:12] == frame[6:12], 1)
    assert [bytes(f) for f in got] == [frame]
    assert not {flow["a"] for a in appliances for flow in a.flows()} & {"10.9.9.1", "169.254.1.1:1", "fe80::1"}


def test_hosts_are_neighbours(lab, weir, appliances):
    """Each learns the other's own MAC address, and weir does not count as a hop."""
    assert received(ping(lab, NEAR_V4, "-c", "3", "-i", "0.05")) == 3
    assert received(ping(lab, NEAR_V6, "-c", "3", "-i", "0.05")) == 3
    for address in (NEAR_V4, NEAR_V6):
        neighbor = json.loads(lab.client.run("ip", "-j", "neigh", "show", address).stdout)[0]
        assert neighbor["lladdr"] == lab.server.ns.mac("eth0")
    assert re.findall(r"ttl=(\d+)", ping(lab, NEAR_V4, "-c", "1").stdout) == ["64"]
    assert received(ping(lab, NEAR_V4, "-c", "1", "-t", "1")) == 1
    assert sum(len(a.flows("ICMP")) + len(a.flows("ICMPv6")) for a in appliances) == 2


def test_every_pair_of_stations_keeps_its_addresses(weir, appliances, ends):
    """Flows of several stations on each side, begun by either side: frames arrive with the MACs they had."""
    near, remote = ends
    for n in range(8):
        a, b = f"02:00:00:00:0a:{n:02x}", f"02:00:00:00:0b:{n:02x}"
        there = Ether(src=a, dst=b) / IP(src=f"10.9.0.{n + 1}", dst=f"10.9.1.{n + 1}", ttl=1) / UDP(
            sport=1000 + n, dport=53) / Raw(b"there")
        back_again = Ether(src=b, dst=a) / IP(src=f"10.9.1.{n + 1}", dst=f"10.9.0.{n + 1}", ttl=7) / UDP(
            sport=53, dport=1000 + n) / Raw(b"back")
        steps = [(near, remote, there), (remote, near, back_again)]
        for sender, receiver, frame in steps if n % 2 == 0 else steps[::-1]:
            receiver.flush()
            sender.send(frame)
            got = receiver.receive(lambda f: UDP in f and 1000 + n in (f[UDP].sport, f[UDP].dport), 1)
            assert [bytes(f) for f in got] == [bytes(frame)]
    went = where_flows_went(appliances, "UDP")
    assert len(went) == 8 and all(len(who) == 1 for who in went.values())


def test_stations_that_move(weir, ends):
    """The MAC addresses of a flow's packets are the latest, as with a real wire."""
    near, remote = ends
    for source in ("02:00:00:00:0a:01", "02:00:00:00:0a:02", "02:00:00:00:0a:01"):
        frame = Ether(src=source, dst=B) / IP(src="10.9.0.1", dst="10.9.1.1") / UDP(sport=7, dport=9) / Raw(b"moved")
        remote.flush()
        near.send(frame)
        got = remote.receive(lambda f: UDP in f and f[UDP].sport == 7, 1)
        assert [bytes(f) for f in got] == [bytes(frame)]


def test_a_wire_has_no_addresses_of_its_own(lab, weir, ends):
    """weir neither answers nor asks on a wire: nothing that it made appears on either end."""
    macs = {row["mac"] for row in weir.ask("interfaces")["interfaces"] if row["name"] in ("front", "far")}
    for port in ends:
        port.flush()
    ends[0].send(Ether(src=A, dst=B) / IP(src="10.9.0.1", dst="10.9.1.1", ttl=1) / UDP(sport=7, dport=9))
    lab.client.try_run("ping", "-c", "1", "-W", "1", "198.18.1.1")
    for port in ends:
        assert port.receive(lambda f: f.src in macs, 1, 0.3) == []


def start_wire(lab, start_weir, back_mtu: int = 1500, **keys: str):
    near_end, far_end = wire_ends()
    return start_weir(in_line(lab, **keys), front=near_end, back=back(back_mtu), more=far_end)


@pytest.mark.parametrize("back_mtu, mss, arrives", [(1500, 1460, 1392), (1500, 1300, 1300), (LARGE, 1460, 1460)])
@pytest.mark.parametrize("family", [4, 6])
def test_mss_is_lowered_to_what_fits_in_geneve(lab, appliances, start_weir, ends, family, back_mtu, mss, arrives):
    """RFC 6691: the MSS counts neither IP's nor TCP's header; the overhead is 68 bytes."""
    start_wire(lab, start_weir, back_mtu)
    ip = IP(src="10.9.0.1", dst="10.9.1.1") if family == 4 else IPv6(src="fd00::1", dst="fd00::2")
    for sender, receiver, a, b, flags in ((ends[0], ends[1], A, B, "S"), (ends[1], ends[0], B, A, "SA")):
        receiver.flush()
        if flags == "SA":
            ip.src, ip.dst = ip.dst, ip.src
        tcp = TCP(sport=1000 if flags == "S" else 80, dport=80 if flags == "S" else 1000, flags=flags,
                  options=[("MSS", mss), ("NOP", None), ("WScale", 7)])
        sender.send(Ether(src=a, dst=b) / ip / tcp)
        got, = receiver.receive(lambda f: TCP in f and f.src == a, 1)
        assert dict(got[TCP].options)["MSS"] == arrives - (20 if family == 6 and arrives != mss else 0)
        checksum = got[TCP].chksum
        del got[TCP].chksum
        assert Ether(bytes(got))[TCP].chksum == checksum


def test_errors_on_a_wire(lab, appliances, start_weir, ends):
    """Told to the sender as from the host it wrote to: a wire has no address of its own."""
    weir = start_wire(lab, start_weir, balancer="icmp_mtu_exceeded.enabled = true\n")
    datagram = UDP(sport=5, dport=6) / Raw(b"x" * 1440)
    got = ends[0].ask(Ether(src=A, dst=B) / IP(src="10.9.0.1", dst="10.9.1.1", flags="DF") / datagram, lambda f: ICMP in f and f[ICMP].type == 3)
    assert got is not None and (got.src, got.dst) == (B, A)
    assert (got[IP].src, got[IP].dst, got[ICMP].code, got[ICMP].nexthopmtu) == ("10.9.1.1", "10.9.0.1", 4, 1432)
    got = ends[0].ask(Ether(src=A, dst=B) / IPv6(src="fd00::1", dst="fd00::2") / datagram, lambda f: ICMPv6PacketTooBig in f)
    assert got is not None and (got.src, got.dst, got[IPv6].src, got[ICMPv6PacketTooBig].mtu) == (B, A, "fd00::2", 1432)
    assert weir.drops()["packet_too_big"] == 2


def test_resets_on_a_wire(lab, appliances, start_weir, ends):
    start_wire(lab, start_weir, listener="send_tcp_reset.on_idle_timeout.enabled = true\n")
    stray = Ether(src=A, dst=B) / IP(src="10.9.0.1", dst="10.9.1.1") / TCP(sport=7, dport=80, flags="A", seq=1, ack=99)
    got = ends[0].ask(stray, lambda f: TCP in f and f[TCP].dport == 7)
    assert got is not None and (got.src, got.dst, got[IP].src, got[TCP].seq) == (B, A, "10.9.1.1", 99)
    assert "R" in got[TCP].flags


def test_a_wire_and_a_routed_endpoint_on_one_box(lab, appliances, start_weir):
    """front and far are a wire of one load balancer, hosts behind mid1 route through another's endpoint."""
    near_end, far_end = wire_ends()
    body = (gateway("inspect", fleet(lab, 1)) + gateway("watch", fleet(lab, 2, 3)) +
            endpoint("cable", "inspect", "front", "far", more="mode = in_line\n") +
            endpoint("lan", "watch", "mid1"))
    more = far_end + "[interface mid1]\n" + device(3, "weir-mid1") + "address = 198.18.4.1/24\n"
    weir = start_weir(body, front=near_end, more=more)
    assert lab.udp(NEAR_V4, 5353, 20) == ["server"] * 20
    assert len(appliances[0].flows("UDP")) >= 18  # ports may come again
    assert [flow for a in appliances[1:] for flow in a.flows("UDP")] == []
    port = RawPort(lab.lb, "weir-mid2")
    try:
        mac = weir.mac("mid1")
        port.send(Ether(src=A, dst=mac) / IP(src="198.18.4.9", dst="198.18.2.77") / UDP(sport=5, dport=6))
        wait_until("the routed endpoint's flow",
                   lambda: len([f for a in appliances[1:] for f in a.flows("UDP")]) == 1)
    finally:
        port.close()


# Two wires in a row, each with a load balancer of its own.


def chain(lab) -> dict[str, str]:
    near_end, far_end = wire_ends()
    more = (far_end + "[interface mid1]\n" + device(3, "weir-mid1") + "[interface mid2]\n" + device(4, "weir-mid2"))
    body = (gateway("first", fleet(lab, 1)) + gateway("second", fleet(lab, 2, 3)) +
            endpoint("cable1", "first", "front", "mid1", more="mode = in_line\n") +
            endpoint("cable2", "second", "mid2", "far", more="mode = in_line\n"))
    return {"body": body, "front": near_end, "more": more}


HOPS = [("203.0.113.1", "2001:db8:99::1"), ("203.0.113.2", "2001:db8:99::2")]


def hops_seen(lab, *arguments: str) -> list[str]:
    """Addresses that traceroute shows, one probe each."""
    out = lab.client.run("traceroute", "-n", "-q", "1", "-w", "2", "-m", "6", *arguments).stdout
    return [line.split()[1] for line in out.splitlines()[1:]]


def test_two_load_balancers_in_a_row(lab, appliances, start_weir):
    """Each packet sees an appliance of both; flows of equal addresses and ports do not mix."""
    weir = start_weir(**chain(lab))
    for address in (NEAR_V4, f"[{NEAR_V6}]"):
        assert lab.http(f"http://{address}/", 15) == ["server"] * 15
    assert lab.udp(NEAR_V4, 5353, 20) == ["server"] * 20
    first = {tuple(f[k] for k in ("protocol", "a", "b")) for f in appliances[0].flows()}
    second = where_flows_went(appliances[1:])
    assert first == set(second) and all(len(who) == 1 for who in second.values())
    cookies = {c for f in appliances[0].flows() for c in f["cookies"]}
    assert not cookies & {c for a in appliances[1:] for f in a.flows() for c in f["cookies"]}
    flows = {lb["name"]: lb["NewFlowCount"] for lb in weir.ask("load_balancers")["load_balancers"]}
    assert flows["first"] == flows["second"] == len(first)


@pytest.mark.parametrize("how", [["-U"], ["-I"], ["-T", "-p", "80"]], ids=["udp", "icmp", "tcp"])
@pytest.mark.parametrize("family", [4, 6])
def test_traceroute_through_two_appliances(lab, start_weir, how, family):
    """Appliances that are routers show up, one behind the other, by the errors they send inside of GENEVE."""
    appliances = [Appliance(target, str(lab.directory), "--hop", HOPS[min(n, 1)][0], "--hop", HOPS[min(n, 1)][1])
                  for n, target in enumerate(lab.targets)]
    try:
        start_weir(**chain(lab))
        address = NEAR_V4 if family == 4 else NEAR_V6
        want = [hop[0 if family == 4 else 1] for hop in HOPS] + [address]
        assert hops_seen(lab, f"-{family}", *how, address) == want
    finally:
        for appliance in appliances:
            appliance.stop()


def test_traceroute_over_wires_shows_no_weir(lab, appliances, start_weir):
    start_weir(**chain(lab))
    assert hops_seen(lab, "-4", NEAR_V4) == [NEAR_V4]
    assert hops_seen(lab, "-6", NEAR_V6) == [NEAR_V6]


@pytest.fixture
def as_routed(lab):
    lab.route_through_weir()
    yield
    lab.connect_in_line()


def test_traceroute_routed(lab, appliances, start_weir, as_routed):
    """Routed, weir is one hop, and its errors are about the packet as the host sent it."""
    start_weir(gateway("inspect", fleet(lab)) + endpoint("edge", "inspect", "front", "far"), front=front(),
               back=back(), more=far())
    assert hops_seen(lab, "-4", SERVER_V4) == ["198.18.1.1", SERVER_V4]
    assert hops_seen(lab, "-6", "2001:db8:3::2") == ["2001:db8:1::1", "2001:db8:3::2"]
    assert hops_seen(lab, "-4", "-T", "-p", "80", SERVER_V4) == ["198.18.1.1", SERVER_V4]


def test_traceroute_routed_through_a_hop(lab, start_weir, as_routed):
    appliances = lab.start_appliances("--hop", HOPS[0][0], "--hop", HOPS[0][1])
    try:
        start_weir(gateway("inspect", fleet(lab)) + endpoint("edge", "inspect", "front", "far"), front=front(),
                   back=back(), more=far())
        assert hops_seen(lab, "-4", SERVER_V4) == ["198.18.1.1", HOPS[0][0], SERVER_V4]
    finally:
        for appliance in appliances:
            appliance.stop()


@pytest.mark.parametrize("mode", ["routed", "in_line"])
def test_icmp_errors_follow_the_flow_they_quote(lab, appliances, start_weir, mode):
    """Port unreachable comes back through the appliance that saw the datagram."""
    if mode == "routed":
        lab.route_through_weir()
        start_weir(gateway("inspect", fleet(lab)) + endpoint("edge", "inspect", "front", "far"), front=front(),
                   back=back(), more=far())
        address = SERVER_V4
    else:
        near_end, far_end = wire_ends()
        start_weir(in_line(lab), front=near_end, more=far_end)
        address = NEAR_V4
    try:
        got = lab.client.run("/usr/bin/python3", "-c", REFUSED, address).stdout
        assert got == "refused 20\n"
        for appliance in appliances:
            datagrams = sum(sum(f["packets"]) for f in appliance.flows("UDP"))
            errors = sum(sum(f["packets"]) for f in appliance.flows("ICMP"))
            assert datagrams == errors
        assert sum(sum(f["packets"]) for a in appliances for f in a.flows("UDP")) == 20
    finally:
        lab.connect_in_line()


REFUSED = """
import socket, sys, time
refused = 0
for n in range(20):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(2)
        s.connect((sys.argv[1], 9999))
        s.send(b"anybody?")
        try:
            s.recv(100)
        except ConnectionRefusedError:
            refused += 1
    time.sleep(0.02)
print("refused", refused)
"""
