# SPDX-License-Identifier: BSD-3-Clause
"""HTTP and HTTPS listeners of a classic load balancer: real clients, real instances, and both cookies."""

import collections
import contextlib
import json
import os
import re
import resource
import select
import socket
import struct
import subprocess
import time
import urllib.parse

import pytest

from certificates import make_certificate
from http_client import Connection
from test_alb import serve_odd
from test_alb_log import lines
from topology import CLIENT_V4, CLIENT_V6, PYTHON, wait_until

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
WEB, ODD, TIMED, BROWSER, FOLLOWING, SECURE = 80, 81, 82, 83, 84, 443

SERVICES = """
    [load_balancer shop]
    type = classic
    address = 198.18.1.10
    address = 2001:db8:1::10
    idle_timeout.timeout_seconds = 3
    elb.http.desyncmitigationmode = {mode}
    access_logs.s3.enabled = true
    access_logs.s3.bucket = {bucket}
    health_check.target = TCP:80
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    connection_draining.enabled = true
    instance = 198.18.2.11
    instance = 198.18.2.12
    {third}

    [listener shop:80]
    protocol = HTTP
    instance_port = 80

    [listener shop:81]
    protocol = HTTP
    instance_port = 8081

    [listener shop:82]
    protocol = HTTP
    instance_port = 8081
    lb_cookie_stickiness = 60

    [listener shop:83]
    protocol = HTTP
    instance_port = 80
    lb_cookie_stickiness = session

    [listener shop:84]
    protocol = HTTP
    instance_port = 8081
    app_cookie_stickiness = app

    [listener shop:85]
    protocol = HTTP
    instance_protocol = HTTPS
    instance_port = 8443
    backend_public_key = {key}

    [listener shop:8080]
    protocol = TCP
    instance_port = 8081

    [listener shop:443]
    protocol = HTTPS
    instance_protocol = HTTP
    instance_port = 8081
    certificate = shop

    [load_balancer down]
    type = classic
    address = 198.18.1.11
    instance = 198.18.2.11
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2

    [listener down:80]
    protocol = HTTP
    instance_port = 9999

    [load_balancer zonal]
    type = classic
    address = 198.18.1.13 zone=zone-b
    instance = 198.18.2.11
    instance = 198.18.2.12 zone=zone-b
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2

    [listener zonal:80]
    protocol = HTTP
    instance_port = 80

    [listener zonal:85]
    protocol = HTTP
    instance_protocol = HTTPS
    instance_port = 8443
    backend_public_key = {wrong_key}

    [load_balancer across]
    type = classic
    address = 198.18.1.14 zone=zone-b
    load_balancing.cross_zone.enabled = true
    instance = 198.18.2.11
    instance = 198.18.2.12 zone=zone-b
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2

    [listener across:80]
    protocol = HTTP
    instance_port = 80

    [load_balancer few]
    type = classic
    address = 198.18.1.12
    instance = 198.18.2.11
    weir.instance_max_connections = 2
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2

    [listener few:80]
    protocol = HTTP
    instance_port = 8081

    {certificate}
"""

THIRD = "instance = 2001:db8:2::13"


def public_key(made):
    path = made.key.with_suffix(".pub")
    subprocess.run(["openssl", "pkey", "-in", made.key, "-pubout", "-out", path], check=True)
    return path


@pytest.fixture(scope="module")
def parts(lab, tmp_path_factory):
    serve_odd(lab, *lab.targets)
    directory = tmp_path_factory.mktemp("clb")
    made, other = (make_certificate(directory, name, f"{name}.example.com") for name in ("shop", "other"))
    for target in lab.targets:
        target.serve("tls", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8443", target.name,
                     str(made.certificate), str(made.key), ready=lambda t=target: t.is_listening(8443))
    return {"bucket": directory, "key": public_key(made), "wrong_key": public_key(other), "certificate": made.section().replace("\n", "\n    "), "third": THIRD,
            "mode": "defensive"}


@pytest.fixture(scope="module")
def weir(lab, parts, start_module_weir):
    weir = start_module_weir(SERVICES.format(**parts), healthy=False, dataplane="workers = 2\nlcores = 0@0,1@0,2@1\nmax_flows = 65536")
    wait_until("instances in service", lambda: all(
        state == "healthy" for name, state in weir.target_states().items() if not name.startswith("down")), 30)
    wait_until("one is out of service", lambda: all(
        state == "unhealthy" for name, state in weir.target_states().items() if name.startswith("down")), 30)
    return weir


def ask(lab, port=WEB, target="/", *headers, address=VIP, **more):
    with Connection(lab.client, (address, port)) as c:
        return c.get(target, *headers, **more)


def echo(lab, *headers, port=ODD, **more):
    got = json.loads(ask(lab, port, "/echo", *headers, **more).body)
    return {name.lower(): value for name, value in got["headers"]}


def cookies(answer):
    """Of its Set-Cookie fields: value and attributes by name."""
    found = {}
    for field in answer.all("set-cookie"):
        pair, *attributes = field.split("; ")
        name, value = pair.split("=", 1)
        found[name] = (value, attributes)
    return found


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
def test_curl(lab, weir, address):
    """Instances share requests, whatever their IP version and the client's."""
    answers = collections.Counter(
        lab.client.run("curl", "-sS", "-g", "-m", "5", f"http://{address}/").stdout.split()[0] for _ in range(24))
    assert set(answers) == {"t1", "t2", "t3"}


def test_headers(lab, weir):
    """What an instance is told, and nothing of an application load balancer's."""
    got = echo(lab, "X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: ftp", host="Shop.Example.com:81")
    assert got["x-forwarded-for"] == f"192.0.2.7, {CLIENT_V4}"
    assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("http", "81")
    assert got["host"] == "Shop.Example.com:81" and "x-amzn-trace-id" not in got
    assert echo(lab, address=VIP6)["x-forwarded-for"] == CLIENT_V6


def test_host_of_old_clients(lab, weir):
    for address, want in ((VIP, VIP), (VIP6, f"[{VIP6}]")):
        with Connection(lab.client, (address, ODD)) as c:
            c.send("GET /echo HTTP/1.0\r\n\r\n")
            assert ["Host", want] in json.loads(c.answer().body)["headers"]


def test_clients_without_versions(lab, weir):
    """HTTP/0.9: a body and no head; the instance is asked by HTTP/1.1."""
    with Connection(lab.client, (VIP, ODD)) as c:
        c.send("GET /bytes/100\r\n")
        got = b""
        while more := c.socket.recv(4096):
            got += more
    assert len(got) == 100


def test_methods(lab, weir):
    assert ask(lab, ODD, "/echo", method="A" * 127).status == 200
    answer = ask(lab, ODD, "/echo", method="A" * 128)
    assert answer.status == 405 and answer.header("server") is None


@pytest.mark.parametrize("request_", ["GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/2.7\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: a\r\nA: " + "a" * 17000 + "\r\n\r\n"],
                         ids=["NUL", "version", "no host", "HTTP/2", "long"])
def test_malformed(lab, weir, request_):
    """What is no request, or more than a head may be, gets 400 and no other status."""
    with Connection(lab.client, (VIP, WEB)) as c:
        c.send(request_)
        assert c.answer().status == 400


def test_nobody_in_service(lab, weir):
    """No instance is asked that has failed its checks."""
    assert ask(lab, 80, address="198.18.1.11").status == 503


def test_no_upgrade(lab, weir):
    """A WebSocket's request goes on as any other."""
    got = echo(lab, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
    assert "upgrade" not in got and "connection" not in got and got["sec-websocket-version"] == "13"


def test_https(lab, weir, parts):
    """HTTP/1.1 is all that is agreed on; the certificate comes whatever name is asked for."""
    done = lab.client.run("curl", "-sS", "--http2", "-v", "-m", "5", "--cacert", str(parts["bucket"] / "shop.pem"),
                          "--resolve", f"shop.example.com:443:{VIP}", "https://shop.example.com/echo")
    got = {name.lower(): value for name, value in json.loads(done.stdout)["headers"]}
    assert (got["x-forwarded-proto"], got["x-forwarded-port"]) == ("https", "443")
    assert "ALPN: server accepted http/1.1" in done.stderr or "ALPN, server accepted to use http/1.1" in done.stderr
    done = lab.client.run("openssl", "s_client", "-connect", f"{VIP}:443", "-servername", "other.example.com",
                          stdin=-3, check=False)
    assert "CN = shop.example.com" in done.stdout and "TLSv1.2" in done.stdout


def test_https_instances(lab, weir):
    """Of the right key, and of another one."""
    assert json.loads(ask(lab, 85, "/echo").body)["name"] in ("t1", "t2", "t3")
    assert ask(lab, 85, "/echo", address="198.18.1.13").status == 502


def test_zones(lab, weir):
    """Without cross-zone an address has the instances of its own zone."""
    assert {ask(lab, address="198.18.1.13").body.split()[0] for _ in range(10)} == {b"t2"}
    assert {ask(lab, address="198.18.1.14").body.split()[0] for _ in range(20)} == {b"t1", b"t2"}


def test_timed_cookie(lab, weir):
    first = ask(lab, TIMED, "/cookie")
    made = cookies(first)
    value, attributes = made["AWSELB"]
    assert attributes == ["Path=/", "Max-Age=60"]
    assert made["AWSELBCORS"] == (value, ["Path=/", "Max-Age=60", "SameSite=None", "Secure"])
    for name in ("AWSELB", "AWSELBCORS"):
        for _ in range(8):
            again = ask(lab, TIMED, "/cookie", f"Cookie: a=b; {name}={value}")
            assert again.body == first.body and "AWSELB" not in cookies(again)
    # It names the instance, whatever its port.
    assert ask(lab, BROWSER, "/", f"Cookie: AWSELB={value}").body.split()[0] == first.body


def test_browsers_cookie(lab, weir):
    assert cookies(ask(lab, BROWSER))["AWSELB"][1] == ["Path=/"]
    assert "AWSELB" not in cookies(ask(lab, WEB))


def test_forged_cookies(lab, weir):
    value = cookies(ask(lab, TIMED, "/cookie"))["AWSELB"][0]
    wrong = "B" if value[20] == "A" else "A"
    for forged in (value[:-1], value + "A", value[:20] + wrong + value[21:], "", "A" * 64):
        answer = ask(lab, TIMED, "/cookie", f"Cookie: AWSELB={forged}")
        assert answer.status == 200 and "AWSELB" in cookies(answer)
    # Of the right load balancer, but of the other kind.
    assert "AWSELB" not in cookies(ask(lab, FOLLOWING, "/cookie", f"Cookie: AWSELB={value}; app=1"))


def set_cookie(lab, text, *headers):
    return ask(lab, FOLLOWING, "/cookie/" + urllib.parse.quote(text, safe=""), *headers)


def test_application_cookie(lab, weir):
    assert "AWSELB" not in cookies(set_cookie(lab, "other=1"))
    first = set_cookie(lab, "app=1; Path=/a_b; HttpOnly; Secure; Max-Age=9; Priority=High; SameSite=Lax")
    value, attributes = cookies(first)["AWSELB"]
    assert attributes == ["Path=/a%5Fb", "HttpOnly", "Secure", "Max-Age=9", "SameSite=Lax"]
    assert "AWSELBCORS" not in cookies(first)
    for _ in range(8):
        assert set_cookie(lab, "other=1", f"Cookie: app=1; AWSELB={value}").body == first.body
    # Without the application's cookie the client isn't bound.
    bodies = {set_cookie(lab, "other=1", f"Cookie: AWSELB={value}").body for _ in range(30)}
    assert len(bodies) > 1


def test_metrics(lab, weir):
    def shop():
        return weir.ask("metrics", load_balancer="shop")

    before = shop()
    for status in (200, 404, 503):
        assert ask(lab, ODD, f"/status/{status}").status == status
    ask(lab, ODD, "/echo", method="A" * 128)
    after = shop()
    assert {name: after[name] - before[name] for name in (
        "RequestCount", "HTTPCode_Backend_2XX", "HTTPCode_Backend_4XX", "HTTPCode_Backend_5XX", "HTTPCode_ELB_4XX",
        "HTTPCode_ELB_5XX")} == {
            "RequestCount": 3, "HTTPCode_Backend_2XX": 1, "HTTPCode_Backend_4XX": 1, "HTTPCode_Backend_5XX": 1,
            "HTTPCode_ELB_4XX": 1, "HTTPCode_ELB_5XX": 0}
    assert after["HealthyHostCount"] == 3 and after["UnHealthyHostCount"] == 0
    assert after["Latency_samples"] - before["Latency_samples"] == 3


def grown(weir, name, what):
    """By what the metrics of a load balancer grow while what() happens."""
    before = weir.ask("metrics", load_balancer=name)
    what()
    after = weir.ask("metrics", load_balancer=name)
    return {key: after[key] - before[key] for key in after if isinstance(after[key], int)}


def test_metrics_of_the_load_balancers_own_answers(lab, weir):
    def ask_in_vain():
        assert ask(lab, 80, address="198.18.1.11").status == 503

    got = grown(weir, "down", ask_in_vain)
    assert (got["HTTPCode_ELB_5XX"], got["RequestCount"], got["Latency_samples"]) == (1, 0, 0)
    got = weir.ask("metrics", load_balancer="down")
    assert (got["HealthyHostCount"], got["UnHealthyHostCount"]) == (0, 1)

    def be_ambiguous():
        with Connection(lab.client, (VIP, ODD)) as c:
            c.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na")
            assert c.answer().status == 400

    got = grown(weir, "shop", be_ambiguous)
    assert (got["DesyncMitigationMode_NonCompliant_Request_Count"], got["HTTPCode_ELB_4XX"]) == (1, 1)

    def fall_silent():
        with Connection(lab.client, (VIP, ODD)) as c:
            c.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            assert c.answer().status == 408

    assert grown(weir, "shop", fall_silent)["HTTPCode_ELB_4XX"] == 1


def test_metrics_of_connections(lab, weir):
    got = grown(weir, "zonal", lambda: [ask(lab, address="198.18.1.13") for _ in range(3)])
    assert (got["RequestCount"], got["HTTPCode_Backend_2XX"], got["Latency_samples"]) == (3, 3, 3)
    assert got["EstimatedALBNewConnectionCount"] >= 3 and got["EstimatedProcessedBytes"] > 300
    assert got["BackendConnectionErrors"] == 0
    got = grown(weir, "zonal", lambda: ask(lab, 85, address="198.18.1.13"))
    assert got["BackendConnectionErrors"] > 0 and got["HTTPCode_ELB_5XX"] == 1
    got = grown(weir, "shop", lambda: [ask(lab, ODD, "/status/302"), ask(lab, 8080, "/bytes/10")])
    assert (got["HTTPCode_Backend_3XX"], got["RequestCount"]) == (1, 2)


def test_log(lab, weir, parts):
    """The 15 fields; sizes are those of bodies."""
    ask(lab, ODD, "/bytes/1000?log=1", "User-Agent: \"me\" and more", method="POST", body=b"x" * 77)
    row = wait_until("the line", lambda: next(
        (row for row in lines(parts["bucket"]) if len(row) > 11 and "log=1" in row[11]), None))
    assert len(row) == 15 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row[0])
    assert row[1] == "shop" and row[2].startswith(f"{CLIENT_V4}:") and row[3].endswith(":8081")
    assert all(re.fullmatch(r"\d+\.\d+", value) for value in row[4:7])
    assert row[7:] == ["200", "200", "77", "1000", "POST http://shop.example.com:81/bytes/1000?log=1 HTTP/1.1",
                       "\\x22me\\x22 and more", "-", "-"]


def test_log_of_connections(lab, weir, parts):
    """The same 15 fields of a TCP listener, in the same file."""
    ask(lab, 8080, "/bytes/1000")
    row = wait_until("the line", lambda: next((row for row in lines(parts["bucket"]) if row[11] == "- - - " and int(row[10]) > 1000), None))
    assert len(row) == 15 and row[1] == "shop" and row[3].endswith(":8081")
    assert all(re.fullmatch(r"\d+\.\d+", value) for value in row[4:7])
    assert row[7:9] == ["-", "-"] and int(row[9]) > 40 and int(row[10]) > 1000 and row[12:] == ["-", "-", "-"]


def test_client_leaves(lab, weir, parts):
    with Connection(lab.client, (VIP, ODD)) as c:
        c.send("GET /never?log=3 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until("it is under way", lambda: weir.pool("requests")["in_use"] == 1)
        reset_at_close(c)
    row = wait_until("the line", lambda: next(
        (row for row in lines(parts["bucket"]) if len(row) > 11 and "log=3" in row[11]), None))
    assert row[7:9] == ["-", "-"]


def reset_at_close(connection):
    """After FIN an answer would still be waited for."""
    connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def connections(lab, n):
    """Of clients of the load balancer whose instance takes two connections, one from each worker."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Connection(lab.client, ("198.18.1.12", 80))) for _ in range(n)]


def few(weir, name):
    return weir.ask("metrics", load_balancer="few")[name]


def test_surge_queue(lab, weir):
    """What an instance has no connection for waits, and is answered in the end."""
    with connections(lab, 12) as clients:
        for client in clients:
            client.send("GET /slow/0.1 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until("a surge", lambda: few(weir, "SurgeQueueLength") > 0, every=0.01)
        assert [client.answer().status for client in clients] == [200] * 12
    assert few(weir, "SurgeQueueLength") == 0 and few(weir, "SpilloverCount") == 0


def test_spillover(lab, weir):
    """Each worker lets 512 wait; whoever comes then gets 503."""
    with connections(lab, 1300) as clients:
        for client in clients:
            client.send("GET /slow/30 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until("spillover", lambda: few(weir, "SpilloverCount") >= 1300 - 1026)
        assert few(weir, "SurgeQueueLength") <= 1024
        answers = select.poll()
        for client in clients:
            answers.register(client.socket, select.POLLIN)
        ready = {fd for fd, _ in answers.poll(0)}
        answered = [client for client in clients if client.socket.fileno() in ready]
        assert len(answered) == few(weir, "SpilloverCount")
        assert {client.answer().status for client in answered} == {503}
        for i, client in enumerate(clients):
            reset_at_close(client)
            client.socket.close()
            if i % 64 == 63:
                time.sleep(0.005)  # a RST that finds the port's ring full isn't sent again
    wait_until("nobody waits", lambda: few(weir, "SurgeQueueLength") == 0)


def test_idle_timeout(lab, weir):
    with Connection(lab.client, (VIP, ODD)) as c:
        assert c.get("/never").status == 504


def test_instance_leaves(lab, weir):
    """Cookies of one that has left count for nothing; the client sticks to another one then."""
    def until_third(get):
        return wait_until("the third instance", lambda: (a := get()).body == b"t3" and a)

    timed = cookies(until_third(lambda: ask(lab, TIMED, "/cookie")))["AWSELB"][0]
    app = cookies(until_third(lambda: set_cookie(lab, "app=1; Path=/a")))["AWSELB"][0]
    text = weir.config_path.read_text()
    text = text.replace(THIRD, "").replace("= defensive", "= strictest").replace(
        "address = 198.18.1.12\ninstance = 198.18.2.11", "address = 198.18.1.12\ninstance = 198.18.2.12")
    weir.config_path.write_text(text)
    with Connection(lab.client, (VIP, TIMED)) as drained, Connection(lab.client, ("198.18.1.12", 80)) as closed:
        drained.send(f"GET /slow/1.5 HTTP/1.1\r\nHost: a\r\nCookie: AWSELB={timed}\r\n\r\n")
        closed.send("GET /slow/20 HTTP/1.1\r\nHost: a\r\n\r\n")
        wait_until("both under way", lambda: weir.pool("requests")["in_use"] == 2)
        weir.reload()
        assert closed.answer().status == 502 and drained.answer().status == 200
    answer = ask(lab, TIMED, "/cookie", f"Cookie: AWSELB={timed}")
    assert answer.status == 200 and answer.body != b"t3" and "AWSELB" in cookies(answer)
    answer = set_cookie(lab, "other=1", f"Cookie: app=1; AWSELB={app}")
    value, attributes = cookies(answer)["AWSELB"]
    assert attributes == ["Path=/"]
    for _ in range(8):
        # A browser sends the old one first, which has the application's longer path.
        again = set_cookie(lab, "other=1", f"Cookie: app=1; AWSELB={app}; AWSELB={value}")
        assert again.body == answer.body and "AWSELB" not in cookies(again)
    # The other thing that was changed.
    assert ask(lab, WEB, "/", "Content-Length: 0").status == 400
