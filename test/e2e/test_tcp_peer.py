# SPDX-License-Identifier: BSD-3-Clause
"""The TCP engine against the kernel's TCP, through a wire that loses and delays."""

import json
import os
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("WEIR_BUILD", Path(__file__).parents[2] / "build"))
PEER = BUILD / "test/e2e/tcp_peer"
HOST, ENGINE = "198.18.7.1", "198.18.7.2"
SIZE = 1_000_000
STREAM = bytes(range(251)) * (SIZE // 251 + 1)


@pytest.fixture
def tun():
    """A TUN device whose far end is the engine's."""
    name = f"weirtcp{os.getpid() % 10000}"
    for command in (f"ip tuntap add {name} mode tun", f"ip addr add {HOST} peer {ENGINE} dev {name}",
                    f"ip link set {name} up mtu 1500 txqueuelen 10000"):
        subprocess.run(command.split(), check=True)
    yield name
    subprocess.run(f"ip tuntap del {name} mode tun".split(), check=True)


def start(tun: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen([PEER, "engine", tun, f"bytes={SIZE}", *arguments], stdout=subprocess.PIPE, text=True)


def end(engine: subprocess.Popen) -> list[dict]:
    """What it says of each connection that has ended."""
    engine.send_signal(signal.SIGTERM)
    said = engine.communicate(timeout=10)[0]
    assert engine.returncode == 0
    return [json.loads(line) for line in said.splitlines()]


def read_all(connection: socket.socket) -> bytes:
    got = bytearray()
    while piece := connection.recv(1 << 18):
        got += piece
    return bytes(got)


def exchange(connection: socket.socket) -> bytes:
    """Sends the stream and reads what comes, both at once."""
    connection.settimeout(60)
    writer = threading.Thread(target=lambda: (connection.sendall(STREAM[:SIZE]),
                                              connection.shutdown(socket.SHUT_WR)))
    writer.start()
    got = read_all(connection)
    writer.join()
    connection.close()
    return got


@pytest.mark.parametrize("wire", [("loss=0", "delay=0"), ("loss=100", "delay=5"), ("loss=500", "delay=1")], ids=str)
@pytest.mark.parametrize("congestion", ["cubic", "reno"])
def test_kernel_connects_to_engine(tun, congestion, wire):
    engine = start(tun, f"congestion={congestion}", *wire)
    for _ in range(3):
        assert exchange(socket.create_connection((ENGINE, 80), timeout=30)) == STREAM[:SIZE]
    said = end(engine)
    assert said and all(one["received"] == SIZE and one["acked"] == SIZE for one in said)


@pytest.mark.parametrize("wire", [("loss=0", "delay=0"), ("loss=100", "delay=5")], ids=str)
def test_engine_connects_to_kernel(tun, wire):
    with socket.create_server((HOST, 8080)) as server:
        server.settimeout(30)
        engine = start(tun, f"connect={HOST}:8080", *wire)
        connection, _ = server.accept()
        assert exchange(connection) == STREAM[:SIZE]
    end(engine)


def test_many_connections(tun):
    engine = start(tun, "loss=50", "delay=2", "bytes=20000")
    results: list[bytes] = []
    threads = [threading.Thread(target=lambda: results.append(
        read_all(socket.create_connection((ENGINE, 80), timeout=30)))) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    end(engine)
    assert results == [STREAM[:20000]] * 100
