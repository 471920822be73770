# SPDX-License-Identifier: BSD-3-Clause
"""WebSocket by python3-websockets.

usage: websocket_peer.py serve PORT      echo each message, in two fragments if it is text; `bye` closes with 4001
       websocket_peer.py ask URL         hold a conversation and print what was heard, as JSON
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import Any

import websockets


async def echo(socket: Any) -> None:
    async for message in socket:
        if message == "bye":
            await socket.close(4001, "as you like")
        elif isinstance(message, str) and len(message) > 1:
            await socket.send([message[:1], message[1:]])
        else:
            await socket.send(message)


async def serve(port: int) -> None:
    async with websockets.serve(echo, "", port, max_size=None, ping_interval=None):
        await asyncio.Future()


async def ask(url: str) -> dict[str, Any]:
    context = ssl._create_unverified_context() if url.startswith("wss") else None
    heard: dict[str, Any] = {}
    async with websockets.connect(url, ssl=context, max_size=None, ping_interval=None, open_timeout=10) as socket:
        for name, message in (("text", "déjà vu"), ("empty", b""), ("long", b"x" * 3_000_000)):
            await socket.send(message)
            heard[name] = await asyncio.wait_for(socket.recv(), 20) == message
        await socket.send(iter(["in ", "several ", "fragments"]))
        heard["fragments"] = await asyncio.wait_for(socket.recv(), 10)
        await asyncio.wait_for(await socket.ping(b"anyone"), 10)
        for n in range(200):
            await socket.send(str(n))
        heard["many"] = [int(await asyncio.wait_for(socket.recv(), 10)) for _ in range(200)] == list(range(200))
        await socket.send("bye")
        await asyncio.wait_for(socket.wait_closed(), 10)
        heard["close"] = [socket.close_code, socket.close_reason]
    return heard


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve(int(sys.argv[2])))
    else:
        print(json.dumps(asyncio.run(ask(sys.argv[2]))))
