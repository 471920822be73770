# SPDX-License-Identifier: BSD-3-Clause
"""Through an appliance by routes: TCP, UDP and ICMP of both families, an ICMP error about a flow, fragments
before and after their first one, what is too long or has no hop left; then what appliances send back, good
and bad."""

from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.packet import Raw

from frames import from_client
from gateway import geneve, option, options

A, B = "198.18.1.2", "198.18.1.3"
A6, B6 = "2001:db8:1::2", "2001:db8:1::3"


def ip(src=A, dst=B, **fields):
    return IP(**{"src": src, "dst": dst, "id": 1, **fields})


syn = ip(flags="DF") / TCP(sport=40000, dport=80, flags="S", seq=100, options=[("MSS", 1460)])
syn_ack = ip(B, A) / TCP(sport=80, dport=40000, flags="SA", seq=500, ack=101)
udp = ip() / UDP(sport=40001, dport=53) / Raw(b"question")
udp6 = IPv6(src=A6, dst=B6) / UDP(sport=40001, dport=53) / Raw(b"question")
echo6 = IPv6(src=A6, dst=B6) / ICMPv6EchoRequest(id=9, seq=1, data=b"ping")
gre = ip(proto=47) / Raw(b"\0\0\x08\0payload")
stray = ip() / TCP(sport=40009, dport=80, flags="A", seq=1, ack=1)
error = ip("198.18.1.3", A) / ICMP(type=3, code=3) / ip() / UDP(sport=40001, dport=53, len=16, chksum=0)
long = ip(flags="DF") / UDP(sport=40001, dport=53) / Raw(bytes(1433 - 28))
last_hop = ip(ttl=1) / UDP(sport=40001, dport=53) / Raw(b"question")
parts = fragment(ip(id=7) / UDP(sport=40001, dport=53) / Raw(bytes(range(64))), fragsize=32)
spoofed = ip("198.18.2.1", B) / UDP(sport=1, dport=2)

front = [from_client / p for p in (
    syn, syn_ack, udp, udp6, echo6, gre, stray, error, long, last_hop, parts[1], parts[2], parts[0], spoofed)]

TCP_COOKIE, UDP_COOKIE, UDP6_COOKIE = 0x858809cb, 0x53ed3085, 0x045d8e45  # of the secret of these tests


def back_ip(p):
    """As it was sent to the appliance: one hop further."""
    p = p.copy()
    if IP in p:
        p.ttl -= 1
    else:
        p.hlim -= 1
    return p


good = options(UDP_COOKIE)
back = [
    geneve(TCP_COOKIE, back_ip(syn)),
    geneve(TCP_COOKIE, back_ip(syn_ack)),
    geneve(UDP_COOKIE, back_ip(udp)),
    geneve(UDP6_COOKIE, back_ip(udp6)),
    geneve(UDP_COOKIE, back_ip(error)),
    geneve(UDP_COOKIE, back_ip(parts[1])),
    geneve(UDP_COOKIE, back_ip(udp), opts=[*good, option(9, b"abcd", 0x0104)]),  # of others, not critical
    # Not as it was sent.
    geneve(UDP_COOKIE, back_ip(udp), version=1),
    geneve(UDP_COOKIE, back_ip(udp), length=60),
    geneve(UDP_COOKIE, back_ip(udp), protocol=0x6558),
    geneve(UDP_COOKIE, back_ip(udp), opts=[*good, option(0x81, b"abcd", 0x0104)]),
    geneve(UDP_COOKIE, back_ip(udp), opts=[good[0], good[1], option(3, bytes(8))]),
    geneve(UDP_COOKIE, back_ip(udp), opts=[good[1], good[0], good[2]]),
    geneve(UDP_COOKIE, back_ip(udp), opts=[good[0], good[0], good[1], good[2]]),
    geneve(UDP_COOKIE, back_ip(udp), opts=good[:2]),
    geneve(UDP_COOKIE ^ 0x55000000, back_ip(udp)),
    geneve(UDP_COOKIE, back_ip(udp), src="198.18.2.12"),
    geneve(UDP_COOKIE, back_ip(udp), endpoint=7),
    geneve(UDP_COOKIE, Raw(b"\x45garbage that is not a packet")),
    geneve(UDP_COOKIE, back_ip(syn)),
    geneve(UDP_COOKIE, ip(A, "198.18.2.1") / UDP(sport=1, dport=2)),
    geneve(UDP_COOKIE, ip(A, "198.18.2.1") / UDP(sport=1, dport=6081)),
]
drops = {"not_a_flow": 1, "packet_too_big": 1, "ttl_exceeded": 1, "ip_source_spoofed": 1, "geneve_version": 1,
         "geneve_length": 1, "geneve_protocol": 1, "geneve_option_critical": 1, "geneve_option_length": 1,
         "geneve_option_order": 1, "geneve_option_duplicate": 1, "geneve_option_missing": 1,
         "geneve_cookie_foreign": 1, "geneve_target_other": 1, "geneve_endpoint_other": 1,
         "geneve_inner_invalid": 1, "geneve_inner_other": 1, "geneve_inner_own": 1, "geneve_recursion": 1}
