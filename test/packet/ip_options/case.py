# SPDX-License-Identifier: BSD-3-Clause
"""Harmless IPv4 options and IPv6 extension headers pass; source routes don't."""

from scapy.layers.inet import TCP, IPOption_LSRR, IPOption_NOP, IPOption_RR, IPOption_SSRR
from scapy.layers.inet6 import IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop

from frames import client4, client6

SYN = TCP(sport=40000, dport=80, flags="S", seq=1)
front = [client4(options=[IPOption_NOP()] * 4) / SYN,
         client4(options=[IPOption_RR(routers=["0.0.0.0"])]) / TCP(sport=40001, dport=80, flags="S", seq=1),
         client4(options=[IPOption_LSRR(routers=["198.18.2.11"])]) / SYN,
         client4(options=[IPOption_SSRR(routers=["198.18.2.11"])]) / SYN,
         client6() / IPv6ExtHdrHopByHop() / SYN,
         client6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / TCP(sport=40001, dport=80, flags="S", seq=1)]
drops = {"ip_options": 2}
