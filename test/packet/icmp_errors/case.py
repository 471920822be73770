# SPDX-License-Identifier: BSD-3-Clause
"""Errors about a flow are translated with the packet they quote; others are dropped."""

from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6PacketTooBig, IPv6
from scapy.packet import Raw

from frames import client4, client6, target4, target6

front = [client4() / UDP(sport=5000, dport=80) / Raw(b"question"), client6() / UDP(sport=5000, dport=80) / Raw(b"question")]
SENT4 = IP(src="198.18.1.2", dst="198.18.2.11", id=1, ttl=63) / UDP(sport=5000, dport=8080) / Raw(b"question")
SENT6 = IPv6(src="2001:db8:1::2", dst="2001:db8:2::11", hlim=63) / UDP(sport=5000, dport=8080) / Raw(b"question")
UNKNOWN = IP(src="198.18.1.2", dst="198.18.2.11") / UDP(sport=5001, dport=8080) / Raw(b"question")
back = [target4() / ICMP(type=3, code=3) / SENT4,
        target4() / ICMP(type=3, code=4, nexthopmtu=1400) / SENT4,
        target6() / ICMPv6DestUnreach(code=4) / SENT6,
        target6() / ICMPv6PacketTooBig(mtu=1400) / SENT6,
        target4() / ICMP(type=5, code=1) / SENT4,
        target4() / ICMP(type=3, code=3) / UNKNOWN,
        target4() / ICMP(type=3, code=3) / Raw(bytes(SENT4)[:20])]
drops = {"icmp_unwanted": 1, "not_a_flow": 2}
