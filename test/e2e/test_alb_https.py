# SPDX-License-Identifier: BSD-3-Clause
"""HTTPS listeners: real clients choose certificates, protocols and ciphers, and send what is none of it."""

import hashlib
import json
import os
import re
import socket
import ssl
import time

import pytest

from certificates import make_certificate
from raw_port import socket_in
from test_alb_log import lines
from topology import PYTHON, wait_until

VIP = "198.18.1.10"
VIP6 = "2001:db8:1::10"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    access_logs.s3.enabled = true
    access_logs.s3.bucket = LOGS
    connection_logs.s3.enabled = true
    connection_logs.s3.bucket = LOGS

    [load_balancer shop6]
    type = application
    address = 2001:db8:1::10

    [listener shop:443]
    protocol = HTTPS
    certificate = shop-rsa
    certificate = shop-ec
    certificate = other
    certificate = wild
    default_action = forward web

    [load_balancer told]
    type = application
    address = 198.18.1.12
    routing.http.x_amzn_tls_version_and_cipher_suite.enabled = true

    [listener told:443]
    protocol = HTTPS
    certificate = shop-ec
    default_action = forward odd

    [listener told:444]
    protocol = HTTPS
    certificate = shop-ec
    routing.http.request.x_amzn_tls_version.header_name = X-Version
    routing.http.request.x_amzn_tls_cipher_suite.header_name = X-Suite
    default_action = forward odd

    [listener told:80]
    protocol = HTTP
    default_action = forward odd

    [target_group odd]
    protocol = HTTP
    health_check.port = 80
    target = 198.18.2.11:8083

    [listener shop6:443]
    protocol = HTTPS
    certificate = shop-ec
    default_action = forward web6

    [listener shop:8443]
    protocol = HTTPS
    certificate = shop-rsa
    certificate = shop-ec
    ssl_policy = ELBSecurityPolicy-TLS-1-2-2017-01
    default_action = fixed_response status=200 content_type=text/plain body="old"

    [listener shop:80]
    protocol = HTTP
    default_action = redirect protocol=HTTPS port=443 status=HTTP_301

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group web6]
    protocol = HTTP
    target = [2001:db8:2::11]:80
"""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("tls")
    return {c.name: c for c in [
        make_certificate(directory, "shop-rsa", "shop.example", key="rsa"),
        make_certificate(directory, "shop-ec", "shop.example"),
        make_certificate(directory, "other", "other.example"),
        make_certificate(directory, "wild", "*.wild.example")]}


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, certificates, logs):
    target = lab.targets[0]
    target.serve("odd", PYTHON, os.path.join(os.path.dirname(__file__), "http_target.py"), "8083", target.name,
                 ready=lambda: target.is_listening(8083))
    return start_module_weir(SERVICES.replace("LOGS", str(logs)) +
                             "".join("\n" + c.section() for c in certificates.values()))


def connected(lab, port=443, seconds=20):
    s = socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(seconds)
    s.connect((VIP, port))
    return s


def metric(weir, name):
    return weir.ask("metrics", load_balancer="shop")[name]


def curl(lab, *arguments, url=f"https://{VIP}/"):
    return lab.client.run("curl", "--http1.1", "-skS", "-g", "-m", "10", *arguments, url)


def s_client(lab, *arguments, port=443, text=""):
    done = lab.client.try_run("timeout", "10", "openssl", "s_client", "-connect", f"{VIP}:{port}", *arguments,
                              input=text, errors="replace")
    return done.stdout + done.stderr


@pytest.mark.parametrize("address", [VIP, f"[{VIP6}]"], ids=["v4", "v6"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_curl(lab, weir, address, version):
    got = curl(lab, f"--tlsv{version}", "--tls-max", version, "-i", url=f"https://{address}/")
    assert got.stdout.startswith("HTTP/1.1 200"), got.stdout


def test_keep_alive(lab, weir):
    """Many requests on one connection."""
    urls = [f"https://{VIP}/"] * 20
    got = lab.client.run("curl", "--http1.1", "-skS", "-m", "20", "-o", "/dev/null", "-w", "%{num_connects} %{http_code}\n", *urls).stdout
    assert got.splitlines()[-1] == "0 200", got


@pytest.mark.parametrize("sni, want", [
    ("shop.example", "shop.example"), ("other.example", "other.example"), ("a.wild.example", "*.wild.example"),
    ("a.b.wild.example", "shop.example"), ("unknown.example", "shop.example")])
def test_certificate_by_name(lab, weir, sni, want):
    got = s_client(lab, "-servername", sni)
    assert re.search(r"subject=CN = " + re.escape(want), got), got


@pytest.mark.parametrize("sigalgs, kind", [("ECDSA+SHA256:RSA-PSS+SHA256", "id-ecPublicKey"),
                                           ("RSA-PSS+SHA256", "rsaEncryption")])
def test_key_by_client(lab, weir, sigalgs, kind):
    """ECDSA for who can verify it."""
    got = s_client(lab, "-servername", "shop.example", "-sigalgs", sigalgs)
    assert kind in lab.client.run("openssl", "x509", "-noout", "-text", input=got).stdout


@pytest.mark.parametrize("port, option, works", [
    (443, "-tls1_3", True), (443, "-tls1_2", True), (443, "-tls1_1", False),
    (8443, "-tls1_3", False), (8443, "-tls1_2", True), (8443, "-tls1_1", False)])
def test_versions(lab, weir, port, option, works):
    got = s_client(lab, option, "-cipher", "ALL:@SECLEVEL=0", port=port)
    assert ("Cipher is (NONE)" not in got) == works, got


def test_forwarded_headers_and_redirect(lab, weir):
    assert curl(lab, "-o", "/dev/null", "-w", "%{redirect_url}", url=f"http://{VIP}/a?b").stdout == f"https://{VIP}:443/a?b"
    echo = curl(lab, url=f"https://{VIP}/").stdout
    assert echo


@pytest.mark.parametrize("offered, agreed", [("h2,http/1.1", "h2"), ("http/1.1,h2", "h2"), ("http/1.1", "http/1.1")])
def test_alpn(lab, weir, offered, agreed):
    assert f"ALPN protocol: {agreed}\n" in s_client(lab, "-alpn", offered)


def raw(lab, payload, port=443, seconds=5):
    """What comes back on a plain connection, and whether it was closed."""
    with connected(lab, port, seconds) as s:
        s.sendall(payload)
        got = b""
        try:
            while data := s.recv(4096):
                got += data
            return got, True
        except ConnectionResetError:
            return got, True
        except socket.timeout:
            return got, False


def test_garbage(lab, weir):
    """What is no TLS ends with its connection, and is counted; others don't notice."""
    before = metric(weir, "ClientTLSNegotiationErrorCount")
    payloads = [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 64, b"\x16\x03\x01\xff\xff" + b"x" * 100,
                b"\x80\x2e\x01\x00\x02" + b"\x00" * 40, b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"]
    for payload in payloads:
        got, closed = raw(lab, payload)
        assert closed, payload
    wait_until("they are counted",
               lambda: metric(weir, "ClientTLSNegotiationErrorCount") == before + len(payloads))
    assert curl(lab).returncode == 0


def test_silent_client(lab, weir):
    """A handshake that never comes is given up."""
    begun = time.monotonic()
    _, closed = raw(lab, b"\x16\x03\x01", seconds=25)
    assert closed and time.monotonic() - begun < 20


def test_many_at_once(lab, weir):
    """Handshakes wait for their turn, and all come to it."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    waiting = []
    for _ in range(60):
        s = connected(lab)
        waiting.append(s)
    for s in waiting:
        with context.wrap_socket(s) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            got = b""
            while data := tls.recv(65536):
                got += data
            assert got.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_resumption(lab, weir, version):
    """A session is resumed by whichever worker, also behind a reload, and by no other listener."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = version

    def ask(port, session):
        with context.wrap_socket(connected(lab, port), server_hostname="shop.example", session=session) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert tls.recv(65536).startswith(b"HTTP/1.1 200")
            return tls.session, tls.session_reused
    session, reused = ask(443, None)
    assert not reused
    assert all(ask(443, session)[1] for _ in range(8))
    weir.reload()
    assert all(ask(443, session)[1] for _ in range(8))
    newest = session
    for _ in range(4):
        newest, reused = ask(443, newest)
        assert reused
    if version == ssl.TLSVersion.TLSv1_2:
        assert not ask(8443, session)[1]


def test_new_certificate_by_reload(lab, weir, certificates, tmp_path):
    """Files are read again; a connection that lives goes on."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    old = certificates["other"]
    before = old.certificate.read_bytes(), old.key.read_bytes()
    s = connected(lab)
    with context.wrap_socket(s, server_hostname="other.example") as tls:
        first = hashlib.sha256(tls.getpeercert(True)).hexdigest()
        make_certificate(old.certificate.parent, "other", "other.example")
        weir.reload()
        tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200")
    s = connected(lab)
    with context.wrap_socket(s, server_hostname="other.example") as tls:
        assert hashlib.sha256(tls.getpeercert(True)).hexdigest() != first
    # A key that isn't its certificate's changes nothing.
    old.key.write_bytes(before[1])
    weir.reload()
    assert "doesn't belong" in weir.log
    assert curl(lab).returncode == 0


def test_logs(lab, weir, logs):
    curl(lab, "--resolve", f"shop.example:443:{VIP}", url="https://shop.example/logged")
    wait_until("the line", lambda: any("/logged" in f[12] for f in lines(logs)), 10)
    fields = next(f for f in lines(logs) if "/logged" in f[12])
    assert fields[0] == "https" and fields[12] == "GET https://shop.example:443/logged HTTP/1.1"
    assert fields[14:16] == ["TLS_AES_128_GCM_SHA256", "TLSv1.3"], fields
    assert fields[18:20] == ["shop.example", "shop-ec"], fields
    wait_until("the connection's", lambda: lines(logs, "conn_log.*"), 10)
    connection = lines(logs, "conn_log.*")[-1]
    assert connection[4:6] == ["TLSv1.3", "TLS_AES_128_GCM_SHA256"] and float(connection[6]) > 0, connection


def told(lab, url, *arguments):
    done = lab.client.run("curl", "-skS", "-m", "10", *arguments, url + "/echo")
    pairs = [(k.lower(), v) for k, v in json.loads(done.stdout)["headers"]]
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_targets_are_told_of_tls(lab, weir, http):
    """By the listener's names; what a client says under these names is no one's."""
    lies = ("-H", "X-Amzn-Tls-Version: lie", "-H", "X-Version: lie", "-H", "x-amzn-mtls-clientcert: lie")
    got = told(lab, "https://198.18.1.12", http, *lies)
    assert (got["x-amzn-tls-version"], got["x-amzn-tls-cipher-suite"]) == ("TLSv1.3", "TLS_AES_128_GCM_SHA256")
    assert "x-amzn-mtls-clientcert" not in got
    got = told(lab, "https://198.18.1.12:444", http, "--tls-max", "1.2", *lies)
    assert (got["x-version"], got["x-suite"]) == ("TLSv1.2", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "x-amzn-tls-version" not in got
    got = told(lab, "http://198.18.1.12", *lies)
    assert "x-amzn-tls-version" not in got and "x-amzn-tls-cipher-suite" not in got
