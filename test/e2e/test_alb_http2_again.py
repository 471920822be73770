# SPDX-License-Identifier: BSD-3-Clause
"""Requests that HTTP/2 targets have surely not processed are sent again, and a burst waits for one connection."""

import hashlib
import os

import pytest

from certificates import make_certificate
from http2_client import Http2
from topology import PYTHON

VIP = "198.18.1.10"
KINDS = ["goaway", "refuse", "slow", "few", "never", "cancel"]

HEAD = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
"""
EACH = """
    [listener shop:PORT]
    protocol = HTTPS
    certificate = shop
    default_action = forward KIND

    [target_group KIND]
    protocol = HTTP
    protocol_version = HTTP2
    health_check.enabled = false
    target = 198.18.2.11:PORT
"""
PORTS = {kind: 8101 + i for i, kind in enumerate(KINDS)}


@pytest.fixture
def weir(lab, start_weir, tmp_path):
    target = lab.targets[0]
    server = os.path.join(os.path.dirname(__file__), "http2_target.py")
    for kind, port in PORTS.items():
        target.serve(kind, PYTHON, server, str(port), target.name, kind, ready=lambda p=port: target.is_listening(p))
    yield start_weir(HEAD + "".join(EACH.replace("PORT", str(port)).replace("KIND", kind)
                                    for kind, port in PORTS.items()) +
                     "\n" + make_certificate(tmp_path, "shop", "shop.example").section(), healthy=False)
    for kind in PORTS:
        target.stop(kind)


def post_all(lab, kind, n, body=b""):
    """`n` requests at once, on one connection of the client's."""
    with Http2(lab.client, VIP, PORTS[kind]) as c:
        streams = [c.begin(f"/{i}", "POST", (("content-length", str(len(body))),), end=not body) for i in range(n)]
        for stream in streams if body else ():
            c.send(stream, body, end=True)
        return c.finish(*streams)


def counts(lab, kind):
    """Connections that carried requests, and answers of the target's."""
    with Http2(lab.client, VIP, PORTS[kind]) as c:
        return tuple(int(word) for word in c.ask("/count").body.split())


@pytest.mark.parametrize("size", [0, 3000], ids=["no body", "body"])
@pytest.mark.parametrize("kind", ["goaway", "refuse"])
def test_unprocessed(lab, weir, kind, size):
    """POST, of which the target has answered some and nothing of the rest: each is answered once."""
    body = os.urandom(size)
    digest = hashlib.sha256(body).hexdigest()
    answers = post_all(lab, kind, 8, body)
    assert [a.status for a in answers] == ["200"] * 8
    assert [a.body.decode() for a in answers] == [f"POST /{i} t1 {digest}" for i in range(8)]
    assert counts(lab, kind)[1] == 8
    assert weir.ask("metrics", load_balancer="shop")["HTTPCode_ELB_502_Count"] == 0


def test_processed_perhaps(lab, weir):
    """Not again: 502."""
    assert {a.status for a in post_all(lab, "cancel", 4)} == {"502"}
    assert counts(lab, "cancel")[0] == 1


def test_burst(lab, weir):
    """Those that come while the first connection is being made wait for it."""
    assert {a.status for a in post_all(lab, "slow", 90)} == {"200"}
    assert counts(lab, "slow") == (1, 90)


def test_burst_beyond_its_streams(lab, weir):
    """As many connections as the target's limit of streams asks for, once it is known."""
    assert {a.status for a in post_all(lab, "few", 25)} == {"200"}
    connections, answered = counts(lab, "few")
    assert answered == 25 and 2 <= connections <= 3


def test_no_settings(lab, weir):
    """Nothing was asked; those that wait fail with the connection and the next one."""
    assert {a.status for a in post_all(lab, "never", 20)} == {"502"}
