# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/2 clients of an application load balancer: real ones, through TLS and ALPN."""

import hashlib
import json
import os
import socket
import time

import pytest

from certificates import make_certificate
from http2_client import Http2
from http_target import pattern
from raw_port import socket_in
from test_alb_log import lines
from topology import CLIENT_V4, PYTHON, wait_until

VIP = "198.18.1.10"
VIP6 = "2001:db8:1::10"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = LOGS

    [load_balancer shop6]
    type = application
    address = 2001:db8:1::10

    [load_balancer old]
    type = application
    address = 198.18.1.11
    routing.http2.enabled = false

    [load_balancer idle]
    type = application
    address = 198.18.1.12
    idle_timeout.timeout_seconds = 2

    [load_balancer ext]
    type = application
    address = 198.18.1.13
    address = 2001:db8:1::13
    weir.h2c.enabled = true
    weir.http2_websocket.enabled = true

    [listener ext:80]
    protocol = HTTP
    default_action = forward ext-web

    [target_group ext-web]
    protocol = HTTP
    target = 198.18.2.11:80

    [target_group ext-odd]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8083

    [listener ext:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward ext-odd

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [listener idle:443]
    protocol = HTTPS
    certificate = shop
    default_action = fixed_response status=200

    [listener shop:444]
    protocol = HTTPS
    certificate = shop
    default_action = forward odd

    [listener shop6:444]
    protocol = HTTPS
    certificate = shop
    default_action = forward odd6

    [listener shop:445]
    protocol = HTTPS
    certificate = shop
    default_action = fixed_response status=200

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward web

    [listener shop6:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward web6

    [listener old:443]
    protocol = HTTPS
    certificate = shop
    default_action = fixed_response status=200 content_type=text/plain body="old"

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group odd]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8083

    [target_group odd6]
    protocol = HTTP
    health_check.port = 80
    target = [2001:db8:2::11]:8083

    [target_group web6]
    protocol = HTTP
    target = [2001:db8:2::11]:80
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "shop", "shop.example")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, certificate, logs):
    target = lab.targets[0]
    target.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8083", target.name,
                 ready=lambda: target.is_listening(8083))
    return start_module_weir(SERVICES.replace("LOGS", str(logs)) + "\n" + certificate.section())


def curl(lab, *arguments, url=f"https://{VIP}/"):
    return lab.client.run("curl", "-skS", "-g", "-m", "10", "--http2", *arguments, url).stdout


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_curl(lab, weir, address):
    got = curl(lab, "-i", url=f"https://{address}/")
    assert got.startswith("HTTP/2 200"), got


def test_chosen_by_alpn(lab, weir):
    assert curl(lab, "-o", "/dev/null", "-w", "%{http_version}", url="https://198.18.1.11/") == "1.1"
    assert curl(lab, "-o", "/dev/null", "-w", "%{http_version}") == "2"


def test_many_requests(lab, weir):
    got = lab.client.run("h2load", "-n", "2000", "-c", "10", "-m", "32", f"https://{VIP}/").stdout
    assert "2000 succeeded, 0 failed" in got, got


def test_streams_side_by_side(lab, weir):
    """A slow answer holds up no other."""
    with Http2(lab.client, VIP, 444) as client:
        slow = client.begin("/slow/1")
        others = [client.begin(f"/bytes/{n}") for n in range(1, 60)]
        for n, answer in enumerate(client.finish(*others), 1):
            assert answer.status == "200" and answer.body == pattern(n)
        assert not client.answers[slow].over
        assert client.finish(slow)[0].body == b"slow\n"


@pytest.mark.parametrize("address", [VIP, VIP6], ids=["v4", "v6"])
@pytest.mark.parametrize("path", ["/bytes/3000000", "/chunked/3000000", "/until-close/300000", "/crumbs/5000"])
def test_large_answers(lab, weir, address, path):
    with Http2(lab.client, address, 444) as client:
        assert client.ask(path).body == pattern(int(path.split("/")[2]))


@pytest.mark.parametrize("length", [True, False], ids=["length", "chunked"])
def test_uploads(lab, weir, length):
    body = pattern(2_000_000)
    with Http2(lab.client, VIP, 444) as client:
        got = json.loads(client.ask("/echo", "POST", (("content-length", str(len(body))),) if length else (), body).body)
        assert got["length"] == len(body) and got["sha256"] == hashlib.sha256(body).hexdigest()


def test_request_as_the_target_sees_it(lab, weir):
    with Http2(lab.client, VIP, 444) as client:
        got = json.loads(client.ask("/echo?a=b", headers=(("cookie", "a=1"), ("x-own", "yes"), ("cookie", "b=2"),
                                                          ("te", "trailers"))).body)
    headers = {name.lower(): value for name, value in got["headers"]}
    assert got["method"] == "GET" and got["target"] == "/echo?a=b"
    assert headers["host"] == "shop.example:444" and headers["cookie"] == "a=1; b=2" and headers["x-own"] == "yes"
    assert headers["x-forwarded-proto"] == "https" and headers["x-forwarded-port"] == "444"
    assert headers["x-forwarded-for"] == CLIENT_V4


def test_trailers_and_interim(lab, weir):
    with Http2(lab.client, VIP, 444) as client:
        answer = client.ask("/trailers")
        assert answer.body == b"hello" and answer.trailers == {"x-sum": "1", "x-more": "2"}, answer
        assert client.ask("/interim").body == b"interim\n"
        assert client.ask("/status/204").status == "204"
        assert client.ask("/bytes/100", "HEAD").headers["content-length"] == "100"


@pytest.mark.parametrize("path, status", [("/garbage", "502"), ("/reset", "502"), ("/close", "502"), ("/bad-length", "502")])
def test_targets_that_fail(lab, weir, path, status):
    """One stream gets an answer of weir's own; the others and the connection go on."""
    with Http2(lab.client, VIP, 444) as client:
        slow = client.begin("/slow/0.5")
        assert client.ask(path).status == status
        assert client.finish(slow)[0].body == b"slow\n"


@pytest.mark.parametrize("path", ["/truncated", "/reset-body"])
def test_answers_cut_short(lab, weir, path):
    with Http2(lab.client, VIP, 444) as client:
        assert client.ask(path).reset is not None
        assert client.ask("/bytes/5").body == pattern(5)


def test_answer_before_the_request_ends(lab, weir):
    with Http2(lab.client, VIP, 444) as client:
        stream = client.begin("/early", "POST", end=False)
        client.send(stream, b"x" * 1000)
        answer = client.finish(stream)[0]
        assert answer.status == "200" and answer.body == b"early\n"
        assert client.ask("/bytes/5").body == pattern(5)


def test_slow_reader(lab, weir):
    """Who doesn't open a stream's window holds up that stream alone."""
    with Http2(lab.client, VIP, 444, greedy=False) as client:
        held = client.begin("/bytes/60000")
        client.finish(held)
        held = client.begin("/bytes/60000")
        while client.h2.inbound_flow_control_window > 0 and len(client.answers[held].body) < 5535:
            client.receive()
        client.h2.increment_flow_control_window(1 << 20)
        assert client.ask("/bytes/50").body == pattern(50)


def test_client_resets(lab, weir):
    """A request that the client gives up is given up at the target, too."""
    with Http2(lab.client, VIP, 444) as client:
        for _ in range(5):
            stream = client.begin("/never")
            client.h2.reset_stream(stream, 8)
            client.flush()
        assert client.ask("/bytes/5").body == pattern(5)
    wait_until("all are given up", lambda: weir.ask("metrics", load_balancer="shop")["ActiveConnectionCount"] == 0)


def test_rapid_reset(lab, weir):
    """CVE-2023-44487: the connection ends with ENHANCE_YOUR_CALM, others go on."""
    with Http2(lab.client, VIP, 444) as other, Http2(lab.client, VIP, 444) as client:
        try:
            for _ in range(20000):
                stream = client.h2.get_next_available_stream_id()
                client.h2.send_headers(stream, [(":method", "GET"), (":scheme", "https"), (":authority", "a"),
                                                (":path", "/slow/1")], end_stream=True)
                client.h2.reset_stream(stream, 8)
                client.flush()
        except OSError:
            pass
        client.until_closed()
        assert client.goaway in (11, None)
        assert other.ask("/bytes/5").body == pattern(5)
    assert weir.ask("http2_ends")["resets"] == 1


def test_all_is_given_back(lab, weir):
    """Connections, streams and their memory, when clients have gone."""
    wait_until("nothing is in use", lambda: weir.pool("http2_connections")["in_use"] == 0)
    assert weir.pool("http2_streams")["in_use"] == 0 and weir.pool("requests")["in_use"] == 0
    assert weir.pool("http2_connections")["bytes"] < 65536, weir.pool("http2_connections")


def test_ten_thousand_requests(lab, weir):
    """ELB ends a connection behind 10,000 requests, gracefully."""
    with Http2(lab.client, VIP, 445) as client:
        done = 0
        while client.goaway is None and done < 12000:
            streams = [client.begin() for _ in range(50)]
            done += sum(a.status == "200" for a in client.finish(*streams))
        client.until_closed()
        assert client.goaway == 0 and 10000 <= done <= 10050, (client.goaway, done)


def test_idle_connection_ends(lab, weir):
    """GOAWAY without an error, then the connection's end."""
    with Http2(lab.client, "198.18.1.12", 443, seconds=20) as client:
        assert client.ask().status == "200"
        client.until_closed()
        assert client.goaway == 0


def test_log(lab, weir, logs):
    assert curl(lab, url=f"https://{VIP}/logged").startswith("t")
    wait_until("the line", lambda: any("/logged" in f[12] for f in lines(logs)), 10)
    fields = next(f for f in lines(logs) if "/logged" in f[12])
    assert fields[0] == "h2" and fields[12] == f"GET https://{VIP}:443/logged HTTP/2.0", fields


def test_reload_drains(lab, weir):
    """A listener that stays keeps its connections; a request under way is answered."""
    with Http2(lab.client, VIP, 444) as client:
        slow = client.begin("/slow/1")
        weir.reload()
        assert client.finish(slow)[0].body == b"slow\n"
        assert client.ask("/bytes/5").body == pattern(5)


@pytest.mark.parametrize("address", ["198.18.1.13", "[2001:db8:1::13]"], ids=["v4", "v6"])
def test_prior_knowledge(lab, weir, address):
    """HTTP/2 in the clear where it is enabled, beside HTTP/1.1."""
    ask = ["curl", "-sS", "-g", "-m", "10", "-o", "/dev/null", "-w", "%{http_code} %{http_version}"]
    url = f"http://{address}/"
    assert lab.client.run(*ask, "--http2-prior-knowledge", url).stdout == "200 2"
    assert lab.client.run(*ask, url).stdout == "200 1.1"


def test_many_in_the_clear(lab, weir):
    got = lab.client.run("h2load", "-n", "500", "-c", "5", "-m", "10", "http://198.18.1.13/").stdout
    assert "500 succeeded, 0 failed" in got, got


def test_no_prior_knowledge_unless_enabled(lab, weir):
    got = lab.client.try_run("curl", "-sS", "-m", "5", "--http2-prior-knowledge", f"http://{VIP}/")
    assert got.returncode != 0


@pytest.mark.parametrize("pieces", [(b"P", b"RI * HTTP/2.0\r\n\r\nSM\r\n", b"\r\n"), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",)])
def test_preface_in_pieces(lab, weir, pieces):
    """Each is waited for; SETTINGS answers the whole."""
    with socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        s.connect(("198.18.1.13", 80))
        for piece in pieces:
            s.sendall(piece)
            time.sleep(0.05)
        assert s.recv(9)[3] == 4


@pytest.mark.parametrize("text, status", [
    (b"PRI", b"400"), (b"PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
    (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b"200"), (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"505")])
def test_almost_a_preface(lab, weir, text, status):
    """What begins like it and is HTTP/1.1, or nothing."""
    with socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM) as s:
        s.settimeout(5)
        s.connect(("198.18.1.13", 80))
        s.sendall(text)
        s.shutdown(socket.SHUT_WR)
        assert s.recv(4096).split(b" ")[1] == status


def websocket(client, path="/upgrade"):
    return client.begin(end=False, pseudo=[(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"),
                                           (":authority", "shop.example"), (":path", path)],
                        headers=(("sec-websocket-version", "13"),))


def test_websocket(lab, weir):
    """RFC 8441: tunnels and requests side by side on one connection; each side may end first."""
    with Http2(lab.client, "198.18.1.13") as client:
        while client.h2.remote_settings.enable_connect_protocol != 1:
            assert client.receive()
        tunnels = [websocket(client) for _ in range(3)]
        for i, tunnel in enumerate(tunnels):
            while client.answers[tunnel].status == "":
                assert client.receive()
            assert client.answers[tunnel].status == "200"
            client.send(tunnel, b"%d" % i * 70000)
        assert client.ask("/bytes/1000").status == "200"
        for i, tunnel in enumerate(tunnels):
            while len(client.answers[tunnel].body) < 70000:
                assert client.receive()
            assert client.answers[tunnel].body == b"%d" % i * 70000
            client.h2.end_stream(tunnel)
            client.flush()
            assert client.finish(tunnel)[0].ended


def test_no_websocket_unless_enabled(lab, weir):
    with Http2(lab.client, VIP, 444) as client:
        stream = websocket(client)
        answer = client.finish(stream)[0]
        assert client.h2.remote_settings.enable_connect_protocol == 0
        assert answer.reset is not None or answer.status.startswith("4")
