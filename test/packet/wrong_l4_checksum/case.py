# SPDX-License-Identifier: BSD-3-Clause
"""What the network broke arrives as broken: weir changes checksums by difference, it never repairs them."""

from scapy.layers.inet import TCP, UDP
from scapy.packet import Raw

from frames import client4, client6

front = [client4() / TCP(sport=40000, dport=80, flags="S", chksum=0x1234),
         client4() / UDP(sport=5000, dport=80, chksum=0x1234) / Raw(b"broken"),
         client6() / TCP(sport=40000, dport=80, flags="S", chksum=0x1234)]
wrong_checksums = True
