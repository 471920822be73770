# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams leave with weir's own address; its own port keeps the client's checksum arithmetic right."""

from scapy.layers.inet import UDP
from scapy.packet import Raw

from frames import client4, client6

front = [client4("198.18.1.20") / UDP(sport=5000, dport=80) / Raw(b"question"),
         client4("198.18.1.20") / UDP(sport=5000, dport=80) / Raw(b"again"),
         client6("2001:db8:1::20") / UDP(sport=5000, dport=80) / Raw(b"question")]
vary = ["UDP.sport"]
