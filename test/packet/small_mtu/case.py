# SPDX-License-Identifier: BSD-3-Clause
"""Targets behind an MTU of 1300: MSS is clamped both ways, too big packets are answered."""

from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from frames import client4, client6, target4

front = [client4() / TCP(sport=40000, dport=80, flags="S", seq=1, options=[("MSS", 1460)]),
         client4() / TCP(sport=40001, dport=80, flags="S", seq=1, options=[("MSS", 1000)]),
         client4() / TCP(sport=40002, dport=80, flags="S", seq=1),
         client6() / TCP(sport=40000, dport=80, flags="S", seq=1, options=[("NOP", None), ("MSS", 1440)]),
         client4(flags="DF") / UDP(sport=5000, dport=80) / Raw(b"x" * 1300),
         client6() / UDP(sport=5000, dport=80) / Raw(b"x" * 1300),
         client4(flags="DF") / UDP(sport=5001, dport=80) / Raw(b"x" * 1272)]
back = [target4() / TCP(sport=8080, dport=40000, flags="SA", seq=5, ack=2, options=[("MSS", 1460)])]
drops = {"packet_too_big": 2}
