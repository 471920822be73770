# SPDX-License-Identifier: BSD-3-Clause
"""The control socket's protocol, and tables of its replies, for tools written in Python."""

from __future__ import annotations

import json
import socket
import struct


class ControlError(Exception):
    """weir refused an operation: `code` for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def call(path: str, op: str, args: dict | None = None, timeout: float = 10) -> dict:
    """Run one operation. Raises OSError when nobody answers, ControlError when it is refused."""
    request = json.dumps({"v": 1, "id": 1, "op": op, "args": args or {}}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(timeout)
        sock.connect(path)
        sock.sendall(struct.pack(">I", len(request)) + request)
        (length,) = struct.unpack(">I", _receive(sock, 4))
        reply = json.loads(_receive(sock, length))
    if "error" in reply:
        raise ControlError(reply["error"]["code"], reply["error"]["message"])
    return reply["result"]


def _receive(sock: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        part = sock.recv(length - len(data))
        if not part:
            raise ConnectionError("weir closed the connection")
        data += part
    return data


def table(rows: list[dict], columns: list[str] | None = None, empty: str = "none") -> str:
    """Rows as text, with a line of column names; numbers to the right."""
    if not rows:
        return empty
    columns = [c for c in columns or list(rows[0]) if any(c in row for row in rows)]
    cells = [[str(row.get(c, "")) for c in columns] for row in rows]
    widths = [max(len(c), *(len(line[i]) for line in cells)) for i, c in enumerate(columns)]
    numeric = [all(isinstance(row.get(c, 0), int) for row in rows) for c in columns]

    def line(values: list[str]) -> str:
        return "  ".join(v.rjust(w) if number else v.ljust(w)
                         for v, w, number in zip(values, widths, numeric)).rstrip()

    return "\n".join([line(columns)] + [line(c) for c in cells])
