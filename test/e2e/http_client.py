# SPDX-License-Identifier: BSD-3-Clause
"""HTTP by hand over sockets of a namespace: bytes out, messages in."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field

from raw_port import socket_in
from topology import Namespace


@dataclass
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    version: str = "HTTP/1.1"
    trailers: list[str] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first of this name; None: there is none."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass
class Connection:
    """One connection of a client."""
    ns: Namespace
    address: tuple[str, int] = ("198.18.1.10", 80)
    seconds: float = 10
    left: bytes = field(default=b"", init=False)

    def __post_init__(self) -> None:
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.socket = socket_in(self.ns, family, socket.SOCK_STREAM)
        self.socket.settimeout(self.seconds)
        self.socket.connect(self.address)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes | str) -> None:
        self.socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)

    def send_slowly(self, data: bytes, pause: float = 0.002) -> None:
        """Byte by byte, each in a segment of its own."""
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            self.socket.sendall(bytes([byte]))
            time.sleep(pause)

    def get(self, target: str = "/", *headers: str, host: str = "shop.example.com", method: str = "GET",
            body: bytes = b"") -> Answer:
        lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
        return self.answer(method)

    def _more(self) -> bool:
        data = self.socket.recv(65536)
        self.left += data
        return bool(data)

    def _line(self) -> bytes:
        while b"\r\n" not in self.left:
            if not self._more():
                raise EOFError(f"the connection ended within a line: {self.left[:200]!r}")
        line, self.left = self.left.split(b"\r\n", 1)
        return line

    def until_closed(self) -> bytes:
        while self._more():
            pass
        return self.left

    def _exactly(self, n: int) -> bytes:
        while len(self.left) < n:
            if not self._more():
                raise EOFError(f"the connection ended {n - len(self.left)} bytes early")
        data, self.left = self.left[:n], self.left[n:]
        return data

    def answer(self, method: str = "GET") -> Answer:
        """The next response."""
        version, status, *_ = self._line().decode("latin-1").split(" ", 2)
        headers: list[tuple[str, str]] = []
        while line := self._line().decode("latin-1"):
            name, value = line.split(":", 1)
            headers.append((name, value.strip()))
        answer = Answer(int(status), headers, b"", version)
        if method == "HEAD" or answer.status in (204, 304) or answer.status < 200:
            return answer
        if (answer.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(self._line().split(b";")[0], 16):
                answer.body += self._exactly(size)
                assert self._exactly(2) == b"\r\n"
            while line := self._line().decode("latin-1"):
                answer.trailers.append(line)
        elif (length := answer.header("content-length")) is not None:
            answer.body = self._exactly(int(length))
        else:
            while self._more():
                pass
            answer.body, self.left = self.left, b""
        return answer

    def is_closed(self) -> bool:
        """Whether the peer ends it now: FIN or RST, and no further byte."""
        try:
            return not self.left and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False
