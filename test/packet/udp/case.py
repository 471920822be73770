# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams both ways; no checksum stays no checksum, and an empty one is forwarded."""

from scapy.layers.inet import UDP
from scapy.packet import Raw

from frames import client4, client6, target4, target6

front = [client4() / UDP(sport=5000, dport=80) / Raw(b"question"),
         client4() / UDP(sport=5000, dport=80, chksum=0) / Raw(b"unchecked"),
         client4() / UDP(sport=5001, dport=80),
         client6() / UDP(sport=5000, dport=80) / Raw(b"question")]
back = [target4() / UDP(sport=8080, dport=5000) / Raw(b"answer"),
        target4() / UDP(sport=8080, dport=5000, chksum=0) / Raw(b"unchecked"),
        target6() / UDP(sport=8080, dport=5000) / Raw(b"answer")]
wrong_checksums = True  # the unchecked ones
