# SPDX-License-Identifier: BSD-3-Clause
"""The last hop: answered with "time exceeded", which quotes the packet; TTL 2 goes on."""

from scapy.layers.inet import TCP
from scapy.packet import Raw

from frames import client4, client6

front = [client4(ttl=1) / TCP(sport=40000, dport=80, flags="S", seq=1),
         client6(hlim=1) / TCP(sport=40000, dport=80, flags="S", seq=1) / Raw(b"fast open" * 150),
         client4(ttl=2) / TCP(sport=40001, dport=80, flags="S", seq=1)]
drops = {"ttl_exceeded": 2}
