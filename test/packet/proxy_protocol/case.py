# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol v2: each datagram with a header in front, answers without; SYNs without early data.

A datagram that is too long with its header is answered by an ICMP error with what may be sent; one in
fragments is dropped.
"""

from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from frames import client4, client6, target4

OPTIONS = [("MSS", 1460), ("TFO", (0x01020304, 0x05060708)), ("WScale", 7)]

front = [client4() / UDP(sport=5000, dport=80) / Raw(b"question"),
         client4() / UDP(sport=5000, dport=80, chksum=0) / Raw(b"odd"),
         client6() / UDP(sport=5000, dport=80) / Raw(b"question"),
         client4(flags="DF") / UDP(sport=5000, dport=80) / Raw(b"x" * 1440),
         client4(flags="MF") / UDP(sport=5000, dport=80, len=64, chksum=0) / Raw(b"x" * 24),
         client4() / TCP(sport=40000, dport=80, flags="S", seq=100, options=OPTIONS) / Raw(b"early"),
         client6() / TCP(sport=40000, dport=80, flags="S", seq=100, options=OPTIONS)]
back = [target4() / UDP(sport=8080, dport=5000) / Raw(b"answer")]
drops = {"fragment_unsupported": 1, "packet_too_big": 1}
