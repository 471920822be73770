# SPDX-License-Identifier: BSD-3-Clause
"""Every status that an application load balancer makes itself, in the answer, the log and the metrics; and its times."""

import contextlib
import json
import socket
import struct
import time

import pytest

from http_client import Connection
from test_alb import serve_odd
from test_alb_log import lines
from topology import wait_until

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    idle_timeout.timeout_seconds = 4
    weir.header_timeout_seconds = 1
    access_logs.s3.enabled = true
    access_logs.s3.bucket = {bucket}

    [load_balancer slow]
    type = application
    address = 198.18.1.11
    idle_timeout.timeout_seconds = 60
    weir.body_min_bytes_per_second = 1000

    [listener shop:80]
    protocol = HTTP
    default_action = forward odd

    [listener slow:80]
    protocol = HTTP
    default_action = forward slow

    [rule shop:80 10]
    condition.path_pattern = /long
    action = redirect path=/other status=HTTP_302

    [rule shop:80 20]
    condition.path_pattern = /transform/*
    transform.url_rewrite = ^/transform/(.*)$ -> $1
    action = forward odd

    [rule shop:80 30]
    condition.path_pattern = /empty
    action = forward empty

    [rule shop:80 40]
    condition.path_pattern = /refused
    action = forward refused

    [rule shop:80 50]
    condition.path_pattern = /fixed
    action = fixed_response status=403 content_type=text/plain body="no"

    [rule shop:80 60]
    condition.path_pattern_regex = ^/regex/(a+)+$
    action = fixed_response status=200 content_type=text/plain body="matched"

    [target_group odd]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:8081

    [target_group slow]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:8081

    [target_group empty]
    protocol = HTTP

    [target_group refused]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:9999
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, directory):
    serve_odd(lab)
    return start_module_weir(SERVICES.format(bucket=directory), healthy=False)


def reset(connection):
    """End it by RST."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()


HOST = b" HTTP/1.1\r\nHost: a.example\r\n"
STATUSES = [
    (400, "a field's name with a space", b"GET /s" + HOST + b"X A: b\r\n\r\n"),
    (400, "a header over 16 KiB", b"GET /s" + HOST + b"X-A: " + b"a" * 17000 + b"\r\n\r\n"),
    (405, "TRACE", b"TRACE /s" + HOST + b"\r\n"),
    (408, "half a head", b"GET /s" + HOST),
    (408, "half a body", b"POST /echo" + HOST + b"Content-Length: 10\r\n\r\nhalf"),
    (414, "a request line over 16 KiB", b"GET /" + b"s" * 17000 + HOST + b"\r\n"),
    (463, "31 addresses", b"GET /s" + HOST + b"X-Forwarded-For: " + b"192.0.2.1, " * 30 + b"192.0.2.1\r\n\r\n"),
    (500, "a transform that makes no path", b"GET /transform/x" + HOST + b"\r\n"),
    (500, "a regular expression without end", b"GET /regex/" + b"a" * 200 + b"!" + HOST + b"\r\n"),
    (501, "an unknown coding", b"POST /s" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n"),
    (502, "a target that refuses", b"GET /refused" + HOST + b"\r\n"),
    (502, "a target that resets", b"GET /reset" + HOST + b"\r\n"),
    (502, "a target that speaks no HTTP", b"GET /garbage" + HOST + b"\r\n"),
    (503, "a group without targets", b"GET /empty" + HOST + b"\r\n"),
    (504, "a target that doesn't answer", b"GET /never" + HOST + b"\r\n"),
    (504, "a target that doesn't read", b"POST /deaf" + HOST + b"Content-Length: 50000000\r\n\r\n"),
    (505, "an unknown version", b"GET /s HTTP/4.2\r\nHost: a.example\r\n\r\n"),
    (507, "a long Location", b"GET /long?" + b"q" * 9000 + HOST + b"\r\n"),
]


def own_answers(weir):
    got = weir.ask("metrics", load_balancer="shop")
    return {name: got[name] for name in ("HTTPCode_ELB_4XX_Count", "HTTPCode_ELB_5XX_Count")}


@pytest.mark.parametrize("status, request_bytes", [(row[0], row[2]) for row in STATUSES],
                         ids=[f"{row[0]} {row[1]}" for row in STATUSES])
def test_status(lab, weir, directory, status, request_bytes):
    logged, counted = len(lines(directory)), own_answers(weir)
    with Connection(lab.client, seconds=15) as c:
        c.send(request_bytes)
        if b"/deaf" in request_bytes:
            push(c, 50_000_000)
        answer = c.answer()
    assert answer.status == status and answer.header("server") == "awselb/2.0"
    wait_until("its line", lambda: len(lines(directory)) == logged + 1, 10)
    assert lines(directory)[-1][8:10] == [str(status), "-"]
    counted[f"HTTPCode_ELB_{status // 100}XX_Count"] += 1
    assert own_answers(weir) == counted


def push(connection, n):
    """Send as much as goes within two seconds."""
    connection.socket.settimeout(2)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while n > 0:
            n -= connection.socket.send(b"x" * min(n, 65536))
    connection.socket.settimeout(15)


def test_460(lab, weir, directory):
    """Only in the log: who asked has left."""
    logged, before = len(lines(directory)), weir.ask("metrics", load_balancer="shop")
    for request in (b"GET /never" + HOST + b"\r\n", b"POST /echo" + HOST + b"Content-Length: 10\r\n\r\nhalf"):
        c = Connection(lab.client)
        c.send(request)
        time.sleep(0.3)
        reset(c)
    wait_until("two lines", lambda: len(lines(directory)) == logged + 2, 10)
    assert [fields[8:10] for fields in lines(directory)[logged:]] == [["460", "-"]] * 2
    after = weir.ask("metrics", load_balancer="shop")
    assert after["HTTPCode_ELB_4XX_Count"] - before["HTTPCode_ELB_4XX_Count"] == 2


@pytest.mark.parametrize("served", [False, True])
@pytest.mark.parametrize("drips", [False, True])
def test_time_of_a_head(lab, weir, served, drips):
    """From its first byte on, however it comes, also when it isn't a connection's first."""
    with Connection(lab.client, seconds=10) as c:
        if served:
            assert c.get("/fixed").status == 403
        time.sleep(0.5)
        begin = time.monotonic()
        c.send(b"GET / HTTP/1.1\r\nX: ")
        while drips and time.monotonic() - begin < 0.9:
            c.send(b"a")
            time.sleep(0.1)
        assert c.answer().status == 408
        assert 0.9 < time.monotonic() - begin < 2.5


def test_time_without_a_request(lab, weir):
    with Connection(lab.client, seconds=10) as c:
        begin = time.monotonic()
        assert c.is_closed()
        assert 3.9 < time.monotonic() - begin < 6


def test_slow_body(lab, weir):
    """Slower than the least over 30 s, though never idle."""
    with Connection(lab.client, ("198.18.1.11", 80), seconds=10) as c:
        begin = time.monotonic()
        c.send(b"POST /echo" + HOST + b"Content-Length: 1000000\r\n\r\n")
        c.socket.settimeout(0.5)
        while time.monotonic() - begin < 40:
            with contextlib.suppress(TimeoutError):
                c._more()
                break
            c.send(b"x" * 250)
        assert c.answer().status == 408
        assert 29 < time.monotonic() - begin < 34


@pytest.mark.parametrize("gap", [0, 0.05, 0.3])
@pytest.mark.parametrize("length, goes_on", [(50, True), (60000, True), (200000, False)])
def test_own_answer_before_the_body(lab, weir, gap, length, goes_on):
    """What it says of the connection is kept: the next request is answered, or was told not to come."""
    with Connection(lab.client) as c:
        c.send(b"POST /fixed" + HOST + b"Content-Length: %d\r\n\r\nabc" % length)
        time.sleep(gap)
        c.send(b"x" * (length - 3) + b"GET /echo" + HOST + b"\r\n")
        first = c.answer()
        assert first.status == 403 and first.body == b"no"
        if first.header("connection") == "close":
            assert not (goes_on and gap) and c.is_closed()
        else:
            assert json.loads(c.answer().body)["target"] == "/echo"


def test_own_answer_to_a_large_body(lab, weir):
    """Who sends everything before reading gets the answer all the same."""
    with Connection(lab.client, seconds=20) as c:
        c.send(b"POST /fixed" + HOST + b"Content-Length: 20000000\r\n\r\n")
        for _ in range(20):
            c.send(b"x" * 1000000)
            time.sleep(0.2)
        answer = c.answer()
        assert answer.status == 403 and answer.header("connection") == "close" and answer.body == b"no"


def test_curl_sends_a_large_body(lab, weir):
    (lab.directory / "upload").write_bytes(b"x" * 3_000_000)
    for options in ([], ["-H", "Expect:"], ["-H", "Transfer-Encoding: chunked"]):
        got = lab.client.run("curl", "-sS", "-m", "10", "-w", "%{http_code}", *options, "--data-binary",
                             f"@{lab.directory}/upload", "http://198.18.1.10/fixed").stdout
        assert got == "no403"


def test_final_answer_instead_of_100(lab, weir):
    with Connection(lab.client) as c:
        c.send(b"POST /fixed" + HOST + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        answer = c.answer()
        assert answer.status == 403 and answer.header("connection") == "close"
        assert c.is_closed()


@pytest.mark.parametrize("length, goes_on", [(50000, True), (1000000, False)])
def test_early_answer(lab, weir, length, goes_on):
    """Of a target, before the body: its connection isn't used again."""
    with Connection(lab.client) as c:
        c.send(b"POST /early" + HOST + b"Content-Length: %d\r\n\r\n" % length)
        answer = c.answer()
        assert answer.body == b"early\n" and (answer.header("connection") == "close") == (not goes_on)
        c.send(b"x" * length + (b"GET /echo" + HOST + b"\r\n" if goes_on else b""))
        if goes_on:
            assert json.loads(c.answer().body)["target"] == "/echo"
        else:
            assert c.is_closed()


def test_nothing_is_left(weir):
    """All of that has been given back."""
    def in_use():
        return {name: weir.pool(name)["in_use"] for name in ("client_connections", "requests", "spans")}

    wait_until("all given back", lambda: set(in_use().values()) == {0}, 45)
