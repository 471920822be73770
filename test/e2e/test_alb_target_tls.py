# SPDX-License-Identifier: BSD-3-Clause
"""TLS to targets: real servers with it, without it, and with less of it than HTTP needs."""

import hashlib
import json
import os
import re
import socket
import ssl

import pytest

from certificates import make_certificate
from http_client import Connection
from http2_client import Http2
from http_target import pattern
from raw_port import socket_in
from test_alb_log import lines
from tls_server import serve_tls
from topology import PYTHON, wait_until

VIP = "198.18.1.10"
VIP6 = "2001:db8:1::10"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    address = 2001:db8:1::10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = LOGS

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [listener shop:81]
    protocol = HTTP
    default_action = forward web6

    [listener shop:82]
    protocol = HTTP
    default_action = forward old

    [listener shop:83]
    protocol = HTTP
    default_action = forward plain

    [listener shop:84]
    protocol = HTTP
    default_action = forward mute

    [listener shop:85]
    protocol = HTTP
    default_action = forward silent

    [listener shop:86]
    protocol = HTTP
    default_action = forward either

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward odd

    [listener shop:444]
    protocol = HTTPS
    certificate = shop
    default_action = forward h2

    [listener shop:445]
    protocol = HTTPS
    certificate = shop
    default_action = forward no-h2

    [target_group web]
    protocol = HTTPS
    health_check.interval_seconds = 5
    target = 198.18.2.11:443

    [target_group web6]
    protocol = HTTPS
    target = [2001:db8:2::11]:443

    [target_group old]
    protocol = HTTPS
    target = 198.18.2.11:442

    [target_group plain]
    protocol = HTTPS
    health_check.port = 443
    target = 198.18.2.11:80

    [target_group mute]
    protocol = HTTPS
    health_check.port = 443
    target = 198.18.2.11:8090

    [target_group silent]
    protocol = HTTPS
    health_check.port = 443
    target = 198.18.2.11:8091

    [target_group either]
    protocol = HTTP
    health_check.port = 80
    health_check.protocol = HTTP
    target = 198.18.2.11:8092

    [target_group odd]
    protocol = HTTPS
    health_check.port = 443
    target = 198.18.2.11:8443

    [target_group h2]
    protocol = HTTPS
    protocol_version = HTTP2
    target = 198.18.2.12:8444

    [target_group no-h2]
    protocol = HTTPS
    protocol_version = HTTP2
    health_check.port = 8444
    target = 198.18.2.12:443
"""
# Ends in the middle of a handshake.
MUTE = """
import socket
s = socket.create_server(("", 8090))
while True:
    c, _ = s.accept()
    c.recv(4096)
    c.close()
"""
# Takes connections and says nothing.
SILENT = """
import socket, time
s = socket.create_server(("", 8091))
time.sleep(1000)
"""
# Answers in the clear or over TLS, as its client begins.
EITHER = """
import socket, ssl, sys, threading
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(sys.argv[1], sys.argv[2])

def serve(c):
    tls = c.recv(1, socket.MSG_PEEK) == b"\\x16"
    if tls:
        c = context.wrap_socket(c, server_side=True)
    while c.recv(65536):
        c.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\n" + (b"tls  " if tls else b"plain"))

s = socket.create_server(("", 8092))
while True:
    threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "shop", "shop.example")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, certificate, logs):
    first, second = lab.targets[:2]
    serve_tls(lab, first, certificate)
    files = serve_tls(lab, second, certificate)
    first.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8443", first.name,
                str(certificate.certificate), str(certificate.key), ready=lambda: first.is_listening(8443))
    (files / "index.html").write_text("by nghttpd\n")
    first.serve("silent", PYTHON, "-c", SILENT, ready=lambda: first.is_listening(8091))
    first.serve("either", PYTHON, "-c", EITHER, str(certificate.certificate), str(certificate.key),
                ready=lambda: first.is_listening(8092))
    first.serve("mute", PYTHON, "-c", MUTE, ready=lambda: first.is_listening(8090))
    second.serve("nghttpd", "nghttpd", "-d", str(files), "8444", str(certificate.key),
                 str(certificate.certificate), ready=lambda: second.is_listening(8444))
    return start_module_weir(SERVICES.replace("LOGS", str(logs)) + "\n" + certificate.section())


def ask(lab, port, path="/", address=VIP):
    return lab.client.run("curl", "-sS", "-g", "-m", "10", "-w", "|%{http_code}", f"http://{address}:{port}{path}").stdout


def target_metric(weir, group, name):
    return sum(row[name] for row in weir.ask("target_health", target_group=group)["targets"])


@pytest.mark.parametrize("port, protocol", [(80, "TLSv1.3"), (81, "TLSv1.3"), (82, "TLSv1.2")],
                         ids=["v4", "v6", "TLS 1.2"])
@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["from v4", "from v6"])
def test_answers(lab, weir, address, port, protocol):
    assert ask(lab, port, address=address).startswith(protocol)


def test_connections_are_kept_and_sessions_resumed(lab, weir):
    """This target ends each connection behind its third request; the next begins with what the last left."""
    said = []
    with Connection(lab.client, (VIP, 82)) as c:
        for _ in range(12):
            said.append(c.get("/").body.decode().split())
    assert {n for _, _, n in said} == {"1", "2", "3"}
    begun = [reused for _, reused, n in said if n == "1"]
    assert len(begun) >= 3 and all(reused == "r" for reused in begun[1:]), said


def test_big_bodies(lab, weir):
    got = lab.client.run("sh", "-c", f"curl -sS -m 20 http://{VIP}:80/files/big | sha256sum").stdout
    assert got.split()[0] == hashlib.sha256(pattern(5_000_000)).hexdigest()
    body = "x" * 3_000_000
    echo = json.loads(lab.client.run("curl", "-sSk", "--http1.1", "-m", "20", "--data-binary", "@-", f"https://{VIP}/echo",
                                     input=body).stdout)
    assert echo["length"] == len(body)


def test_upgrade_through_tls_on_both_sides(lab, weir):
    plain = socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM)
    plain.settimeout(10)
    plain.connect((VIP, 443))
    with ssl._create_unverified_context().wrap_socket(plain) as s:
        s.sendall(b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            head += s.recv(4096)
        assert head.startswith(b"HTTP/1.1 101")
        for size in (1, 1000, 200_000):
            s.sendall(pattern(size))
            got = b""
            while len(got) < size:
                got += s.recv(65536)
            assert got == pattern(size)


@pytest.mark.parametrize("group, port", [("plain", 83), ("mute", 84)])
def test_no_tls_there(lab, weir, logs, group, port):
    """502, counted at the target, with its reason in the log."""
    before = target_metric(weir, group, "TargetTLSNegotiationErrorCount")
    assert ask(lab, port, f"/no-{group}").endswith("|502")
    wait_until("it is counted", lambda: target_metric(weir, group, "TargetTLSNegotiationErrorCount") > before)
    wait_until("the line", lambda: any(f"/no-{group}" in f[12] for f in lines(logs)), 10)
    assert next(f for f in lines(logs) if f"/no-{group}" in f[12])[24] == "TargetTlsNegotiationFailed"


def test_a_handshake_that_takes_too_long(lab, weir, logs):
    assert lab.client.run("curl", "-sS", "-m", "20", "-w", "|%{http_code}", f"http://{VIP}:85/silent").stdout.endswith("|504")
    wait_until("the line", lambda: any("/silent" in f[12] for f in lines(logs)), 10)
    assert next(f for f in lines(logs) if "/silent" in f[12])[24] == "TargetTlsNegotiationTimeout"
    assert target_metric(weir, "silent", "TargetTLSNegotiationErrorCount") > 0


def test_a_group_that_turns_to_tls(lab, weir):
    """Connections in the clear that are kept carry no request once TLS is wanted."""
    text = weir.config_path.read_text()
    with Connection(lab.client, (VIP, 86)) as c:
        assert c.get("/").body == b"plain"
        weir.config_path.write_text(re.sub(r"(group either]\s+protocol = HTTP)\b", r"\1S", text))
        weir.reload()
        assert [c.get("/").body for _ in range(3)] == [b"tls  "] * 3
        weir.config_path.write_text(text)
        weir.reload()
        assert [c.get("/").body for _ in range(3)] == [b"plain"] * 3


def test_sessions_outlive_a_reload(lab, weir):
    said = []
    for _ in range(4):
        with Connection(lab.client, (VIP, 82)) as c:
            said += [c.get("/").body.decode().split() for _ in range(3)]
        weir.reload()
    assert [reused for _, reused, n in said if n == "1"][1:] == ["r"] * (len([1 for *_, n in said if n == "1"]) - 1), said


def test_http2_to_targets(lab, weir):
    """By ALPN; one that doesn't agree on it has failed."""
    with Http2(lab.client, VIP, 444) as client:
        answers = client.finish(*[client.begin("/index.html") for _ in range(20)])
        assert all(a.status == "200" and a.body == b"by nghttpd\n" for a in answers)
    with Http2(lab.client, VIP, 445) as client:
        assert client.ask("/").status == "502"


def test_health_checks(lab, weir):
    """By HTTPS: HTTP/1.1 and HTTP/2; a target whose TLS ends is found out."""
    states = {g: [t["state"] for t in weir.ask("target_health", target_group=g)["targets"]] for g in ("web", "web6", "old", "h2")}
    assert all(s == ["healthy"] for s in states.values()), states
    lab.targets[0].stop("nginx-tls")
    wait_until("it is unhealthy", lambda: weir.ask("target_health", target_group="web")["targets"][0]["state"] == "unhealthy", 25)
