# SPDX-License-Identifier: BSD-3-Clause
"""A target that speaks HTTP/2 from the first byte on, and says of requests that it hasn't processed them.

usage: http2_target.py PORT NAME KIND

  goaway   each connection ends with GOAWAY behind its fifth answer, whatever else was asked on it
  refuse   every third request of a connection gets REFUSED_STREAM
  slow     SETTINGS come after 0.5 s; 100 streams at a time
  few      the same with 10 streams at a time
  never    SETTINGS never come: the connection ends after 0.3 s
  cancel   requests get RST_STREAM with CANCEL: they may have been processed

All answer /count, which isn't counted, with the number of connections so far and that of requests answered; other
requests with what was asked, the name and the SHA-256 of the body.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.settings
from hyperframe.frame import GoAwayFrame


class Server:
    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        self.connections = self.answered = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await Connection(self, writer).run(reader)
        except ConnectionError:
            pass
        writer.close()


class Connection:
    def __init__(self, server: Server, writer: asyncio.StreamWriter) -> None:
        self.server, self.writer = server, writer
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.bodies: dict[int, Any] = {}
        self.requests: dict[int, dict[str, str]] = {}
        self.answered = self.seen = 0
        self.counted = self.going = False

    async def run(self, reader: asyncio.StreamReader) -> None:
        kind = self.server.kind
        if kind in ("slow", "few", "never"):
            await asyncio.sleep(0.3 if kind == "never" else 0.5)
        if kind == "never":
            self.server.connections += 1
            return
        if kind == "few":
            self.h2.local_settings = h2.settings.Settings(
                client=False, initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: 10})
        self.h2.initiate_connection()
        self.writer.write(self.h2.data_to_send())
        while not self.going and (data := await reader.read(65536)):
            for event in self.h2.receive_data(data):
                self.happened(event)
            self.writer.write(self.h2.data_to_send())
            await self.writer.drain()
        if self.going:
            self.writer.write_eof()
            while await reader.read(65536):
                pass

    def happened(self, event: Any) -> None:
        if self.going:
            return
        if isinstance(event, h2.events.RequestReceived):
            self.requests[event.stream_id] = dict(event.headers)
            self.bodies[event.stream_id] = hashlib.sha256()
        elif isinstance(event, h2.events.DataReceived):
            self.bodies[event.stream_id].update(event.data)
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            self.asked(event.stream_id)

    def asked(self, stream: int) -> None:
        server, request = self.server, self.requests[stream]
        if request[":path"] == "/count":
            self.answer(stream, f"{server.connections} {server.answered}")
            return
        if not self.counted:
            self.counted = True
            server.connections += 1
        self.seen += 1
        if server.kind == "cancel":
            self.h2.reset_stream(stream, 8)
            return
        if server.kind == "refuse" and self.seen % 3 == 0:
            self.h2.reset_stream(stream, 7)
            return
        server.answered += 1
        self.answered += 1
        self.answer(stream, f"{request[':method']} {request[':path']} {server.name} {self.bodies[stream].hexdigest()}")
        if server.kind == "goaway" and self.answered == 5:
            self.writer.write(self.h2.data_to_send() + GoAwayFrame(last_stream_id=stream).serialize())
            self.going = True

    def answer(self, stream: int, text: str) -> None:
        self.h2.send_headers(stream, [(":status", "200"), ("content-length", str(len(text)))])
        self.h2.send_data(stream, text.encode(), end_stream=True)


async def main() -> None:
    server = Server(sys.argv[2], sys.argv[3])
    await (await asyncio.start_server(server.serve, "", int(sys.argv[1]), backlog=1000)).serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
