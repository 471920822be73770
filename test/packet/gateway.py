# SPDX-License-Identifier: BSD-3-Clause
"""GENEVE for cases: what an appliance sends back, with options as they are named."""

import struct

from scapy.layers.inet import IP, UDP
from scapy.packet import Raw

from frames import from_target

ENDPOINT, ATTACHMENT = 0x0102030405060708, 0x1112131415161718


def option(kind: int, value: bytes, option_class: int = 0x0108) -> bytes:
    return struct.pack("!HBB", option_class, kind, len(value) // 4) + value


def options(cookie: int, endpoint: int = ENDPOINT, attachment: int = ATTACHMENT) -> list[bytes]:
    return [option(1, struct.pack("!Q", endpoint)), option(2, struct.pack("!Q", attachment)),
            option(3, struct.pack("!I", cookie))]


def geneve(cookie: int, inner, src: str = "198.18.2.11", opts: list[bytes] | None = None, version: int = 0,
           length: int | None = None, protocol: int | None = None, **fields: int):
    """A frame from the appliance: its own TTL, identification and checksum, as real ones have them."""
    joined = b"".join(options(cookie, **fields) if opts is None else opts)
    inner = bytes(inner)
    if protocol is None:
        protocol = 0x0800 if inner[0] >> 4 == 4 else 0x86dd
    head = struct.pack("!BBHI", version << 6 | (len(joined) // 4 if length is None else length), 0, protocol, 0)
    return from_target / IP(src=src, dst="198.18.2.1", ttl=2, id=0) / UDP(
        sport=54321, dport=6081, chksum=0x1234) / Raw(head + joined + inner)
