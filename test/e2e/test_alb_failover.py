# SPDX-License-Identifier: BSD-3-Clause
"""Requests at a steady rate through an application load balancer while targets go, come and drain."""

import contextlib
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from http_client import Connection
from topology import PYTHON, ROOT, wait_until

LOAD = Path(os.environ.get("WEIR_BUILD", ROOT / "build")) / "test" / "perf" / "http_load"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10

    [listener shop:80]
    protocol = HTTP
    default_action = forward web

    [target_group web]
    protocol = HTTP
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    load_balancing.algorithm.type = {algorithm}
    deregistration_delay.timeout_seconds = 2
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80
"""


@contextlib.contextmanager
def load(lab, rate=200, seconds=6, path="/files/page", connections=20, new=False):
    """Requests meanwhile; the yielded dictionary has their result afterwards."""
    for target in lab.targets:
        (lab.directory / target.name / "files" / "page").write_bytes(b"x" * 5000)
    result = {}
    process = lab.client.start(str(LOAD), "198.18.1.10", "80", path, str(connections), str(rate), str(seconds),
                               *(["new"] if new else []), stdout=subprocess.PIPE, text=True)
    try:
        yield result
        result.update(json.loads(process.communicate(timeout=seconds + 20)[0]))
    finally:
        process.kill()


@pytest.fixture(params=["round_robin", "least_outstanding_requests", "weighted_random"])
def weir(request, start_weir):
    return start_weir(SERVICES.format(algorithm=request.param))


def test_target_dies_and_comes_back(lab, weir):
    """What may be sent again is answered by another target: no request fails."""
    target = lab.targets[1]
    with load(lab, seconds=8) as result:
        wait_until("traffic", lambda: requests_of(weir)["198.18.2.12:80"] > 50)
        target.stop("http")
        wait_until("two targets left", lambda: weir.target_states()["web 198.18.2.12:80"] == "unhealthy", 20)
        lab.serve_http(target)
    assert result["errors"] == 0 and result["requests"] > 1000
    wait_until("it is back", lambda: weir.target_states()["web 198.18.2.12:80"] == "healthy", 40)


def requests_of(weir):
    return {row["target"]: row.get("RequestCount") for row in weir.ask("target_health")["targets"]}


def test_reloads(lab, start_weir):
    weir = start_weir(SERVICES.format(algorithm="round_robin"))
    with load(lab, seconds=5) as result:
        for _ in range(8):
            weir.reload()
    assert result["errors"] == 0 and result["requests"] > 800


def test_target_is_deregistered(lab, start_weir):
    """Requests under way end, new ones go elsewhere, and the target's connections are given back."""
    weir = start_weir(SERVICES.format(algorithm="round_robin"))
    text = weir.config_path.read_text()
    with load(lab, seconds=6) as result:
        wait_until("traffic", lambda: requests_of(weir)["198.18.2.13:80"] > 50)
        weir.config_path.write_text(text.replace("    target = 198.18.2.13:80\n", "").replace(
            "target = 198.18.2.13:80\n", ""))
        weir.reload()
    assert result["errors"] == 0
    wait_until("it is gone", lambda: "198.18.2.13:80" not in requests_of(weir), 20)


def test_requests_are_spread_evenly(lab, start_weir):
    weir = start_weir(SERVICES.format(algorithm="round_robin"))
    with load(lab, rate=300, seconds=2) as result:
        pass
    counts = requests_of(weir).values()
    assert max(counts) - min(counts) <= 2 and sum(counts) >= result["requests"] > 500


@pytest.mark.parametrize("workers", [2, 3])
def test_several_workers(lab, start_weir, workers):
    """Clients are spread over workers; each answers on its own, over one queue."""
    weir = start_weir(SERVICES.format(algorithm="round_robin"),
                      dataplane=f"workers = {workers}\nlcores = 0@0,{','.join(f'{i + 1}@1' for i in range(workers))}\n"
                                "max_flows = 65536")
    with load(lab, seconds=3, new=True) as result:
        pass
    assert result["errors"] == 0 and result["requests"] > 400
    rows = weir.ask("lcores")["lcores"]
    assert len(rows) == workers and all(row["taken_over"] + row["handed_over"] > 0 for row in rows)
    with Connection(lab.client) as c:
        assert all(c.get("/").status == 200 for _ in range(10))


@pytest.fixture
def failing(lab):
    """Three targets on port 8081 of which one answers 500."""
    for target in lab.targets:
        status = 500 if target is lab.targets[2] else 200
        target.serve("fail", PYTHON, "-c", FAILING, "8081", str(status), ready=lambda t=target: t.is_listening(8081))
    yield
    for target in lab.targets:
        target.stop("fail")


FAILING = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        healthy = self.headers["User-Agent"] == "ELB-HealthChecker/2.0"
        self.send_response(200 if healthy else int(sys.argv[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
"""


def test_a_target_that_fails_gets_less(lab, start_weir, failing):
    """Automatic Target Weights: the one whose answers are errors is found, and mitigated."""
    weir = start_weir(SERVICES.format(algorithm="weighted_random").replace(":80\n", ":8081\n").replace(
        "[listener shop:8081", "[listener shop:80").replace(
        "    deregistration_delay", "    load_balancing.algorithm.anomaly_mitigation = on\n    deregistration_delay"))
    with load(lab, rate=100, seconds=14):
        wait_until("found and mitigated",
                   lambda: weir.ask("metrics", target_group="web")["MitigatedHostCount"] == 1, 12)
        before = requests_of(weir)
        time.sleep(4)
        after = requests_of(weir)
    got = {target: after[target] - before[target] for target in after}
    assert got["198.18.2.13:8081"] < got["198.18.2.11:8081"] / 3
    assert got["198.18.2.13:8081"] < got["198.18.2.12:8081"] / 3
