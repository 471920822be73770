# SPDX-License-Identifier: BSD-3-Clause
"""Addresses in several zones: whose targets they use, and when they are announced."""

import pytest

from topology import PYTHON, wait_until

CONFIG = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10 zone=zone-a
    address = 198.18.1.11 zone=zone-b
    load_balancing.cross_zone.enabled = {cross}

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    health_check.port = 8081
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    health_check.healthy_threshold_count = 2
    {more}
    target = 198.18.2.11:80
    target = 198.18.2.12:80 zone=zone-b
    target = 198.18.2.13:80 zone=zone-b
"""
A, B = "198.18.1.10", "198.18.1.11"


def start_health(target) -> None:
    target.serve("health", "sh", "-c", f"cd /run; exec {PYTHON} -m http.server --bind :: 8081 2>/dev/null",
                 ready=lambda: target.is_listening(8081))


@pytest.fixture
def health_servers(lab):
    for target in lab.targets:
        start_health(target)
    yield
    for target in lab.targets:
        if "health" in target.servers:
            target.stop("health")


def announced(weir) -> dict[str, int]:
    return {row["address"]: row["announced"] for row in weir.ask("addresses")["addresses"]}


def answers_arp(lab, address: str) -> bool:
    lab.client.try_run("ip", "neigh", "flush", "to", address)
    return lab.client.try_run("ping", "-c", "1", "-W", "1", address).returncode == 0


def test_both_ip_versions(lab, start_weir):
    """One load balancer with addresses of both, and a rule by version."""
    weir = start_weir("""
    [load_balancer shop]
    type = network
    address = 198.18.1.10
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [rule shop:80 10]
    condition.source_ip = ::/0
    action = forward web6

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::12]:80
    """)
    assert lab.http("http://198.18.1.10/", 5) == ["t1"] * 5
    assert lab.http("http://[2001:db8:1::10]/", 5) == ["t2"] * 5
    assert weir.ask("metrics", load_balancer="shop")["NewFlowCount"] == 10


def test_without_cross_zone(lab, start_weir, health_servers):
    weir = start_weir(CONFIG.format(cross="false", more=""))
    assert set(lab.http(f"http://{A}/", 20)) == {"t1"}
    assert set(lab.http(f"http://{B}/", 40)) == {"t2", "t3"}
    rows = weir.ask("addresses")["addresses"]
    assert [(r["zone"], r["ZonalHealthStatus"], r["announced"]) for r in rows] == [("zone-a", 1, 1), ("zone-b", 1, 1)]

    # One of two is enough, none is not: zone-b leaves, and who has its address in mind is still served.
    lab.targets[1].stop("health")
    wait_until("t2 unhealthy", lambda: weir.target_states()["web 198.18.2.12:80"] == "unhealthy", 15)
    assert announced(weir) == {A: 1, B: 1}
    assert set(lab.http(f"http://{B}/", 20)) == {"t3"}
    lab.targets[2].stop("health")
    wait_until("zone-b is left", lambda: announced(weir) == {A: 1, B: 0}, 15)
    assert set(lab.http(f"http://{B}/", 20)) == {"t2", "t3"}  # fails open within its zone
    assert answers_arp(lab, A) and not answers_arp(lab, B)
    metrics = lab.lb.run("curl", "-s", "http://127.0.0.1:9127/metrics").stdout
    assert f'elb_zonal_health_status{{address="{B}"}} 0' in metrics
    assert f'weir_address_announced{{address="{A}"}} 1' in metrics

    # No zone is well: all addresses are announced.
    lab.targets[0].stop("health")
    wait_until("fail open", lambda: announced(weir) == {A: 1, B: 1}, 30)
    assert answers_arp(lab, B)

    # zone-b comes back first: zone-a leaves until it is well for a while.
    start_health(lab.targets[1])
    wait_until("zone-a is left", lambda: announced(weir) == {A: 0, B: 1}, 20)
    start_health(lab.targets[0])
    wait_until("zone-a is back", lambda: announced(weir) == {A: 1, B: 1}, 30)
    assert answers_arp(lab, A)


def test_with_cross_zone(lab, start_weir, health_servers):
    """And the thresholds: routing fails open with fewer than two healthy ones."""
    weir = start_weir(CONFIG.format(
        cross="true",
        more="target_group_health.unhealthy_state_routing.minimum_healthy_targets.count = 2"))
    for address in (A, B):
        assert set(lab.http(f"http://{address}/", 60)) == {"t1", "t2", "t3"}
    lab.targets[1].stop("health")
    wait_until("t2 unhealthy", lambda: weir.target_states()["web 198.18.2.12:80"] == "unhealthy", 15)
    for address in (A, B):
        assert set(lab.http(f"http://{address}/", 40)) == {"t1", "t3"}
    assert weir.ask("metrics", load_balancer="shop")["UnhealthyRoutingFlowCount"] == 0
    lab.targets[2].stop("health")
    wait_until("t3 unhealthy", lambda: weir.target_states()["web 198.18.2.13:80"] == "unhealthy", 15)
    wait_until("fail open", lambda: weir.ask("target_groups")["target_groups"][0]["fail_open"] == "yes")
    for address in (A, B):
        assert set(lab.http(f"http://{address}/", 60)) == {"t1", "t2", "t3"}
    assert weir.ask("metrics", load_balancer="shop")["UnhealthyRoutingFlowCount"] == 120
    assert announced(weir) == {A: 1, B: 1}
