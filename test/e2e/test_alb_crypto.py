# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes on crypto lcores: real clients, and clients that leave in the middle of one."""

import socket
import ssl
import struct

import pytest

from certificates import make_certificate
from raw_port import socket_in
from topology import wait_until

VIP = "198.18.1.10"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    address = 2001:db8:1::10

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward web

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [target_group web]
    protocol = HTTP
    target = 198.18.2.11:80
"""
DATAPLANE = "workers = 2\ncrypto_workers = 1\nlcores = 0@0,1@1,2@1,3@0\nmax_flows = 65536"


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, tmp_path_factory):
    certificate = make_certificate(tmp_path_factory.mktemp("tls"), "shop", "shop.example")
    return start_module_weir(SERVICES + "\n" + certificate.section(), dataplane=DATAPLANE)


def steps(weir):
    return sum(row["steps"] for row in weir.ask("crypto_lcores")["crypto_lcores"])


def waiting(weir):
    return {row["name"]: row for row in weir.ask("pools")["pools"]}["handshakes"]["in_use"]


def connected(lab):
    s = socket_in(lab.client, socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(20)
    s.connect((VIP, 443))
    return s


def hello():
    """What a client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("version", ["--tlsv1.2 --tls-max 1.2", "--tlsv1.3"])
@pytest.mark.parametrize("address", [VIP, "[2001:db8:1::10]"], ids=["v4", "v6"])
@pytest.mark.parametrize("http", ["--http1.1", "--http2"])
def test_curl(lab, weir, address, version, http):
    before = steps(weir)
    done = lab.client.run("curl", "-skS", "-g", "-m", "10", http, *version.split(), "-w", "%{http_code} %{http_version}",
                          "-o", "/dev/null", f"https://{address}/")
    assert done.stdout == ("200 2" if http == "--http2" else "200 1.1")
    assert steps(weir) >= before + 2


def test_many_at_once(lab, weir):
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    before = steps(weir)
    for s in [connected(lab) for _ in range(100)]:
        with context.wrap_socket(s) as tls:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            assert tls.recv(65536).startswith(b"HTTP/1.1 200")
    assert steps(weir) >= before + 200


def test_byte_by_byte(lab, weir):
    """A step for whatever has come; nothing is lost between them."""
    s = connected(lab)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in hello():
        s.sendall(bytes([byte]))
    assert s.recv(1) == b"\x16"


def test_clients_that_leave(lab, weir):
    """FIN and RST while a step is away; everything is given back."""
    text = hello()
    before = weir.ask("metrics", load_balancer="shop")["ClientTLSNegotiationErrorCount"]
    for i in range(200):
        s = connected(lab)
        s.sendall(text)
        if i % 2:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.close()
    wait_until("all are counted", lambda: weir.ask("metrics", load_balancer="shop")[
        "ClientTLSNegotiationErrorCount"] == before + 200, 15)
    wait_until("nothing waits", lambda: waiting(weir) == 0)
    wait_until("all are given back", lambda: {r["name"]: r for r in weir.ask("pools")["pools"]}[
        "client_connections"]["in_use"] == 0, 15)


def test_garbage(lab, weir):
    for payload in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 64, b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"):
        s = connected(lab)
        s.sendall(payload)
        while s.recv(4096):
            pass


def test_reload_and_stop(lab, weir):
    """Connections go on; what is under way when weir stops is given back, which its end checks."""
    context = ssl._create_unverified_context()  # pylint: disable=protected-access
    with context.wrap_socket(connected(lab)) as tls:
        weir.reload()
        tls.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert tls.recv(65536).startswith(b"HTTP/1.1 200")
    text = hello()
    held = [connected(lab) for _ in range(50)]
    for s in held:
        s.sendall(text)
    weir.stop()
    assert "every packet buffer" in weir.log
