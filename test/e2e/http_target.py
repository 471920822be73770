# SPDX-License-Identifier: BSD-3-Clause
"""A target whose behaviour the request's path chooses; also those that no honest server shows.

usage: http_target.py PORT NAME [CERTIFICATE KEY]

  /echo            what came, as JSON: method, target, headers, length and SHA-256 of the body, trailers
  /bytes/N         N bytes with Content-Length        /chunked/N      the same, chunked
  /crumbs/N        N bytes in chunks of one byte
  /until-close/N   the same, ended by closing         /status/NNN     an empty answer with this status
  /slow/SECONDS    an answer after a while            /drip/N         N bytes, ten a second
  /never           none                               /garbage        bytes that are no HTTP
  /deaf            none, and the body isn't read
  /reset           RST instead of an answer           /close          FIN instead of an answer
  /truncated       half of the body, then FIN         /reset-body     half of it, then RST
  /early           an answer before the body is read  /twice          two answers to one request
  /bad-length      two different Content-Lengths      /big-head/N     a head of N bytes
  /upgrade         101, then every byte comes back    /cookie/VALUE   an answer that sets one
  /interim         103 before the answer              /no-length-304  304 with a Content-Length
  /odd/KIND        an answer with framing that it can't have, then a second answer that nobody asked for
  /padded-chunks   chunks with blanks behind their sizes
  /identity        Transfer-Encoding: identity beside Content-Length
  /trailers        a chunked answer with trailers, some of which may not pass
  /bad-trailers    the same with a line that is no field
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
import ssl
import struct
import sys
import urllib.parse


ODD_FRAMING = {
    "204-length": b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
    "204-chunked": b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
    "304-chunked": b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    "103-length": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
}


def pattern(n: int) -> bytes:
    block = bytes(range(256)) * 257
    return (block * (n // len(block) + 1))[:n]


async def read_body(reader: asyncio.StreamReader, headers: dict[str, str], trailers: list[str] | None = None) -> bytes:
    if "chunked" in headers.get("transfer-encoding", ""):
        body = b""
        while size := int((await reader.readline()).split(b";")[0], 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        while line := (await reader.readline()).strip():
            if trailers is not None:
                trailers.append(line.decode("latin-1"))
        return body
    return await reader.readexactly(int(headers.get("content-length", 0)))


def reset(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Server:
    def __init__(self, name: str) -> None:
        self.name = name
        self.connections = 0

    def answer(self, body: bytes, status: str = "200 OK", more: str = "") -> bytes:
        return (f"HTTP/1.1 {status}\r\nServer: target/{self.name}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
                ).encode("latin-1") + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while await self.request(reader, writer, number):
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError):
            pass
        writer.close()

    async def request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> bool:
        """Answer one request. @return whether the connection goes on."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _version = line.split(" ")
        pairs = [tuple(field.split(": ", 1)) if ": " in field else (field.rstrip(":"), "") for field in fields]
        headers = {name.lower(): value for name, value in pairs}
        kind, _, argument = target.split("?")[0].strip("/").partition("/")
        if kind == "early":
            writer.write(self.answer(b"early\n"))
            await writer.drain()
            await read_body(reader, headers)
            return True
        if kind == "deaf":
            await asyncio.sleep(30)
            return False
        trailers: list[str] = []
        body = await read_body(reader, headers, trailers)
        if kind == "echo":
            text = json.dumps({"name": self.name, "method": method, "target": target, "headers": pairs,
                               "length": len(body), "sha256": hashlib.sha256(body).hexdigest(),
                               "connection": number, "trailers": trailers}).encode()
            writer.write(self.answer(b"" if method == "HEAD" else text))
        elif kind == "bytes":
            writer.write(self.answer(pattern(int(argument))))
        elif kind == "chunked":
            left = pattern(int(argument))
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while left:
                piece, left = left[:7001], left[7001:]
                writer.write(b"%x;extension=1\r\n%s\r\n" % (len(piece), piece))
                await writer.drain()
            writer.write(b"0\r\nX-Trailer: 1\r\n\r\n")
        elif kind == "crumbs":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                         b"".join(b"1\r\n%c\r\n" % byte for byte in pattern(int(argument))) + b"0\r\n\r\n")
        elif kind in ("trailers", "bad-trailers"):
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n"
                         b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nContent-Length: 3\r\n"
                         b"Connection: close\r\nX-More:2\r\n")
            writer.write(b"no field\r\n\r\n" if kind == "bad-trailers" else b"\r\n")
        elif kind == "until-close":
            writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + pattern(int(argument)))
            await writer.drain()
            return False
        elif kind == "status":
            if argument in ("204", "304"):
                writer.write(f"HTTP/1.1 {argument} Whatever\r\n\r\n".encode())
            else:
                writer.write(self.answer(b"", f"{argument} Whatever"))
        elif kind == "slow":
            await asyncio.sleep(float(argument))
            writer.write(self.answer(b"slow\n"))
        elif kind == "drip":
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {argument}\r\n\r\n".encode())
            for _ in range(int(argument)):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.1)
        elif kind == "never":
            await reader.read()
            return False
        elif kind == "garbage":
            writer.write(b"\x16\x03\x01 this is not HTTP\r\n\r\n")
        elif kind == "reset":
            reset(writer)
            return False
        elif kind == "close":
            return False
        elif kind in ("truncated", "reset-body"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + pattern(500))
            await writer.drain()
            if kind == "reset-body":
                await asyncio.sleep(0.2)
                reset(writer)
            return False
        elif kind == "twice":
            writer.write(self.answer(b"first\n") + self.answer(b"second\n"))
        elif kind == "bad-length":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello\n")
        elif kind == "big-head":
            writer.write(self.answer(b"big\n", more=f"X-Big: {'x' * int(argument)}\r\n"))
        elif kind == "upgrade":
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                         b"Upgrade: " + headers.get("upgrade", "echo").encode() + b"\r\n\r\n")
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            return False
        elif kind == "cookie":
            value = urllib.parse.unquote(argument) or "session=target"
            writer.write(self.answer(self.name.encode(), more=f"Set-Cookie: {value}\r\n"))
        elif kind == "interim":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + self.answer(b"interim\n"))
        elif kind == "odd":
            writer.write(ODD_FRAMING[argument])
            await writer.drain()
            await asyncio.sleep(0.1)
            writer.write(self.answer(b"nobody asked\n"))
        elif kind == "padded-chunks":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         b"5   \r\nhello\r\n6 \t\r\n world\r\n0  \r\n\r\n")
        elif kind == "identity":
            writer.write(self.answer(b"identity\n", more="Transfer-Encoding: identity\r\n"))
        elif kind == "no-length-304":
            writer.write(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n")
        else:
            writer.write(self.answer(f"{self.name}\n".encode()))
        return headers.get("connection", "").lower() != "close"


async def main(port: int, name: str, certificate: str = "", key: str = "") -> None:
    server = Server(name)
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
    listening = await asyncio.start_server(server.serve, None, port, limit=1 << 17, backlog=1024, ssl=context)
    async with listening:
        await listening.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))
