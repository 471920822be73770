# SPDX-License-Identifier: BSD-3-Clause
"""HTTP/2 to targets: gRPC of all kinds, nghttpd, and requests of a version that targets don't speak."""

import json
import os

import pytest

from certificates import make_certificate
from http2_client import Http2
from test_alb_log import lines
from topology import PYTHON, wait_until

VIP = "198.18.1.10"
VIP6 = "2001:db8:1::10"
PEER = os.path.join(os.path.dirname(__file__), "grpc_peer.py")
GRPC, HTTP2 = 50051, 8085

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    idle_timeout.timeout_seconds = 5
    access_logs.s3.enabled = true
    access_logs.s3.bucket = LOGS

    [load_balancer shop6]
    type = application
    address = 2001:db8:1::10

    [listener shop:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward calls

    [rule shop:443 10]
    condition.path_pattern = /weir.Other/*
    action = forward nobody

    [rule shop:443 20]
    condition.path_pattern = /other.Package/*
    action = fixed_response status=404

    [listener shop6:443]
    protocol = HTTPS
    certificate = shop
    default_action = forward calls6

    [listener shop:444]
    protocol = HTTPS
    certificate = shop
    default_action = forward pages

    [listener shop:445]
    protocol = HTTPS
    certificate = shop
    default_action = forward old

    [target_group calls]
    protocol = HTTP
    protocol_version = GRPC
    health_check.interval_seconds = 5
    target = 198.18.2.11:50051
    target = 198.18.2.12:50051

    [target_group calls6]
    protocol = HTTP
    protocol_version = GRPC
    target = [2001:db8:2::11]:50051

    [target_group nobody]
    protocol = HTTP
    protocol_version = GRPC

    [target_group pages]
    protocol = HTTP
    protocol_version = HTTP2
    health_check.path = /files/small
    target = 198.18.2.11:8085

    [target_group old]
    protocol = HTTP
    target = 198.18.2.11:80
"""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    return make_certificate(tmp_path_factory.mktemp("tls"), "shop", "shop.example")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def weir(lab, start_module_weir, certificate, logs):
    for target in lab.targets[:2]:
        target.serve("grpc", PYTHON, PEER, "serve", str(GRPC), target.name, ready=lambda t=target: t.is_listening(GRPC))
    target = lab.targets[0]
    files = lab.directory / target.name / "files"
    (files / "small").write_bytes(b"small\n")
    (files / "large").write_bytes(os.urandom(3_000_000))
    target.serve("nghttpd", "nghttpd", "--no-tls", "-d", str(files.parent), "--echo-upload", str(HTTP2),
                 ready=lambda: target.is_listening(HTTP2))
    return start_module_weir(SERVICES.replace("LOGS", str(logs)) + "\n" + certificate.section())


def call(lab, certificate, kind, *messages, address=f"{VIP}:443"):
    return json.loads(lab.client.run(PYTHON, PEER, "ask", address, str(certificate.certificate), kind, *messages).stdout)


@pytest.mark.parametrize("address", [f"{VIP}:443", f"[{VIP6}]:443"], ids=["v4", "v6"])
@pytest.mark.parametrize("kind, messages, answers", [
    ("Unary", ["a"], ["a"]), ("Count", ["100"], [str(i) for i in range(100)]), ("Join", ["a", "b", "c"], ["a+b+c"]),
    ("Chat", ["a", "b", "c"], ["a", "b", "c"]), ("Unary", ["x" * 100000], ["x" * 100000])],
    ids=["unary", "server streaming", "client streaming", "both", "long"])
def test_calls(lab, weir, certificate, address, kind, messages, answers):
    got = call(lab, certificate, kind, *messages, address=address)
    assert got["code"] == "OK", got
    name = got["trailers"]["x-served"]
    assert got["answers"] == [f"{name} {answer}" for answer in answers]


def test_status_of_the_server(lab, weir, certificate):
    got = call(lab, certificate, "Fail", "a")
    assert got["code"] == "RESOURCE_EXHAUSTED" and got["details"] == "as asked: 50 %" and got["trailers"]["x-served"]


def test_status_of_weir(lab, weir, certificate):
    """No targets: 503 for HTTP, UNAVAILABLE for gRPC."""
    with Http2(lab.client, VIP) as client:
        answer = client.ask("/weir.Other/Call", "POST", (("content-type", "application/grpc"), ("te", "trailers")), b"\0" * 5)
        assert answer.status == "503" and answer.headers["grpc-status"] == "14" and answer.body == b"", answer
        answer = client.ask("/weir.Other/Call", "POST", (("content-type", "text/plain"),), b"x")
        assert answer.status == "503" and "grpc-status" not in answer.headers and answer.body


@pytest.mark.parametrize("port, method, content_type, status", [
    (443, "GET", None, "464"), (443, "POST", "text/plain", "200"), (445, "POST", "application/grpc", "464"),
    (445, "POST", "application/grpc+proto", "464"), (445, "GET", None, "200")],
    ids=["get to gRPC", "post to gRPC", "gRPC to HTTP/1", "gRPC+proto to HTTP/1", "get to HTTP/1"])
def test_versions(lab, weir, port, method, content_type, status):
    with Http2(lab.client, VIP, port) as client:
        headers = (("content-type", content_type),) if content_type else ()
        answer = client.ask("/weir.Echo/Unary", method, headers)
        assert answer.status == status or (status == "200" and answer.status in ("200", "415")), answer


@pytest.mark.parametrize("port", [443, 444])
def test_http1_to_http2_targets(lab, weir, port):
    got = lab.client.run("curl", "-sk", "--http1.1", "-o", "/dev/null", "-w", "%{http_code}", f"https://{VIP}:{port}/files/small")
    assert got.stdout == "464"


def test_pages(lab, weir):
    """nghttpd behind it: small and large answers, uploads, many side by side."""
    want = (lab.directory / lab.targets[0].name / "files" / "large").read_bytes()
    with Http2(lab.client, VIP, 444) as client:
        streams = [client.begin("/files/small") for _ in range(100)]
        assert all(a.status == "200" and a.body == b"small\n" for a in client.finish(*streams))
        assert client.ask("/files/large").body == want
        assert client.ask("/files/none").status == "404"
        body = os.urandom(1_000_000)
        assert client.ask("/files/small", "POST", body=body).body == body
        assert client.ask("/files/large", "HEAD").headers["content-length"] == str(len(want))


def test_many_requests(lab, weir):
    got = lab.client.run("h2load", "-n", "5000", "-c", "10", "-m", "32", f"https://{VIP}:444/files/small").stdout
    assert "5000 succeeded, 0 failed" in got, got


def test_few_connections_to_targets(lab, weir):
    """Streams share connections: where one is, requests side by side make no other."""
    with Http2(lab.client, VIP, 444) as client:
        assert client.ask("/files/small").status == "200"
    before = weir.pool("idle_target_connections")["in_use"]
    lab.client.run("h2load", "-n", "1000", "-c", "4", "-m", "10", f"https://{VIP}:444/files/small")
    assert 1 <= weir.pool("idle_target_connections")["in_use"] <= before


def test_target_dies(lab, weir, certificate):
    """Streams under way fail each for itself; the next calls reach another server."""
    lab.targets[1].stop("grpc")
    try:
        for _ in range(6):
            got = call(lab, certificate, "Unary", "a")
            assert got["code"] in ("OK", "UNAVAILABLE")
        wait_until("its health says so", lambda: list(weir.target_states("calls").values()).count("healthy") == 1, 30)
        assert call(lab, certificate, "Unary", "a")["answers"] == ["t1 a"]
    finally:
        target = lab.targets[1]
        target.serve("grpc", PYTHON, PEER, "serve", str(GRPC), target.name, ready=lambda: target.is_listening(GRPC))


def test_log_and_metrics(lab, weir, certificate, logs):
    call(lab, certificate, "Unary", "logged")
    wait_until("the line", lambda: any(f[0] == "grpcs" for f in lines(logs)), 10)
    fields = next(f for f in lines(logs) if f[0] == "grpcs")
    assert fields[12].endswith("/weir.Echo/Unary HTTP/2.0") or "/weir." in fields[12], fields
    assert weir.ask("metrics", load_balancer="shop")["GrpcRequestCount"] > 0
