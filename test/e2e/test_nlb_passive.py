# SPDX-License-Identifier: BSD-3-Clause
"""What clients' connections say about targets, and capacity units."""

import pytest

from topology import PYTHON, wait_until

CONFIG = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    health_check.port = 8081
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80
"""


@pytest.fixture
def health_servers(lab):
    for target in lab.targets:
        target.serve("health", "sh", "-c", f"cd /run; exec {PYTHON} -m http.server --bind :: 8081 2>/dev/null",
                     ready=lambda t=target: t.is_listening(8081))
    yield
    for target in lab.targets:
        target.stop("health")


@pytest.mark.parametrize("sticky", [False, True])
def test_refused_connections_count(lab, start_weir, health_servers, sticky):
    """The check of another port passes, every 30 s; connections are refused: unhealthy within seconds,
    but not with stickiness, as ELB."""
    weir = start_weir(CONFIG + ("    stickiness.enabled = true\n" if sticky else ""))
    target = lab.targets[1]
    target.stop("http")
    try:
        def is_unhealthy() -> bool:
            lab.http("http://198.18.1.10/", 40)
            return weir.target_states()["web 198.18.2.12:80"] == "unhealthy"

        if sticky:
            assert not any(is_unhealthy() for _ in range(5))
            return
        wait_until("unhealthy", is_unhealthy, 15)
        assert "" not in lab.http("http://198.18.1.10/", 60)
    finally:
        lab.serve_http(target)


def test_capacity_is_told(lab, start_weir):
    weir = start_weir(CONFIG.replace("    health_check.port = 8081\n", ""))
    lab.http("http://198.18.1.10/", 200)
    metrics = weir.ask("metrics", load_balancer="shop")
    assert metrics["ConsumedLCUs"] == "0.000"  # the first minute isn't over
    wait_until("units of a minute", lambda: weir.ask("metrics", load_balancer="shop")["ConsumedLCUs_TCP"] != "0.000", 70)
    metrics = weir.ask("metrics", load_balancer="shop")
    assert metrics["ConsumedLCUs"] == metrics["ConsumedLCUs_TCP"]
    assert 200 / 60 / 800 - 0.001 <= float(metrics["ConsumedLCUs"]) < 0.1
    assert metrics["ConsumedLCUs_UDP"] == "0.000"
    assert metrics["PeakPacketsPerSecond"] >= 100 and metrics["PeakBytesPerSecond"] >= 10000
