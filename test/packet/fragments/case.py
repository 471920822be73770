# SPDX-License-Identifier: BSD-3-Clause
"""Fragments to a load balancer's address: first, later, tiny, overlapping, and IPv6's.

The last frame is whole in spite of its fragment header (RFC 6946) and passes.
"""

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.packet import Raw

from frames import client4, client6

front = [client4(flags="MF") / UDP(sport=5000, dport=80, len=64) / Raw(b"x" * 24),
         client4(frag=4) / Raw(b"x" * 32),
         client4(flags="MF", proto=6) / Raw(b"\x9c\x40\x00\x50\x00\x00\x00\x01"),
         client4(frag=1, proto=6) / Raw(b"x" * 24),
         client6() / IPv6ExtHdrFragment(m=1, id=9) / UDP(sport=5000, dport=80, len=64, chksum=1) / Raw(b"x" * 16),
         client6() / IPv6ExtHdrFragment(offset=3, id=9, nh=17) / Raw(b"x" * 32),
         client6() / IPv6ExtHdrFragment(id=10) / TCP(sport=40000, dport=80, flags="S")]
drops = {"fragment_unsupported": 5, "l4_header_invalid": 1}
