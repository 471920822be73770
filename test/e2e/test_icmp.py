# SPDX-License-Identifier: BSD-3-Clause
"""ICMP errors about flows in both directions, MTU and MSS."""

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
from scapy.layers.inet6 import ICMPv6PacketTooBig, ICMPv6TimeExceeded, IPerror6, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from conftest import BACK
from raw_port import RawPort
from topology import CLIENT_V4, CLIENT_V6, wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop:54]
    protocol = UDP
    default_action = forward closed

    [listener shop6:54]
    protocol = UDP
    default_action = forward closed6

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group echo]
    protocol = UDP
    {mode}
    health_check.port = 80
    target = 198.18.2.11:5353

    [target_group closed]
    protocol = UDP
    {mode}
    health_check.port = 80
    target = 198.18.2.11:9999

    [target_group closed6]
    protocol = UDP
    {mode}
    health_check.port = 80
    target = [2001:db8:2::11]:9999

    [target_group web]
    protocol = TCP
    {mode}
    target = 198.18.2.11:80

    [target_group web6]
    protocol = TCP
    {mode}
    target = [2001:db8:2::11]:80
"""
FULL_NAT, NAT = "preserve_client_ip.enabled = false", "preserve_client_ip.enabled = true"
modes = pytest.mark.parametrize("mode", [FULL_NAT, NAT], ids=["full_nat", "nat"])


REFUSED = """
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(3)
s.connect((sys.argv[1], 54))
s.send(b"question")
try:
    s.recv(100)
except ConnectionRefusedError:
    print("refused")
"""


@modes
@pytest.mark.parametrize("address", ["198.18.1.10", "2001:db8:1::10"], ids=["v4", "v6"])
def test_port_unreachable_reaches_the_client(lab, start_weir, mode, address):
    """The target's kernel answers with an ICMP error; the client's kernel takes it as its own flow's."""
    start_weir(SERVICES.format(mode=mode))
    got = lab.client.run("/usr/bin/python3", "-c", REFUSED, address)
    assert got.stdout == "refused\n"


@modes
def test_error_from_the_target_is_translated(lab, start_weir, client_port, mode):
    """Outer and embedded addresses, ports and checksums are the client's view."""
    start_weir(SERVICES.format(mode=mode))
    client_port.flush()
    lab.client.run("/usr/bin/python3", "-c", REFUSED, "198.18.1.10")
    error = client_port.receive(lambda f: ICMP in f and f[ICMP].type == 3)[0]
    assert (error[IP].dst, error[IPerror].src, error[IPerror].dst) == (CLIENT_V4, CLIENT_V4, "198.18.1.10")
    assert error[UDPerror].dport == 54
    assert error[IP].src in ("198.18.1.10", "198.18.2.11")
    for layer in (IP, ICMP, IPerror):
        assert_checksum(error, layer)


def assert_checksum(frame, layer) -> None:
    given = frame[layer].chksum
    again = frame[layer].copy()
    del again.chksum
    assert again.__class__(bytes(again)).chksum == given, layer.__name__


@modes
def test_error_from_the_client_side_reaches_the_target(lab, start_weir, client_port, mode):
    """A router before the client says "host unreachable"; the target sees an error about its own packet."""
    weir = start_weir(SERVICES.format(mode=mode))
    assert lab.udp("198.18.1.10", 53, 1) == ["t1"]
    reply = client_port.receive(lambda f: UDP in f and f[UDP].sport == 53)[0]
    target_port = RawPort(lab.targets[0].ns)
    try:
        error = (Ether(dst=reply.src, src=client_port.mac) / IP(src="198.18.1.254", dst="198.18.1.10") /
                 ICMP(type=3, code=1) / Raw(bytes(reply[IP])[:28]))
        client_port.send(error)
        got = target_port.receive(lambda f: ICMP in f and f[ICMP].code == 1)
        assert got, f"the target got no error: {weir.drops()}"
        assert got[0][IPerror].src == lab.targets[0].v4
        assert got[0][UDPerror].sport == 5353
        assert got[0][IPerror].dst == (CLIENT_V4 if mode == NAT else "198.18.2.1")
        for layer in (IP, ICMP, IPerror):
            assert_checksum(got[0], layer)

        # As ELB, only "unreachable" and "too big" pass.
        client_port.send(Ether(dst=reply.src, src=client_port.mac) / IP(src="198.18.1.254", dst="198.18.1.10") /
                         ICMP(type=11) / Raw(bytes(reply[IP])[:28]))
        wait_until("drop", lambda: weir.ask("drops")["icmp_unwanted"] == 1)
    finally:
        target_port.close()


SINK = """
import socket
with socket.create_server(("::", 8000), family=socket.AF_INET6, dualstack_ipv6=True) as server:
    while True:
        s, _ = server.accept()
        n = 0
        try:
            while part := s.recv(65536):
                n += len(part)
            s.sendall(str(n).encode())
        except ConnectionResetError:
            pass  # a health check
        s.close()
"""
UPLOAD = """
import socket, sys
with socket.create_connection((sys.argv[1], 8000), 5) as s:
    s.sendall(b"w" * 300_000)
    s.shutdown(socket.SHUT_WR)
    print(s.recv(100).decode())
"""


@modes
@pytest.mark.parametrize("address", ["198.18.1.10", "2001:db8:1::10"], ids=["v4", "v6"])
def test_upload_over_a_smaller_mtu_towards_targets(lab, start_weir, mode, address):
    target = lab.targets[0]
    target.serve("sink", "/usr/bin/python3", "-c", SINK, ready=lambda: target.is_listening(8000))
    try:
        start_weir(SERVICES.format(mode=mode).replace(":80", ":8000"), back=BACK + "mtu = 1400\n")
        assert lab.client.run("/usr/bin/python3", "-c", UPLOAD, address).stdout == "300000\n"
    finally:
        target.stop("sink")


def syn_at_target(lab, weir, client_port, mss: int) -> int:
    """MSS of a SYN as the target sees it."""
    mac = weir.mac("front")
    target_port = RawPort(lab.targets[0].ns)
    try:
        client_port.send(Ether(dst=mac, src=client_port.mac) / IP(src="198.18.1.77", dst="198.18.1.10") /
                         TCP(sport=4000 + mss, dport=80, flags="S", options=[("MSS", mss)]))
        syn = target_port.receive(lambda f: TCP in f and f[TCP].flags == "S" and f[TCP].dport == 80 and
                                  f[TCP].window == 8192)[0]
        assert_checksum(syn, TCP)
        return dict(syn[TCP].options)["MSS"]
    finally:
        target_port.close()


def test_mss_is_clamped_to_the_smaller_mtu(lab, start_weir, client_port):
    weir = start_weir(SERVICES.format(mode=FULL_NAT), back=BACK + "mtu = 1400\n")
    assert syn_at_target(lab, weir, client_port, 1460) == 1360
    assert syn_at_target(lab, weir, client_port, 1300) == 1300


def test_mss_is_left_alone_where_nothing_is_smaller(lab, start_weir, client_port):
    weir = start_weir(SERVICES.format(mode=FULL_NAT))
    assert syn_at_target(lab, weir, client_port, 1460) == 1460


def test_packet_too_big(lab, start_weir, client_port):
    """RFC 1191 and RFC 8201: the answer names the next hop's MTU and quotes the packet."""
    weir = start_weir(SERVICES.format(mode=FULL_NAT), back=BACK + "mtu = 1300\n")
    mac = weir.mac("front")
    ether = Ether(dst=mac, src=client_port.mac)
    got = client_port.ask(ether / IP(src=CLIENT_V4, dst="198.18.1.10", flags="DF") /
                          UDP(sport=5, dport=53) / Raw(b"x" * 1400),
                          lambda f: ICMP in f and f[ICMP].type == 3)
    assert got is not None and (got[ICMP].code, got[ICMP].nexthopmtu) == (4, 1300)
    assert (got[IPerror].src, got[IPerror].dst) == (CLIENT_V4, "198.18.1.10")
    got = client_port.ask(ether / IPv6(src=CLIENT_V6, dst="2001:db8:1::10") / UDP(sport=5, dport=54) /
                          Raw(b"x" * 1400), lambda f: ICMPv6PacketTooBig in f)
    assert got is not None and got[ICMPv6PacketTooBig].mtu == 1300
    assert got[IPerror6].dst == "2001:db8:1::10"
    assert weir.ask("drops")["packet_too_big"] == 2


def test_hop_limit_runs_out(lab, start_weir, client_port):
    weir = start_weir(SERVICES.format(mode=FULL_NAT))
    mac = weir.mac("front")
    ether = Ether(dst=mac, src=client_port.mac)
    got = client_port.ask(ether / IP(src=CLIENT_V4, dst="198.18.1.10", ttl=1) / UDP(sport=5, dport=53),
                          lambda f: ICMP in f and f[ICMP].type == 11)
    assert got is not None and got[IP].src in ("198.18.1.1", "198.18.1.10")
    got = client_port.ask(ether / IPv6(src=CLIENT_V6, dst="2001:db8:1::10", hlim=1) / UDP(sport=5, dport=54),
                          lambda f: ICMPv6TimeExceeded in f)
    assert got is not None
    assert weir.ask("drops")["ttl_exceeded"] == 2
