# SPDX-License-Identifier: BSD-3-Clause
"""A TCP connection from SYN to the last ACK over IPv4 and IPv6, the client's address kept."""

from scapy.layers.inet import TCP
from scapy.packet import Raw

from frames import client4, client6, target4, target6

OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]


def client(packet):
    def frame(flags, seq, ack, load=b"", options=()):
        return packet / TCP(sport=40000, dport=80, flags=flags, seq=seq, ack=ack, options=list(options)) / Raw(load)

    return [frame("S", 100, 0, options=OPTIONS), frame("A", 101, 501), frame("PA", 101, 501, b"GET / HTTP/1.0\r\n\r\n"),
            frame("A", 119, 511), frame("FA", 119, 512)]


def target(packet):
    def frame(flags, seq, ack, load=b"", options=()):
        return packet / TCP(sport=8080, dport=40000, flags=flags, seq=seq, ack=ack, options=list(options)) / Raw(load)

    return [frame("SA", 500, 101, options=OPTIONS), frame("A", 501, 119), frame("PA", 501, 119, b"HTTP/1.1 2"),
            frame("FA", 511, 119), frame("A", 512, 120)]


front = client(client4(flags="DF", tos=0x28)) + client(client6(tc=0x28, fl=0x12345))
back = target(target4(ttl=63)) + target(target6(hlim=63))
