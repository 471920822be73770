# SPDX-License-Identifier: BSD-3-Clause
"""A client of HTTP/2 over TLS whose every frame the test chooses."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass, field
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from raw_port import socket_in


GOAWAY = 7


@dataclass
class Answer:
    """What came on a stream."""
    headers: dict[str, str] = field(default_factory=dict)
    interim: list[dict[str, str]] = field(default_factory=list)
    body: bytes = b""
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    @property
    def status(self) -> str:
        return self.headers.get(":status", "")

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


def decoded(headers: Any) -> dict[str, str]:
    return {(k if isinstance(k, str) else k.decode()): (v if isinstance(v, str) else v.decode()) for k, v in headers}


class Http2:
    """Give windows back as bytes come, unless `greedy` is False: then only what the test gives."""

    def __init__(self, ns: Any, address: str, port: int = 443, seconds: float = 10, greedy: bool = True) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        plain = socket_in(ns, family, socket.SOCK_STREAM)
        plain.settimeout(seconds)
        plain.connect((address, port))
        self.socket = context.wrap_socket(plain)
        assert self.socket.selected_alpn_protocol() == "h2"
        self.greedy = greedy
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False))
        self.answers: dict[int, Answer] = {}
        self.goaway: int | None = None
        self.last_stream: int | None = None
        self.closed = False
        self.unread = b""
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> "Http2":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def begin(self, path: str = "/", method: str = "GET", headers: tuple = (), end: bool = True,
              pseudo: list | None = None) -> int:
        stream = self.h2.get_next_available_stream_id()
        self.answers[stream] = Answer()
        self.h2.send_headers(stream, (pseudo or [(":method", method), (":scheme", "https"), (":authority", "shop.example"),
                                                 (":path", path)]) + list(headers), end_stream=end)
        self.flush()
        return stream

    def send(self, stream: int, data: bytes, end: bool = False) -> None:
        """As the windows allow."""
        while data:
            n = min(len(data), self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if n <= 0:  # below 0 by a smaller window in SETTINGS
                if not self.receive():
                    raise ConnectionError("the window never opens")
                continue
            self.h2.send_data(stream, data[:n])
            data = data[n:]
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def receive(self) -> bool:
        """Take what comes next. @return False: the connection has ended."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            data = b""
        if not data:
            self.closed = True
            return False
        self.unread += data
        while len(self.unread) >= 9 and len(self.unread) >= (size := 9 + int.from_bytes(self.unread[:3], "big")):
            frame, self.unread = self.unread[:size], self.unread[size:]
            self.take_frame(frame)
        try:
            self.flush()
        except OSError:
            pass  # what came last is read still
        return True

    def take_frame(self, frame: bytes) -> None:
        try:
            events = self.h2.receive_data(frame)
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"weir broke the protocol: {error}") from error
        for event in events:
            self.happened(event)
        if frame[3] == GOAWAY:
            # Streams go on behind it, which h2 doesn't know.
            self.h2.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN

    def happened(self, event: Any) -> None:
        answer = self.answers.get(getattr(event, "stream_id", 0), Answer())
        if isinstance(event, h2.events.ResponseReceived):
            answer.headers = decoded(event.headers)
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(decoded(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.greedy:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = decoded(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)
        elif isinstance(event, h2.events.ConnectionTerminated):
            self.goaway, self.last_stream = int(event.error_code), event.last_stream_id

    def finish(self, *streams: int) -> list[Answer]:
        """Until these streams are over, or the connection is."""
        while not all(self.answers[s].over for s in streams) and self.receive():
            pass
        return [self.answers[s] for s in streams]

    def ask(self, path: str = "/", method: str = "GET", headers: tuple = (), body: bytes = b"") -> Answer:
        stream = self.begin(path, method, headers, end=not body)
        if body:
            self.send(stream, body, end=True)
        return self.finish(stream)[0]

    def until_closed(self) -> None:
        while self.receive():
            pass
