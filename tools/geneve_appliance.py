# SPDX-License-Identifier: BSD-3-Clause
"""GENEVE as an appliance behind a gateway load balancer sees it: frames in, answers out, flows counted.

A packet comes in outer IP, UDP to port 6081 and a GENEVE header whose options name endpoint,
attachment and flow.  The answer has the outer addresses swapped, the UDP ports and the GENEVE header
as they were, and, as with real appliances, TTL 2, identification 0, no DF and a UDP checksum that
nobody should look at.  The kernel's IP sockets can't send that, so frames are made by hand on a
packet socket.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from typing import Callable, Iterator

PORT = 6081
CLASS = 0x0108
ENDPOINT, ATTACHMENT, COOKIE = 1, 2, 3
TTL = 2
STANDARD_HEADER = 40  # with the three options
BATCH = 128           # frames taken before other events get their turn

ETH_P_ALL = 3
SOL_PACKET, PACKET_IGNORE_OUTGOING = 263, 23
SO_ATTACH_FILTER = 26
TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION = 0, 43, 44, 60
PROTOCOLS = {TCP: "TCP", UDP: "UDP", ICMP: "ICMP", ICMPV6: "ICMPv6"}

# Classic BPF: for this host, UDP to port 6081, over IPv4 that is no later fragment, or over IPv6.
PACKET_TYPE = 0xFFFFF004  # SKF_AD_OFF + SKF_AD_PKTTYPE
FILTER = [
    (0x30, 0, 0, PACKET_TYPE), (0x15, 0, 15, 0),  # 0: a bridge floods what it has forgotten
    (0x28, 0, 0, 12), (0x15, 0, 7, 0x0800),       # 2: IPv4, or on to 11
    (0x30, 0, 0, 23), (0x15, 0, 11, UDP),         # 4: protocol
    (0x28, 0, 0, 20), (0x45, 9, 0, 0x1FFF),       # 6: fragment offset
    (0xB1, 0, 0, 14), (0x48, 0, 0, 16),           # 8: port behind the header
    (0x05, 0, 0, 4),                              # 10: on to 15
    (0x15, 0, 5, 0x86DD), (0x30, 0, 0, 20),       # 11: IPv6, its next header
    (0x15, 0, 3, UDP), (0x28, 0, 0, 56),          # 13: port
    (0x15, 0, 1, PORT),                           # 15
    (0x06, 0, 0, 0x40000), (0x06, 0, 0, 0)]       # 16: take it; 17: leave it


def attach_filter(sock: socket.socket) -> None:
    code = b"".join(struct.pack("HBBI", *instruction) for instruction in FILTER)
    kept = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HP", len(FILTER), ctypes.addressof(kept)))


class Wire:
    """The device that GENEVE comes in by."""

    def __init__(self, interface: str) -> None:
        # The kernel would answer 6081 with "port unreachable" if nobody were there.
        self.holders = []
        for family in (socket.AF_INET, socket.AF_INET6):
            holder = socket.socket(family, socket.SOCK_DGRAM)
            if family == socket.AF_INET6:
                holder.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 0)
            holder.bind(("", PORT))
            self.holders.append(holder)
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        attach_filter(self.socket)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self.socket.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setblocking(False)
        self.unsent = 0

    def fileno(self) -> int:
        return self.socket.fileno()

    def frames(self) -> Iterator[bytes]:
        """What has come in, at most a batch."""
        for _ in range(BATCH):
            try:
                yield self.socket.recv(65536)
            except OSError:  # nothing left, or the device is down
                return

    def send(self, frame: bytes) -> None:
        try:
            self.socket.send(frame)
        except OSError:  # the queue is full, the frame too long, or the device is down
            self.unsent += 1


# Places in a frame.


def udp_offset(frame: bytes) -> int:
    return 14 + (frame[14] & 15) * 4 if frame[14] >> 4 == 4 else 54


def inner_offset(frame: bytes) -> int:
    """Where the inspected packet begins; the GENEVE header is not checked."""
    geneve = udp_offset(frame) + 8
    return geneve + 8 + (frame[geneve] & 0x3F) * 4


def is_standard(frame: bytes) -> bool:
    """Whether there are exactly the three options, in order, and an IP packet behind."""
    geneve = udp_offset(frame) + 8
    header = frame[geneve:geneve + STANDARD_HEADER]
    return (len(header) == STANDARD_HEADER and len(frame) >= geneve + STANDARD_HEADER + 20
            and header[0] == 8 and header[8:12] == b"\x01\x08\x01\x02"
            and header[20:24] == b"\x01\x08\x02\x02" and header[32:36] == b"\x01\x08\x03\x01")


def option_values(frame: bytes) -> tuple[int, int, int]:
    """Endpoint, attachment and cookie of a standard header."""
    return struct.unpack_from("!12xQ4xQ4xI", frame, udp_offset(frame) + 8)


# Answers.


def ip_checksum(header: bytes) -> int:
    total = sum(struct.unpack(f"!{len(header) // 2}H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total ^ 0xFFFF


def set_ip_checksum(frame: bytearray, offset: int = 14) -> None:
    length = (frame[offset] & 15) * 4
    frame[offset + 10:offset + 12] = b"\0\0"
    struct.pack_into("!H", frame, offset + 10, ip_checksum(bytes(frame[offset:offset + length])))


def answer_to(frame: bytes) -> bytearray:
    """The frame as an appliance sends it back."""
    answer = bytearray(frame)
    answer[0:6], answer[6:12] = frame[6:12], frame[0:6]
    udp = udp_offset(frame)
    if frame[14] >> 4 == 4:
        answer[18:22] = b"\0\0\0\0"  # identification, flags
        answer[22] = TTL
        answer[26:30], answer[30:34] = frame[30:34], frame[26:30]
        set_ip_checksum(answer)
    else:
        answer[21] = TTL
        answer[22:38], answer[38:54] = frame[38:54], frame[22:38]
    answer[udp + 6:udp + 8] = frame[udp + 4:udp + 6]  # any value does: the length
    return answer


def with_payload(frame: bytes, geneve: bytes, inner: bytes) -> bytearray:
    """The frame with another GENEVE header and inner packet; lengths and header checksum fit."""
    udp = udp_offset(frame)
    made = bytearray(frame[:udp + 8]) + geneve + inner
    length = len(made) - udp
    struct.pack_into("!H", made, udp + 4, length)
    if made[14] >> 4 == 4:
        struct.pack_into("!H", made, 16, len(made) - 14)
        set_ip_checksum(made)
    else:
        struct.pack_into("!H", made, 18, length)
    return made


# Inner flows.

FlowKey = tuple[int, int, bytes, bytes]  # version, protocol, and both ends, the lower one first


def flow_of(packet: bytes) -> tuple[FlowKey, int] | None:
    """The key that both directions share, and the direction: 0 from the lower end. None for no IP."""
    if not packet:
        return None
    version = packet[0] >> 4
    if version == 4 and len(packet) >= 20:
        protocol, at = packet[9], (packet[0] & 15) * 4
        source, destination = packet[12:16], packet[16:20]
        ports = packet[6] & 0x1F == 0 and packet[7] == 0
    elif version == 6 and len(packet) >= 40:
        protocol, at, ports = packet[6], 40, True
        source, destination = packet[8:24], packet[24:40]
        while protocol in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION) and len(packet) >= at + 8:
            if protocol == FRAGMENT:
                ports = packet[at + 2] == 0 and packet[at + 3] & 0xF8 == 0
                protocol, at = packet[at], at + 8
                if not ports:
                    break
            else:
                protocol, at = packet[at], at + 8 + packet[at + 1] * 8
    else:
        return None
    if ports and protocol in (TCP, UDP):
        source, destination = source + packet[at:at + 2], destination + packet[at + 2:at + 4]
    if source <= destination:
        return (version, protocol, source, destination), 0
    return (version, protocol, destination, source), 1


def end_text(version: int, end: bytes) -> str:
    length = 4 if version == 4 else 16
    address = socket.inet_ntop(socket.AF_INET if version == 4 else socket.AF_INET6, end[:length])
    if len(end) == length:
        return address
    port = int.from_bytes(end[length:], "big")
    return f"{address}:{port}" if version == 4 else f"[{address}]:{port}"


class Counts:
    """Packets by inner flow and direction."""

    def __init__(self) -> None:
        self.packets = self.invalid = 0
        self.flows: dict[FlowKey, list] = {}

    def count(self, frame: bytes) -> None:
        at = inner_offset(frame)
        found = flow_of(frame[at:at + 128]) if is_standard(frame) else None
        if found is None:
            self.invalid += 1
            return
        key, direction = found
        self.packets += 1
        row = self.flows.get(key)
        if row is None:
            row = self.flows[key] = [[0, 0], [0, 0], set()]
        row[0][direction] += 1
        row[1][direction] += len(frame) - at
        row[2].add(option_values(frame))

    def as_json(self) -> dict:
        """Of each flow: both ends, and packets and bytes that the first and the second one sent."""
        flows = [{"protocol": PROTOCOLS.get(protocol, str(protocol)), "a": end_text(version, a),
                  "b": end_text(version, b), "packets": packets, "bytes": lengths,
                  "endpoints": sorted({f"{e:#018x}" for e, _, _ in options}),
                  "attachments": sorted({f"{a:#018x}" for _, a, _ in options}),
                  "cookies": sorted({f"{c:#010x}" for _, _, c in options})}
                 for (version, protocol, a, b), (packets, lengths, options) in self.flows.items()]
        return {"packets": self.packets, "invalid": self.invalid, "flows": flows}


# An appliance that is a hop: it counts hop limits down, and says when one ran out.


def internet_checksum(data: bytes) -> int:
    return ip_checksum(data + b"\0" if len(data) % 2 else data)


def time_exceeded(packet: bytes, hop: str) -> bytes:
    """ICMP from `hop` to the sender of the packet, which it quotes."""
    if packet[0] >> 4 == 4:
        quoted = packet[:(packet[0] & 15) * 4 + 8]
        icmp = bytearray(struct.pack("!BBHI", 11, 0, 0, 0) + quoted)
        struct.pack_into("!H", icmp, 2, internet_checksum(bytes(icmp)))
        ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), 0, 0, 64, ICMP, 0,
                                   socket.inet_aton(hop), packet[12:16]))
        set_ip_checksum(ip, 0)
        return bytes(ip + icmp)
    source, destination = socket.inet_pton(socket.AF_INET6, hop), packet[8:24]
    icmp = bytearray(struct.pack("!BBHI", 3, 0, 0, 0) + packet[:1232])
    pseudo = source + destination + struct.pack("!II", len(icmp), ICMPV6)
    struct.pack_into("!H", icmp, 2, internet_checksum(pseudo + bytes(icmp)))
    return struct.pack("!IHBB", 6 << 28, len(icmp), ICMPV6, 64) + source + destination + bytes(icmp)


def pass_hop(answer: bytearray, hops: dict[int, str]) -> bytearray:
    """Count the inner packet's hop limit down, or answer it."""
    at = inner_offset(answer)
    version = answer[at] >> 4
    if version not in hops:
        return answer
    limit = at + (8 if version == 4 else 7)
    if answer[limit] <= 1:
        geneve = bytes(answer[udp_offset(answer) + 8:at])
        return with_payload(answer, geneve[:2] + struct.pack("!H", 0x0800 if version == 4 else 0x86DD) + geneve[4:],
                            time_exceeded(bytes(answer[at:]), hops[version]))
    answer[limit] -= 1
    if version == 4:
        set_ip_checksum(answer, at)
    return answer


# What a broken or hostile appliance does to its answers.


def _parts(answer: bytearray) -> tuple[bytes, bytes]:
    at = inner_offset(answer)
    return bytes(answer[udp_offset(answer) + 8:at]), bytes(answer[at:])


def _geneve(change: Callable[[bytes], bytes]) -> Callable[[bytearray], bytearray]:
    def mangle(answer: bytearray) -> bytearray:
        header, inner = _parts(answer)
        return with_payload(answer, change(header), inner)
    return mangle


def _inner(change: Callable[[bytes], bytes]) -> Callable[[bytearray], bytearray]:
    def mangle(answer: bytearray) -> bytearray:
        header, inner = _parts(answer)
        return with_payload(answer, header, change(inner))
    return mangle


def with_options(header: bytes, *options: bytes) -> bytes:
    """The base header with these options behind."""
    joined = b"".join(options)
    return bytes([header[0] & 0xC0 | len(joined) // 4]) + header[1:8] + joined


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1:]


def _swap_ports(answer: bytearray) -> bytearray:
    udp = udp_offset(answer)
    answer[udp:udp + 2], answer[udp + 2:udp + 4] = answer[udp + 2:udp + 4], answer[udp:udp + 2]
    return answer


def _wrong_source(answer: bytearray) -> bytearray:
    """From a neighbour's address."""
    last = 29 if answer[14] >> 4 == 4 else 37
    answer[last] ^= 0x40
    if answer[14] >> 4 == 4:
        set_ip_checksum(answer)
    return answer


def _other_destination(packet: bytes) -> bytes:
    """The inner packet to another host: of another flow."""
    changed = bytearray(packet)
    changed[19 if packet[0] >> 4 == 4 else 39] ^= 0x5A
    if packet[0] >> 4 == 4:
        set_ip_checksum(changed, 0)
    return bytes(changed)


def _change_payload(packet: bytes) -> bytes:
    """The last byte: checksums above IP are wrong then."""
    return _flip(packet, len(packet) - 1)


MANGLES: dict[str, Callable[[bytearray], bytearray]] = {
    "version": _geneve(lambda h: bytes([h[0] | 0x40]) + h[1:]),
    "length": _geneve(lambda h: bytes([0x3F]) + h[1:]),
    "protocol": _geneve(lambda h: h[:2] + b"\x65\x58" + h[4:]),
    "control": _geneve(lambda h: h[:1] + bytes([h[1] | 0x80]) + h[2:]),
    "critical": _geneve(lambda h: with_options(h[:1] + bytes([h[1] | 0x40]) + h[2:], h[8:],
                                               b"\xff\xff\x81\x01\0\0\0\0")),
    "order": _geneve(lambda h: with_options(h, h[20:32], h[8:20], h[32:])),
    "missing": _geneve(lambda h: with_options(h, h[8:32])),
    "duplicate": _geneve(lambda h: with_options(h, h[8:], h[32:])),
    "option_length": _geneve(lambda h: with_options(h, h[8:32], h[32:35] + b"\x02" + h[36:] + b"\0\0\0\0")),
    "endpoint": _geneve(lambda h: _flip(h, 19)),
    "attachment": _geneve(lambda h: _flip(h, 31)),
    "cookie": _geneve(lambda h: _flip(h, 37)),
    "ports": _swap_ports,
    "source": _wrong_source,
    "inner_flow": _inner(_other_destination),
    "inner_garbage": _inner(lambda packet: b"\xff" * len(packet)),
    "inner_short": _inner(lambda packet: packet[:len(packet) - 1]),
    "payload": _inner(_change_payload),
}


# A socket to steer a running one.


def ask(path: str, command: str, seconds: float = 10) -> str:
    """The answer of the process that listens there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(seconds)
        sock.connect(path)
        sock.sendall(command.encode() + b"\n")
        parts = []
        while part := sock.recv(65536):
            parts.append(part)
    return b"".join(parts).decode()


def control_listener(path: str) -> socket.socket:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(path)
    listener.listen(16)
    return listener


def serve_control(listener: socket.socket, obey: Callable[[list[str]], str]) -> None:
    """One command on one connection, to be called when somebody has connected."""
    connection, _ = listener.accept()
    with connection:
        connection.settimeout(5)
        try:
            command = b""
            while not command.endswith(b"\n"):
                part = connection.recv(4096)
                if not part:
                    return
                command += part
            connection.sendall(obey(command.decode().split()).encode())
        except OSError:
            pass  # who asked has gone
