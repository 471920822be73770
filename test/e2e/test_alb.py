# SPDX-License-Identifier: BSD-3-Clause
"""HTTP through an application load balancer: real clients, real servers, and targets that misbehave."""

import collections
import hashlib
import json
import os
import socket
import time

import pytest

from http_client import Connection
from http_target import pattern
from topology import PYTHON, CLIENT_V4, CLIENT_V6, wait_until

PORT = 8081  # of http_target.py

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    idle_timeout.timeout_seconds = {idle}

    [load_balancer shop6]
    type = application
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [listener shop6:80]
    protocol = HTTP
    default_action = forward web6

    [listener shop:81]
    protocol = HTTP
    default_action = forward odd

    [listener shop:82]
    protocol = HTTP
    default_action = forward empty

    [listener shop:83]
    protocol = HTTP
    default_action = forward dead

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group web6]
    protocol = HTTP
    target = [2001:db8:2::11]:80
    target = [2001:db8:2::12]:80

    [target_group odd]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8081

    [target_group empty]
    protocol = HTTP

    [target_group dead]
    protocol = HTTP
    health_check.enabled = false
    target = 198.18.2.11:9999
"""

ODD = ("198.18.1.10", 81)


def serve_odd(lab, *targets):
    for target in targets or lab.targets[:1]:
        target.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), str(PORT),
                     target.name, ready=lambda t=target: t.is_listening(PORT))


@pytest.fixture(scope="module")
def weir(lab, start_module_weir):
    serve_odd(lab)
    weir = start_module_weir(SERVICES.format(idle=5), healthy=False)
    wait_until("targets healthy", lambda: set(weir.target_states().values()) <= {"healthy", "unavailable"}, 30)
    return weir


@pytest.fixture
def client(lab, weir):
    with Connection(lab.client) as connection:
        yield connection


@pytest.fixture
def odd(lab, weir):
    with Connection(lab.client, ODD) as connection:
        yield connection




@pytest.mark.parametrize("address", ["198.18.1.10", "[2001:db8:1::10]"], ids=["v4", "v6"])
def test_curl(lab, weir, address):
    """Requests on connections of their own go to all targets in turn."""
    answers = collections.Counter()
    for _ in range(12):
        got = lab.client.run("curl", "-sS", "-g", "-m", "5", f"http://{address}/").stdout.split()
        answers[got[0]] += 1
    want = {"t1": 4, "t2": 4, "t3": 4} if ":" not in address else {"t1": 6, "t2": 6}
    assert answers == want


def test_keep_alive(client):
    """Requests on one connection are balanced too."""
    answers = collections.Counter(client.get("/").body.split()[0].decode() for _ in range(30))
    assert answers == {"t1": 10, "t2": 10, "t3": 10}


def test_pipelining(client):
    """Requests sent at once are answered in order."""
    paths = [f"/files/none-{i}" for i in range(40)]
    client.send("".join(f"GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n" for path in paths))
    assert [client.answer().status for _ in paths] == [404] * 40


def test_byte_by_byte(lab, weir, client):
    client.send_slowly(b"GET / HTTP/1.1\r\nHost: shop.example.com\r\nX-A: b\r\n\r\n")
    assert client.answer().status == 200


def test_headers_towards_the_target(odd):
    got = json.loads(odd.get("/echo?q=1", "X-Forwarded-For: 192.0.2.7", "Connection: keep-alive, X-Hop",
                             "X-Hop: 1", "Keep-Alive: 5", "TE: gzip", "Accept: */*").body)
    headers = [(name.lower(), value) for name, value in got["headers"]]
    assert got["target"] == "/echo?q=1"
    assert ("x-forwarded-for", f"192.0.2.7, {CLIENT_V4}") in headers
    assert ("x-forwarded-proto", "http") in headers and ("x-forwarded-port", "81") in headers
    assert ("accept", "*/*") in headers
    names = [name for name, _ in headers]
    assert names.count("x-amzn-trace-id") == 1 and names.count("host") == 1
    assert not {"x-hop", "keep-alive", "te"} & set(names)


@pytest.mark.parametrize("size", [0, 1, 1000, 65536, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_request_bodies(odd, size, chunked):
    body = os.urandom(size)
    if chunked:
        odd.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, size, 9000):
            piece = body[at:at + 9000]
            odd.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        odd.send(b"0\r\n\r\n")
        got = json.loads(odd.answer().body)
    else:
        got = json.loads(odd.get("/echo", "X-A: b", *(["Content-Length: 0"] if not body else []),
                                 method="POST", body=body).body)
    assert (got["length"], got["sha256"]) == (size, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize("size", [0, 1, 1459, 1460, 70_000, 5_000_000])
@pytest.mark.parametrize("kind", ["bytes", "chunked", "until-close"])
def test_response_bodies(odd, kind, size):
    answer = odd.get(f"/{kind}/{size}")
    assert answer.status == 200
    assert hashlib.sha256(answer.body).digest() == hashlib.sha256(pattern(size)).digest()


TRAILERS = ["X-Sum: 1", "Set-Cookie: a=b", "Content-Length: 3", "Transfer-Encoding: chunked", "Connection: close",
            "X-More:2"]


@pytest.mark.parametrize("slowly", [False, True], ids=["at once", "byte by byte"])
def test_request_trailers(odd, slowly):
    """Trailers pass, but for those that end here or would mean something in a head."""
    send = odd.send_slowly if slowly else odd.send
    for _ in range(2):
        send(("POST /echo HTTP/1.1\r\nHost: a.example\r\nConnection: TE\r\nTE: trailers\r\n"
              "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
              + "".join(f"{line}\r\n" for line in TRAILERS) + "\r\n").encode())
        got = json.loads(odd.answer().body)
        assert got["length"] == 5 and got["trailers"] == ["X-Sum: 1", "X-More: 2"]


def test_trailers_that_connection_may_name(odd):
    odd.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nConnection: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
             "0\r\nX-Sum: 1\r\n\r\n")
    assert json.loads(odd.answer().body)["trailers"] == []


def test_pipelined_behind_trailers(odd):
    request = (b"POST /echo HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"1\r\na\r\n0\r\nX-N: %d\r\n\r\n")
    odd.send(b"".join(request % i for i in range(20)))
    assert [json.loads(odd.answer().body)["trailers"] for _ in range(20)] == [[f"X-N: {i}"] for i in range(20)]


def test_malformed_request_trailers(client):
    """A request that is none to its end is refused, and its target left."""
    client.send(b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
                b"1\r\na\r\n0\r\nno field\r\n\r\n")
    assert client.answer().status == 400
    assert client.is_closed()


def test_response_trailers(lab, weir, odd):
    for _ in range(2):
        answer = odd.get("/trailers")
        assert answer.body == b"hello" and answer.trailers == ["X-Sum: 1", "X-More: 2"]
        assert answer.header("trailer") == "X-Sum"
    with Connection(lab.client, ODD) as c:
        c.send("GET /trailers HTTP/1.0\r\n\r\n")
        answer = c.answer()
        assert answer.body == b"hello" and answer.header("trailer") is None


def test_malformed_response_trailers(odd):
    """A response that can't be trusted to its end is cut."""
    with pytest.raises((EOFError, ConnectionResetError)):
        odd.get("/bad-trailers")


def test_head(odd):
    answer = odd.get("/bytes/1000", method="HEAD")
    # The target sends its body all the same; nothing of it may reach the client.
    assert answer.status == 200 and answer.header("content-length") == "1000"


def test_large_file_is_unchanged(lab, weir):
    body = os.urandom(64 << 20)
    for target in lab.targets:
        (lab.directory / target.name / "files" / "large").write_bytes(body)
    for address in ("198.18.1.10", "[2001:db8:1::10]"):
        got = lab.client.run("sh", "-c", 'curl -sS -g -m 60 "$1" | sha256sum', "sh",
                             f"http://{address}/files/large").stdout.split()[0]
        assert got == hashlib.sha256(body).hexdigest()


def test_expect_continue(lab, weir, odd):
    odd.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    assert odd.answer().status == 100
    odd.send("hello")
    got = json.loads(odd.answer().body)
    assert got["length"] == 5
    assert "expect" not in [name.lower() for name, _ in got["headers"]]


def test_http_1_0(lab, weir):
    with Connection(lab.client, ODD) as c:
        c.send("GET /chunked/1000 HTTP/1.0\r\n\r\n")
        answer = c.answer()
        assert answer.body == pattern(1000) and answer.header("transfer-encoding") is None
        assert c.is_closed()


def test_upgrade(odd):
    odd.send("GET /upgrade HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
    answer = odd.answer()
    assert answer.status == 101 and answer.header("upgrade") == "websocket"
    for size in (1, 1000, 200_000):
        odd.send(pattern(size))
        assert odd._exactly(size) == pattern(size)
    odd.socket.shutdown(socket.SHUT_WR)
    assert odd.is_closed()


def test_http_0_9(lab, weir):
    """One line asks, and what answers is a body alone; the connection's end is its end."""
    with Connection(lab.client) as c:
        c.send("GET /\r\n")
        assert c.until_closed().split()[0] in (b"t1", b"t2", b"t3")


def test_no_upgrade_but_websocket(odd):
    """A tunnel of another protocol would pass the rules by: the target isn't asked for one."""
    odd.send("GET /upgrade HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert odd.answer().status == 502  # this target switches unasked


@pytest.mark.parametrize("path, status", [
    ("/garbage", 502), ("/reset", 502), ("/close", 502), ("/bad-length", 502), ("/big-head/40000", 502),
    ("/status/204", 204), ("/status/304", 304), ("/status/404", 404), ("/status/503", 503),
    ("/no-length-304", 304), ("/interim", 200)])
def test_answers_of_targets(odd, path, status):
    assert odd.get(path).status == status
    if status < 500:
        assert odd.get("/echo").status == 200


@pytest.mark.parametrize("path", ["/truncated", "/reset-body"])
def test_cut_answers(odd, path):
    """What has begun can't be answered otherwise: the client sees that it is cut."""
    with pytest.raises((EOFError, ConnectionResetError)):
        odd.get(path)


def test_two_answers_to_one_request(odd):
    """The second belongs to nobody."""
    assert odd.get("/twice").body == b"first\n"
    for _ in range(5):
        assert json.loads(odd.get("/echo").body)["name"] == "t1"


@pytest.mark.parametrize("kind, status", [
    ("204-length", 204), ("204-chunked", 204), ("304-chunked", 304), ("103-length", 204)])
def test_framing_of_no_body(odd, kind, status):
    """A body that can't be may come late all the same: the next request goes another way."""
    before = json.loads(odd.get("/echo").body)["connection"]
    assert json.loads(odd.get("/echo").body)["connection"] == before, "connections are kept"
    assert odd.get(f"/odd/{kind}").status == status
    for _ in range(3):
        assert json.loads(odd.get("/echo").body)["connection"] != before
        time.sleep(0.06)


def test_odd_framing_with_one_meaning(odd):
    """What some servers do and nobody can misread."""
    assert odd.get("/padded-chunks").body == b"hello world"
    answer = odd.get("/identity")
    assert answer.body == b"identity\n" and answer.header("transfer-encoding") is None


@pytest.mark.parametrize("host, want", [("A.b:", "a.b:81"), ("[::1]:", "[::1]:81"), ("a.b:7", "a.b:7")])
def test_host_towards_the_target(odd, host, want):
    """An empty port is none."""
    got = json.loads(odd.get("/echo", host=host).body)
    assert dict(got["headers"])["Host"] == want


def test_early_answer(lab, weir):
    with Connection(lab.client, ODD) as c:
        c.send(b"POST /early HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\n")
        assert c.answer().body == b"early\n"


def test_no_targets(lab, weir):
    with Connection(lab.client, ("198.18.1.10", 82)) as c:
        assert c.get("/").status == 503


def test_connection_refused(lab, weir):
    with Connection(lab.client, ("198.18.1.10", 83)) as c:
        assert c.get("/").status == 502


def test_answer_never_comes(odd):
    begin = time.monotonic()
    assert odd.get("/never").status == 504
    assert 4 < time.monotonic() - begin < 8


REFUSED = [
    ("no HTTP", b"hello\r\n\r\n", 400),
    ("version", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505),
    ("method TRACE", b"TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n", 405),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n", 400),
    ("bad host", b"GET / HTTP/1.1\r\nHost: a.example/b\r\n\r\n", 400),
    ("coding over a coding", b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("space before colon", b"GET / HTTP/1.1\r\nHost : a.example\r\n\r\n", 400),
    ("folded field", b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\r\n c\r\n\r\n", 400),
    ("NUL in a field", b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\0c\r\n\r\n", 400),
    ("CR in a field", b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: b\rc\r\n\r\n", 400),
    ("differing lengths",
     b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400),
    ("negative length", b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: -1\r\n\r\n", 400),
    ("coding not chunked at the end",
     b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
    ("long target", b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a.example\r\n\r\n", 414),
    ("long field", b"GET / HTTP/1.1\r\nHost: a.example\r\nX-A: " + b"a" * 17000 + b"\r\n\r\n", 400),
    ("many bytes of fields",
     b"GET / HTTP/1.1\r\nHost: a.example\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"a" * 900) for i in range(80)) +
     b"\r\n", 400),
    ("many fields",
     b"GET / HTTP/1.1\r\nHost: a.example\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(1200)) + b"\r\n", 400),
    ("many addresses", b"GET / HTTP/1.1\r\nHost: a.example\r\nX-Forwarded-For: " +
     b", ".join(b"192.0.2.%d" % i for i in range(31)) + b"\r\n\r\n", 463),
    ("huge chunk", b"POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"fffffffffffffffff\r\n", 400),
]


@pytest.mark.parametrize("request_bytes, status", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused_requests(lab, weir, request_bytes, status):
    with Connection(lab.client, ODD) as c:
        c.send(request_bytes)
        answer = c.answer()
        assert answer.status == status
        assert answer.header("server") == "awselb/2.0"
        assert c.is_closed()


def test_smuggling(lab, weir):
    """Transfer-Encoding wins, one framing field leaves, and the rest is not a second request."""
    with Connection(lab.client, ODD) as c:
        c.send(b"POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"5\r\nhello\r\n0\r\n\r\n")
        answer = c.answer()
        if answer.status == 200:
            got = json.loads(answer.body)
            names = [name.lower() for name, _ in got["headers"]]
            assert got["length"] == 5 and "content-length" not in names and names.count("transfer-encoding") == 1
            assert c.is_closed()
        else:
            assert answer.status == 400


def test_slow_head(lab, weir):
    """A head that doesn't come gets 408; a connection that never asked is closed without a word."""
    with Connection(lab.client, seconds=12) as c:
        c.send("GET / HT")
        assert c.answer().status == 408
    with Connection(lab.client, seconds=12) as c:
        assert c.is_closed()


def test_body_that_stops(lab, weir):
    with Connection(lab.client, ODD, seconds=12) as c:
        c.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nhello")
        assert c.answer().status == 408


def test_client_ends_within_a_body(lab, weir):
    with Connection(lab.client, ODD) as c:
        c.send("POST /echo HTTP/1.1\r\nHost: a.example\r\nContent-Length: 100\r\n\r\nhello")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.answer().status == 400


def test_half_close_after_a_request(lab, weir):
    with Connection(lab.client, ODD) as c:
        c.send("GET /slow/1 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        c.socket.shutdown(socket.SHUT_WR)
        assert c.answer().body == b"slow\n"


def test_slow_reader_is_bounded(lab, weir):
    """A client that doesn't read makes the target wait, not weir grow."""
    with Connection(lab.client, ODD) as c:
        c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = weir.pool("mbufs")["in_use"]
        c.send("GET /bytes/50000000 HTTP/1.1\r\nHost: a.example\r\n\r\n")
        time.sleep(2)
        assert weir.pool("mbufs")["in_use"] - before < 2000
    wait_until("buffers come back", lambda: weir.pool("mbufs")["in_use"] - before < 200, 10)


def test_wrk(lab, weir):
    got = lab.client.run("wrk", "-t1", "-c50", "-d3", "http://198.18.1.10/").stdout
    assert "Socket errors" not in got and "Non-2xx" not in got
    assert float(got.split("Requests/sec:")[1].split()[0]) > 100


def test_metrics(lab, start_weir, weir):
    """Requests, statuses and connections add up, in every place where they are shown."""
    def counts():
        got = weir.ask("metrics", load_balancer="shop")
        return {name: got[name] for name in (
            "NewConnectionCount", "RequestCount", "HTTPCode_ELB_4XX_Count", "HTTPCode_ELB_5XX_Count",
            "HTTPCode_ELB_503_Count", "DesyncMitigationMode_NonCompliant_Request_Count")}

    def target():
        row, = weir.ask("target_health", target_group="odd")["targets"]
        return row

    wait_until("connections are over", lambda: weir.ask("metrics", load_balancer="shop")["ActiveConnectionCount"] == 0)
    before, target_before = counts(), target()
    with Connection(lab.client, ODD) as c:
        for path in ("/echo", "/status/204", "/status/404", "/status/500", "/echo"):
            c.get(path)
        c.get("/echo", "Content-Length: 0")
        c.send("TRACE / HTTP/1.1\r\nHost: a.example\r\n\r\n")
        c.answer()
    with Connection(lab.client, ("198.18.1.10", 82)) as c:
        c.get("/")
    after, target_after = counts(), target()
    assert {name: after[name] - before[name] for name in after} == {
        "NewConnectionCount": 2, "RequestCount": 6, "HTTPCode_ELB_4XX_Count": 1, "HTTPCode_ELB_5XX_Count": 1,
        "HTTPCode_ELB_503_Count": 1, "DesyncMitigationMode_NonCompliant_Request_Count": 1}
    assert {name: target_after[name] - target_before[name] for name in (
        "RequestCount", "HTTPCode_Target_2XX_Count", "HTTPCode_Target_4XX_Count", "HTTPCode_Target_5XX_Count")} == {
        "RequestCount": 6, "HTTPCode_Target_2XX_Count": 4, "HTTPCode_Target_4XX_Count": 1,
        "HTTPCode_Target_5XX_Count": 1}
    group = weir.ask("metrics", target_group="odd")
    assert group["TargetResponseTime_samples"] >= 6
    assert 0 < group["TargetResponseTime_p50_us"] <= group["TargetResponseTime_p99_us"]
    wait_until("connections are over", lambda: weir.ask("metrics", load_balancer="shop")["ActiveConnectionCount"] == 0)
