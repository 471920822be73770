# SPDX-License-Identifier: BSD-3-Clause
"""Many long-lived flows at a low rate, each of whose packets is accounted for.

usage: flow_load.py udp ADDRESS PORT FLOWS INTERVAL_MS    numbered datagrams to an echo server
       flow_load.py tcp ADDRESS PORT FLOWS INTERVAL_MS    numbered lines to an echo server
       flow_load.py serve PORT                            a TCP echo server

SIGTERM ends it: it waits for late answers, and prints for each flow, as JSON, its port, how many it
sent, when (CLOCK_MONOTONIC) it sent what was never answered, when the last answer came, and what
error ended it.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time

LATE_SECONDS = 1.0


class Flow:
    def __init__(self) -> None:
        self.port = 0
        self.sent: dict[int, float] = {}  # what is not answered yet, by number
        self.count = 0
        self.answered = 0
        self.last = 0.0
        self.error = ""

    def number(self) -> bytes:
        self.count += 1
        self.sent[self.count] = time.monotonic()
        return str(self.count).encode() + b"\n"

    def on_answer(self, line: bytes) -> None:
        number = int(line.split()[-1])  # the echo server puts its name in front
        if self.sent.pop(number, None) is not None:
            self.answered += 1
            self.last = time.monotonic()

    def as_json(self) -> dict:
        return {"port": self.port, "sent": self.count, "answered": self.answered, "last": self.last,
                "lost": sorted(self.sent.values()), "error": self.error}


class UdpFlow(Flow, asyncio.DatagramProtocol):
    def connection_made(self, transport) -> None:
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, _) -> None:
        self.on_answer(data)

    def error_received(self, error: Exception) -> None:
        self.error = type(error).__name__

    async def open(self, address: str, port: int) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, remote_addr=(address, port))

    def send(self) -> None:
        self.transport.sendto(self.number())


class TcpFlow(Flow):
    async def open(self, address: str, port: int) -> None:
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(address, port), 10)
        self.port = self.writer.get_extra_info("sockname")[1]
        self.task = asyncio.create_task(self.read())

    async def read(self) -> None:
        try:
            while line := await self.reader.readline():
                self.on_answer(line)
            self.error = "closed"
        except OSError as error:
            self.error = type(error).__name__

    def send(self) -> None:
        if not self.error:
            self.writer.write(self.number())


async def load(kind: type, address: str, port: int, n: int, interval: float) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    flows = [kind() for _ in range(n)]
    for flow in flows:
        await flow.open(address, port)
    print("ready", flush=True)
    due = time.monotonic()
    while not ended.is_set():
        for flow in flows:
            flow.send()
            await asyncio.sleep(interval / n / 2)
        due += interval
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(LATE_SECONDS)
    print(json.dumps([flow.as_json() for flow in flows]), flush=True)


async def serve(port: int) -> None:
    async def echo(reader, writer) -> None:
        try:
            while line := await reader.readline():
                writer.write(line)
        except OSError:
            pass
        writer.close()

    server = await asyncio.start_server(echo, ["0.0.0.0", "::"], port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["udp", address, port, n, ms]:
            asyncio.run(load(UdpFlow, address, int(port), int(n), int(ms) / 1000))
        case ["tcp", address, port, n, ms]:
            asyncio.run(load(TcpFlow, address, int(port), int(n), int(ms) / 1000))
        case ["serve", port]:
            asyncio.run(serve(int(port)))
        case _:
            sys.exit(__doc__)
