# SPDX-License-Identifier: BSD-3-Clause
"""SYNs leave with weir's own address and a port of its choice, and with the client's options."""

from scapy.layers.inet import TCP

from frames import client4, client6

OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]

front = [client4("198.18.1.20") / TCP(sport=40000, dport=80, flags="S", seq=100, options=OPTIONS),
         client6("2001:db8:1::20") / TCP(sport=40000, dport=80, flags="S", seq=100, options=OPTIONS)]
vary = ["TCP.sport"]
