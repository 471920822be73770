# SPDX-License-Identifier: BSD-3-Clause
"""A server that expects PROXY headers: it says what they tell, first, and then echoes.

usage: proxy_server.py tcp|udp PORT
"""

import socket
import struct
import sys
import threading

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def parse(data: bytes) -> tuple[str, int]:
    """What the header at the beginning says, and its length."""
    assert data[:12] == SIGNATURE, data[:40]
    command, family, length = data[12], data[13], int.from_bytes(data[14:16], "big")
    if command == 0x20:
        return "local", 16 + length
    assert command == 0x21
    size, af = (4, socket.AF_INET) if family >> 4 == 1 else (16, socket.AF_INET6)
    source, destination = data[16:16 + size], data[16 + size:16 + 2 * size]
    ports = struct.unpack_from("!HH", data, 16 + 2 * size)
    said = f"{socket.inet_ntop(af, source)} {ports[0]} {socket.inet_ntop(af, destination)} {ports[1]} {family & 15}"
    return said, 16 + length


def read_exactly(connection: socket.socket, n: int) -> bytes:
    data = b""
    while len(data) < n:
        piece = connection.recv(n - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve_one(connection: socket.socket) -> None:
    with connection:
        try:
            head = read_exactly(connection, 16)
            said, _ = parse(head + read_exactly(connection, int.from_bytes(head[14:16], "big")))
            connection.sendall(said.encode() + b"\n")
            while data := connection.recv(65536):
                connection.sendall(data)
        except (EOFError, OSError):
            pass


def main(kind: str, port: int) -> None:
    if kind == "udp":
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            s.bind(("::", port))
            while True:
                data, sender = s.recvfrom(65536)
                said, length = parse(data)
                s.sendto(said.encode() + b"\n" + data[length:], sender)
    with socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=512) as server:
        while True:
            threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
