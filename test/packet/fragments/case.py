# SPDX-License-Identifier: BSD-3-Clause
"""Fragments to a load balancer's address: first, later, in the wrong order, tiny, overlapping, and IPv6's.

The last frame is whole in spite of its fragment header (RFC 6946) and passes.
"""

from scapy.layers.inet import TCP, UDP
from scapy.layers.inet6 import IPv6ExtHdrFragment
from scapy.packet import Raw

from frames import client4, client6, target4

UDP64 = UDP(sport=5000, dport=80, len=64, chksum=0x1234)

front = [client4(flags="MF") / UDP64 / Raw(b"x" * 24),
         client4(frag=4, proto=17) / Raw(b"x" * 32),
         client4(frag=1, proto=17) / Raw(b"over the first one, no: behind it"[:24]),  # overlaps
         client4(id=5, frag=4, proto=17) / Raw(b"y" * 32),  # waits for the next
         client4(id=5, frag=3, proto=17) / Raw(b"z" * 8),  # waits too, and overlaps it
         client4(id=5, flags="MF") / UDP64 / Raw(b"y" * 24),
         client4(flags="MF", proto=6) / Raw(b"\x9c\x40\x00\x50\x00\x00\x00\x01"),  # no whole header
         client4(frag=1, proto=6) / Raw(b"x" * 24),  # its first one never comes
         client4(frag=1, proto=132) / Raw(b"x" * 24),
         client6() / IPv6ExtHdrFragment(m=1, id=9) / UDP(sport=5000, dport=80, len=64, chksum=1) / Raw(b"x" * 16),
         client6() / IPv6ExtHdrFragment(offset=3, id=9, nh=17) / Raw(b"x" * 32),
         client6() / IPv6ExtHdrFragment(id=10) / TCP(sport=40000, dport=80, flags="S")]
back = [target4(id=7, frag=4, proto=17) / Raw(b"b" * 32),
        target4(id=7, flags="MF") / UDP(sport=8080, dport=5000, len=64, chksum=0x4321) / Raw(b"b" * 24)]
wrong_checksums = True
drops = {"fragment_overlap": 2, "fragment_timeout": 1, "fragment_unsupported": 1, "l4_header_invalid": 1}
