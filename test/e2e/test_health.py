# SPDX-License-Identifier: BSD-3-Clause
"""Targets that die and come back.  Checks are at ELB's fastest: every 5 s, 2 s timeout."""

import collections
import time

import pytest

from topology import wait_until

WEB = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [target_group web]
    protocol = TCP
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    health_check.unhealthy_threshold_count = 2
    health_check.healthy_threshold_count = 2
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80
"""

INTERVAL, TIMEOUT, THRESHOLD = 5, 2, 2


def state_of(weir, target: str) -> str:
    return weir.target_states("web")[f"web {target}:80"]


def reason_of(weir, target: str) -> str:
    rows = weir.ask("target_health", target_group="web")["targets"]
    return next(row["reason"] for row in rows if row["target"] == f"{target}:80")


def seconds_until(weir, target: str, state: str, at_most: float) -> float:
    begin = time.monotonic()
    wait_until(f"{target} {state}", lambda: state_of(weir, target) == state, at_most + 5)
    return time.monotonic() - begin


@pytest.mark.parametrize("how, reason, limit", [
    ("refuses", "Target.FailedHealthChecks", THRESHOLD * INTERVAL),
    ("silent", "Target.Timeout", THRESHOLD * INTERVAL + TIMEOUT)])
def test_dead_target_gets_no_new_flows_until_it_is_back(lab, start_weir, how, reason, limit):
    """In time, and without any failed connection to the other targets."""
    weir = start_weir(WEB)
    target = lab.targets[1]
    if how == "refuses":
        target.stop("http")
    else:
        lab.net.ip("link", "set", target.name, "down")
    try:
        assert seconds_until(weir, target.v4, "unhealthy", limit) <= limit * 1.1 + 0.5
        assert reason_of(weir, target.v4) in (reason, "Target.FailedHealthChecks")
        answers = collections.Counter(lab.http("http://198.18.1.10/", 100))
        assert set(answers) == {"t1", "t3"}
        assert min(answers.values()) >= 20
        metrics = weir.ask("metrics", target_group="web")
        assert (metrics["HealthyHostCount"], metrics["UnHealthyHostCount"]) == (2, 1)
    finally:
        if how == "refuses":
            lab.serve_http(target)
        else:
            lab.net.ip("link", "set", target.name, "up")
    limit = THRESHOLD * INTERVAL
    assert seconds_until(weir, target.v4, "healthy", limit) <= limit * 1.1 + 0.5
    assert set(lab.http("http://198.18.1.10/", 60)) == {"t1", "t2", "t3"}


def test_flows_of_other_targets_do_not_notice(lab, start_weir):
    """Long-lived connections to the other targets survive a death; a slow download goes on."""
    weir = start_weir(WEB)
    for target in lab.targets:
        (lab.directory / target.name / "files" / "slow").write_bytes(b"w" * 1_300_000)
    downloads = [lab.client.start("curl", "-sS", "-o", "/dev/null", "-w", "%{size_download} ",
                                  "--limit-rate", "100k", "http://198.18.1.10/files/slow", stdout=-1,
                                  stderr=-1, text=True)
                 for _ in range(12)]
    wait_until("flows", lambda: len(weir.ask("flows")["flows"]) >= 12)
    on_target = collections.Counter(flow["target"] for flow in weir.ask("flows")["flows"])
    victim = lab.targets[0]
    lab.net.ip("link", "set", victim.name, "down")
    try:
        seconds_until(weir, victim.v4, "unhealthy", 15)
    finally:
        lab.net.ip("link", "set", victim.name, "up")
    sizes = [process.communicate(timeout=60)[0] for process in downloads]
    complete = sum(size.strip() == "1300000" for size in sizes)
    assert complete >= 12 - on_target[f"{victim.v4}:80"]


def test_all_unhealthy_is_fail_open(lab, start_weir):
    """When no target passes its checks, all of them get new flows."""
    weir = start_weir(WEB + "    health_check.port = 81\n", healthy=False)
    wait_until("all unhealthy", lambda: set(weir.target_states().values()) == {"unhealthy"}, 20)
    assert weir.ask("target_groups")["target_groups"][0]["fail_open"] == "yes"
    assert set(lab.http("http://198.18.1.10/", 60)) == {"t1", "t2", "t3"}
    assert weir.ask("metrics", load_balancer="shop")["UnhealthyRoutingFlowCount"] == 60


def test_states_of_unused_and_unchecked_targets(lab, start_weir):
    weir = start_weir(WEB + """
    [target_group spare]
    protocol = TCP
    target = 198.18.2.11:80

    [listener shop:81]
    protocol = TCP
    default_action = forward unchecked

    [target_group unchecked]
    protocol = TCP
    health_check.enabled = false
    target_type = ip
    target = 198.18.2.12:80
""", healthy=False)
    wait_until("web healthy", lambda: set(weir.target_states("web").values()) == {"healthy"}, 10)
    assert weir.target_states("spare") == {"spare 198.18.2.11:80": "unused"}
    assert weir.target_states("unchecked") == {"unchecked 198.18.2.12:80": "unavailable"}
    assert lab.http("http://198.18.1.10:81/", 10) == ["t2"] * 10
