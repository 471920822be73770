# SPDX-License-Identifier: BSD-3-Clause
"""Clients in VLAN 7, targets in VLAN 9 of one port: tags are checked and changed.

The last frame has no tag: the port without one is an interface too, and answers.
"""

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw

from frames import CLIENT, FRONT, TARGET

client = Ether(dst=FRONT, src=CLIENT) / Dot1Q(vlan=7, prio=5) / IP(src="198.18.1.2", dst="198.18.1.10", id=1)
target = Ether(dst=FRONT, src=TARGET) / Dot1Q(vlan=9) / IP(src="198.18.2.11", dst="198.18.1.2", id=2)
front = [client / TCP(sport=40000, dport=80, flags="S", seq=100),
         target / TCP(sport=8080, dport=40000, flags="SA", seq=500, ack=101),
         client / TCP(sport=40000, dport=80, flags="PA", seq=101, ack=501) / Raw(b"hello"),
         Ether(dst=FRONT, src=CLIENT) / Dot1Q(vlan=7) / IP(src="198.18.1.2", dst="198.18.1.1") / ICMP(id=9, seq=1),
         Ether(dst=FRONT, src=CLIENT) / Dot1Q(vlan=8) / IP(src="198.18.1.2", dst="198.18.1.1") / ICMP(id=9, seq=2),
         Ether(dst=FRONT, src=CLIENT) / IP(src="198.18.1.2", dst="198.18.1.1") / ICMP(id=9, seq=3)]
drops = {"vlan_unknown": 1}
