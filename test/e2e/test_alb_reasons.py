# SPDX-License-Identifier: BSD-3-Clause
"""Field 25 of the access log: why a request failed, or its answer was cut."""

import re
import socket
import struct
import time
from pathlib import Path

import pytest

from http_client import Connection
from test_alb import serve_odd
from test_alb_log import lines
from topology import wait_until

ROOT = Path(__file__).resolve().parents[2]

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    idle_timeout.timeout_seconds = 2
    access_logs.s3.enabled = true
    access_logs.s3.bucket = {bucket}

    [listener shop:80]
    protocol = HTTP
    default_action = forward odd

    [rule shop:80 10]
    condition.path_pattern = /refused
    action = forward refused

    [rule shop:80 20]
    condition.path_pattern = /none
    action = forward none

    [rule shop:80 30]
    condition.path_pattern_regex = ^/(a+)+$
    action = forward odd

    [rule shop:80 40]
    condition.path_pattern = /host
    transform.host_header_rewrite = .* -> a b
    action = forward odd

    [rule shop:80 50]
    condition.path_pattern = /long/*
    action = redirect path=/#{{path}}#{{path}} status=HTTP_301

    [target_group odd]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:8081

    [target_group refused]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:8099

    [target_group none]
    protocol = HTTP
"""

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: a.example\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


def get(path: bytes) -> bytes:
    return b"GET %s HTTP/1.1\r\nHost: a.example\r\n\r\n" % path


ANSWERED = [
    (b"hello\r\n\r\n", 400, "RequestMalformed"),
    (GET + b"X-A: b\0c\r\n\r\n", 400, "RequestMalformed"),
    (b"GET / HTTP/7.0\r\n\r\n", 505, "RequestVersionUnsupported"),
    (b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "RequestLineTooLong"),
    (GET + b"X-A: " + b"a" * 17000 + b"\r\n\r\n", 400, "RequestHeaderTooLong"),
    (GET + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 900) for i in range(80)) + b"\r\n", 400, "RequestHeadersTooLong"),
    (GET + b"".join(b"X-%d: a\r\n" % i for i in range(1200)) + b"\r\n", 400, "RequestHeadersTooMany"),
    (GET + b"Host: b.example\r\n\r\n", 400, "RequestHostInvalid"),
    (POST + b"Content-Length: 1, 1\r\n\r\na", 400, "RequestDesyncMitigated"),
    (b"TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", 405, "RequestMethodNotAllowed"),
    (POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501, "RequestTransferEncodingUnsupported"),
    (GET + b"X-Forwarded-For: " + b"1," * 30 + b"1\r\n\r\n", 463, "RequestForwardedForTooLong"),
    (POST + CHUNKED + b"no size\r\n", 400, "RequestBodyMalformed"),
    (b"GET / HT", 408, "RequestTimeout"),
    (POST + b"Content-Length: 9\r\n\r\nhello", 408, "RequestTimeout"),
    (get(b"/none"), 503, "NoTargets"),
    (get(b"/" + b"a" * 3000 + b"!"), 500, "RuleRegexBudgetExceeded"),
    (get(b"/host"), 500, "TransformFailed"),
    (get(b"/long/" + b"a" * 5000), 507, "RedirectUrlTooLong"),
    (get(b"/refused"), 502, "TargetConnectionRefused"),
    (get(b"/close"), 502, "TargetClosed"),
    (get(b"/reset"), 502, "TargetClosed"),
    (get(b"/garbage"), 502, "TargetResponseMalformed"),
    (get(b"/bad-length"), 502, "TargetResponseMalformed"),
    (get(b"/big-head/40000"), 502, "TargetResponseHeadersTooLong"),
    (get(b"/never"), 504, "TargetTimeout"),
    (get(b"/echo"), 200, "-"),
    (get(b"/status/500"), 500, "-"),
]


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, tmp_path_factory):
    serve_odd(lab)
    bucket = tmp_path_factory.mktemp("logs")
    weir = start_module_weir(SERVICES.format(bucket=bucket), healthy=False)
    weir.logs = bucket
    yield weir
    lab.targets[0].stop("odd")


def reset(connection: Connection) -> None:
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.socket.close()


def next_line(weir, before: int) -> list[str]:
    wait_until("a line", lambda: len(lines(weir.logs)) > before, 10, 0.05)
    found = lines(weir.logs)
    assert len(found) == before + 1 and all(len(fields) == 33 for fields in found)
    return found[-1]


@pytest.mark.parametrize("request_bytes, status, reason", ANSWERED,
                         ids=[f"{row[2]}{i}" for i, row in enumerate(ANSWERED)])
def test_answered(lab, weir, request_bytes, status, reason):
    before = len(lines(weir.logs))
    with Connection(lab.client) as c:
        c.send(request_bytes)
        assert c.answer().status == status
    fields = next_line(weir, before)
    assert (fields[8], fields[24]) == (str(status), reason)


def test_client_ends_within_a_request(lab, weir):
    for request in (b"GET / HT", POST + b"Content-Length: 9\r\n\r\nhello"):
        before = len(lines(weir.logs))
        with Connection(lab.client) as c:
            c.send(request)
            c.socket.shutdown(socket.SHUT_WR)
            assert c.answer().status == 400
        assert next_line(weir, before)[24] == "RequestIncomplete"


def test_client_leaves(lab, weir):
    before = len(lines(weir.logs))
    c = Connection(lab.client)
    c.send(get(b"/slow/1"))
    time.sleep(0.2)
    reset(c)
    fields = next_line(weir, before)
    assert fields[8:10] == ["460", "-"] and fields[24] == "ClientClosed"


def cuts(weir) -> tuple[int, int]:
    metrics = weir.ask("metrics", load_balancer="shop")
    return metrics["weir.TargetCutResponseCount"], metrics["weir.ClientCutResponseCount"]


@pytest.mark.parametrize("path, reason", [("/truncated", "TargetClosed"), ("/reset-body", "TargetClosed"),
                                          ("/bad-trailers", "TargetResponseMalformed")])
def test_cut_by_the_target(lab, weir, path, reason):
    before, counted = len(lines(weir.logs)), cuts(weir)
    with Connection(lab.client) as c, pytest.raises((EOFError, ConnectionResetError)):
        c.get(path)
    fields = next_line(weir, before)
    assert fields[8:10] == ["200", "200"] and fields[24] == reason
    wait_until("it is counted", lambda: cuts(weir) == (counted[0] + 1, counted[1]), 5)


def test_cut_by_the_client(lab, weir):
    before, counted = len(lines(weir.logs)), cuts(weir)
    c = Connection(lab.client)
    c.send(get(b"/drip/30"))
    c._exactly(60)
    reset(c)
    fields = next_line(weir, before)
    assert fields[8:10] == ["200", "200"] and fields[24] == "ClientClosed"
    with Connection(lab.client) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        c.send(get(b"/bytes/20000000"))
        fields = next_line(weir, before + 1)
    assert fields[8:10] == ["200", "200"] and fields[24] == "ClientTimeout"
    wait_until("they are counted", lambda: cuts(weir) == (counted[0], counted[1] + 2), 5)


def test_long_strings(lab, weir):
    before = len(lines(weir.logs))
    with Connection(lab.client) as c:
        c.get("/echo?" + "a" * 5000, "User-Agent: " + "b" * 9000, host="[::1]:")
    wait_until("a line", lambda: len(lines(weir.logs)) > before, 10, 0.05)
    text = next(path for path in weir.logs.rglob("[0-9]*.log*")).read_text().splitlines()[-1]
    fields = re.match(r'.* "GET http://\[::1\]:80/echo\?(a+)\\\+(\d+) HTTP/1.1" "(b+)\\\+(\d+)" ', text)
    assert fields is not None
    assert len(fields[1]) > 2000 and len(fields[1]) + int(fields[2]) == 5000
    assert len(fields[3]) > 400 and len(fields[3]) + int(fields[4]) == 9000


def test_reasons_are_documented():
    names = set(re.findall(r'= "([A-Z]\w+)"', (ROOT / "lib/alb/alb_error.c").read_text()))
    documented = set(re.findall(r"^\| `([A-Z]\w+)` \| [0-9 ,cut]+ \|", (ROOT / "docs/operations.md").read_text(), re.M))
    assert names == documented and len(names) > 20
