# SPDX-License-Identifier: BSD-3-Clause
"""Echo requests for interfaces' and load balancers' addresses; a broken one is not answered."""

from scapy.layers.inet import ICMP
from scapy.layers.inet6 import ICMPv6EchoRequest
from scapy.packet import Raw

from frames import client4, client6

front = [client4("198.18.1.1") / ICMP(id=7, seq=1) / Raw(b"ping"),
         client4() / ICMP(id=7, seq=2) / Raw(b"odd"),
         client6("2001:db8:1::1") / ICMPv6EchoRequest(id=7, seq=3, data=b"ping"),
         client6() / ICMPv6EchoRequest(id=7, seq=4, data=b"x" * 1400),
         client4() / ICMP(type=13)]
drops = {"icmp_unwanted": 1}
