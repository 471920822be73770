# SPDX-License-Identifier: BSD-3-Clause
"""Clients and targets that make weir hold buffers: others are served all the same."""

import socket
import time

import pytest

from http_client import Connection
from http_target import pattern
from test_alb import PORT, serve_odd
from topology import wait_until

SERVICES = f"""
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    idle_timeout.timeout_seconds = 120

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [listener shop:81]
    protocol = HTTP
    default_action = forward odd

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80

    [target_group odd]
    protocol = HTTP
    target = 198.18.2.11:{PORT}
"""
ODD = ("198.18.1.10", 81)
MBUFS = 8192
CRUMBS = 200_000
SLOW_READERS = 60
SLOW_WRITERS = 6_000


@pytest.fixture(scope="module")
def odd_target(lab):
    serve_odd(lab)


@pytest.fixture
def weir(odd_target, start_weir):
    return start_weir(SERVICES, dataplane=f"workers = 1\nmbufs = {MBUFS}")


def pool(weir, name):
    return next(row for row in weir.ask("pools")["pools"] if row["name"] == name)


def is_served(lab):
    try:
        with Connection(lab.client, seconds=2) as c:
            return c.get("/").status == 200
    except (TimeoutError, ConnectionResetError, EOFError):
        return False


def reader(lab, address, target):
    """A client that asks and doesn't read yet."""
    client = Connection(lab.client, address, 30)
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.send(f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
    return client


def test_bytes_in_chunks_of_their_own_pin_what_they_are(lab, weir):
    with reader(lab, ODD, f"/crumbs/{CRUMBS}") as client:
        time.sleep(1)
        assert 50 < pool(weir, "queued_payload")["in_use"] < 1500
        assert all(is_served(lab) for _ in range(20))
        assert client.answer().body == pattern(CRUMBS)
    assert pool(weir, "queued_payload")["failures"] == 0
    wait_until("all is given back", lambda: pool(weir, "queued_payload")["in_use"] == 0)


def test_crumbs_of_a_request_reach_the_target(lab, weir):
    """The same towards a target, from a client that sends each chunk in a segment of its own."""
    body = pattern(2000)
    with Connection(lab.client, ODD) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in body:
            client.send(b"1\r\n%c\r\n" % byte)
        client.send(b"0\r\n\r\n")
        assert client.answer().body.count(b'"length": 2000') == 1


def test_slow_readers_make_way(lab, weir):
    (lab.directory / lab.targets[0].name / "files" / "big").write_bytes(b"z" * 20_000_000)
    clients = [reader(lab, ("198.18.1.10", 80), "/files/big") for _ in range(SLOW_READERS)]
    try:
        wait_until("they hold what they may", lambda: pool(weir, "queued_payload")["failures"] > 0, 30)
        wait_until("another is served", lambda: is_served(lab), 30)
        # For good: windows open again, so that long transfers go on.
        wait_until("buffers are free", lambda: pool(weir, "queued_payload")["in_use"] < 0.36 * MBUFS, 60)
        with Connection(lab.client, seconds=60) as c:
            assert len(c.get("/files/big").body) == 20_000_000
    finally:
        for client in clients:
            client.socket.close()
    wait_until("all is given back", lambda: pool(weir, "queued_payload")["in_use"] == 0, 30)


def test_slow_writers_make_way(lab, weir):
    clients = []
    try:
        for _ in range(SLOW_WRITERS):
            clients.append(Connection(lab.client, ("198.18.1.10", 80), 5))
            clients[-1].send(b"G")
        wait_until("too many", lambda: pool(weir, "queued_payload")["failures"] > 0, 30)
        wait_until("another is served", lambda: is_served(lab), 30)
        wait_until("buffers are free", lambda: pool(weir, "queued_payload")["in_use"] < 0.36 * MBUFS, 60)
        assert all(is_served(lab) for _ in range(20))
    finally:
        for client in clients:
            client.socket.close()
    wait_until("all is given back", lambda: pool(weir, "queued_payload")["in_use"] == 0, 30)
