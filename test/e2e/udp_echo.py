# SPDX-License-Identifier: BSD-3-Clause
"""UDP echo: a server that puts its name in front, and a client that asks it.

usage: udp_echo.py serve PORT NAME | ask ADDRESS PORT TIMES
"""

import socket
import sys


def serve(port: int, name: str) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        s.bind(("::", port))
        while True:
            data, sender = s.recvfrom(65536)
            s.sendto(name.encode() + b" " + data, sender)


def ask(address: str, port: int, times: int) -> None:
    """Print a line for each question: the answering server's name, or nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for n in range(times):
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(2)
            s.connect((address, port))
            s.send(f"question {n}".encode())
            try:
                answer = s.recv(2048).decode().split()
            except OSError:
                answer = []
        print(answer[0] if answer[1:] == ["question", str(n)] else "")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port, name]:
            serve(int(port), name)
        case ["ask", address, port, times]:
            ask(address, int(port), int(times))
        case _:
            sys.exit(__doc__)
