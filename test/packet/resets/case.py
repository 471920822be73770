# SPDX-License-Identifier: BSD-3-Clause
"""RFC 9293 section 3.10.7.1: a segment of no flow is answered with RST, a RST never."""

from scapy.layers.inet import TCP
from scapy.packet import Raw

from frames import client4, client6

front = [client4() / TCP(sport=40000, dport=80, flags="A", seq=5, ack=77) / Raw(b"abc"),
         client4() / TCP(sport=40000, dport=80, flags="FA", seq=5, ack=78),
         client6() / TCP(sport=40000, dport=80, flags="A", seq=5, ack=79),
         client4() / TCP(sport=40000, dport=80, flags="R", seq=5),
         client4() / TCP(sport=40000, dport=80, flags="RA", seq=5, ack=80),
         client4() / TCP(sport=40000, dport=81, flags="S", seq=5)]
drops = {"not_a_flow": 5, "no_listener": 1}
