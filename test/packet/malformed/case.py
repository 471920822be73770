# SPDX-License-Identifier: BSD-3-Clause
"""Nothing comes out, and each is counted under its reason."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from frames import CLIENT, FRONT, client4, client6

SYN = TCP(sport=40000, dport=80, flags="S")
GOOD = bytes(client4() / SYN)


def changed(at: int, value: bytes) -> Ether:
    return Ether(GOOD[:at] + value + GOOD[at + len(value):])


front = [Ether(GOOD[:30]), Ether(GOOD[:50]), changed(14, b"\x44"), changed(14, b"\x4f"), changed(24, b"\0\0"),
         client4(src="198.18.1.10") / SYN, client4(src="127.0.0.1") / SYN, client4(src="198.18.1.1") / SYN,
         client4(src="224.0.0.1") / SYN, client4(len=19) / SYN, client4(len=1400) / SYN,
         client4() / TCP(sport=40000, dport=80, flags="S", dataofs=4), client4() / TCP(sport=0, dport=80, flags="S"),
         client4() / UDP(sport=5000, dport=80, len=4000), client4() / UDP(sport=5000, dport=80, len=7),
         client4(proto=132) / Raw(b"x" * 20), client6(plen=1400) / SYN, client6(src="ff02::1") / SYN,
         Ether(dst=FRONT, src=CLIENT, type=0x88cc) / Raw(b"lldp"), Ether(dst="02:00:00:00:00:99", src=CLIENT) / IP(),
         Ether(dst=FRONT, src=CLIENT) / ARP(op=1, hwsrc="ff:ff:ff:ff:ff:ff", psrc="198.18.1.2", pdst="198.18.1.1")]
drops = {"ip_header_invalid": 7, "ip_checksum": 1, "ip_land": 1, "ip_source_martian": 3, "ip_source_spoofed": 1,
         "l4_header_invalid": 4, "protocol_unsupported": 1, "ethertype_unknown": 1, "mac_not_ours": 1,
         "arp_invalid": 1}
