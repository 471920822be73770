# SPDX-License-Identifier: BSD-3-Clause
"""A wire: ARP, ND, LLDP, multicast, broadcast and link-local pass straight to the other end, in its VLAN;
packets for one host go through the appliance and leave with the Ethernet addresses they came with, TTL kept."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

from gateway import geneve

EAST, WEST = "02:00:00:00:07:01", "02:00:00:00:09:01"
from_east = Ether(src=EAST, dst=WEST) / Dot1Q(vlan=7)
from_west = Ether(src=WEST, dst=EAST) / Dot1Q(vlan=9)

udp = IP(src="192.0.2.1", dst="192.0.2.2", id=1, ttl=1) / UDP(sport=40000, dport=53) / Raw(b"question")
answer = IP(src="192.0.2.2", dst="192.0.2.1", id=2) / UDP(sport=53, dport=40000) / Raw(b"answer")
syn = IP(src="192.0.2.2", dst="192.0.2.1", id=3) / TCP(sport=40001, dport=22, flags="S", seq=1)

front = [
    Ether(src=EAST, dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=7) / ARP(hwsrc=EAST, psrc="192.0.2.1", pdst="192.0.2.2"),
    from_west / ARP(op=2, hwsrc=WEST, psrc="192.0.2.2", hwdst=EAST, pdst="192.0.2.1"),
    from_east / IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=255) / ICMPv6ND_NS(tgt="2001:db8::2"),
    Ether(src=EAST, dst="01:80:c2:00:00:0e") / Dot1Q(vlan=7, type=0x88cc) / Raw(b"\x02\x07lldp"),
    from_east / IP(src="192.0.2.1", dst="224.0.0.5", id=4, ttl=1, proto=89) / Raw(b"hello"),
    from_east / IP(src="0.0.0.0", dst="255.255.255.255", id=5) / UDP(sport=68, dport=67) / Raw(b"discover"),
    from_east / IPv6(src="fe80::1", dst="fe80::2") / UDP(sport=546, dport=547) / Raw(b"solicit"),
    from_east / udp, from_west / answer, from_west / syn,
    # Malformed: not for anybody.
    from_east / IP(src="192.0.2.1", dst="192.0.2.2", id=6, chksum=1) / UDP(sport=1, dport=2),
    Ether(src=EAST, dst=WEST) / Dot1Q(vlan=8) / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1, dport=2),
]

UDP_COOKIE, TCP_COOKIE = 0x858809c5, 0x53ed3031  # of the secret of these tests
back = [geneve(UDP_COOKIE, udp), geneve(UDP_COOKIE, answer), geneve(TCP_COOKIE, syn),
        geneve(TCP_COOKIE, IP(src="192.0.2.1", dst="192.0.2.2", id=9) / TCP(sport=22, dport=40001, flags="RA")),
        geneve(TCP_COOKIE, udp)]
drops = {"ip_checksum": 1, "vlan_unknown": 1, "geneve_inner_other": 1}
