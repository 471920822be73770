# SPDX-License-Identifier: BSD-3-Clause
"""tools/weirctl: each command, what it says when something is wrong, who may use it."""

import json
import subprocess

import pytest

from topology import ROOT

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::11]:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    target = 198.18.2.12:5353
"""


def weirctl(weir, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "tools/weirctl", *arguments, "--instance", weir.instance], text=True,
                          capture_output=True, timeout=30)


@pytest.fixture(scope="module")
def weir(lab, start_module_weir):
    """One weir with a little traffic for all."""
    weir = start_module_weir(SERVICES)
    lab.udp("198.18.1.10", 53, 5)
    lab.http("http://198.18.1.10/", 5)
    return weir


@pytest.mark.parametrize("command, shows", [
    (["status"], ["shop", "web", "echo", "mbufs", "drops:"]),
    (["interfaces"], ["front", "net_af_packet0", "back"]),
    (["lcores"], ["worker", "received"]),
    (["load_balancers"], ["shop6", "2001:db8:1::10"]),
    (["listeners"], ["shop:80", "shop:53"]),
    (["listeners", "shop6"], ["shop6:80"]),
    (["targets"], ["198.18.2.12:5353", "healthy"]),
    (["targets", "web6"], ["[2001:db8:2::11]:80"]),
    (["flows"], ["198.18.1.2:", "198.18.2.12:5353"]),
    (["flows", "--listener", "shop:53", "--limit", "1"], ["UDP"]),
    (["drops", "--all"], ["not_a_flow", "tx_full"]),
    (["tcp"], ["segments_in", "retransmitted", "cookies_sent"]),
    (["neighbors"], ["198.18.2.11", "reachable"]),
    (["pools"], ["mbufs", "flows", "source_ports"]),
    (["metrics", "shop"], ["NewFlowCount", "ProcessedBytes"]),
    (["metrics", "web"], ["HealthyHostCount"]),
    (["reload"], ["revision"])], ids=lambda v: " ".join(v) if isinstance(v, list) else "")
def test_weirctl(lab, weir, command, shows):
    got = weirctl(weir, *command)
    assert got.returncode == 0, got.stderr
    for text in shows:
        assert text in got.stdout
    json.loads(weirctl(weir, *command, "--json").stdout)


def test_weirctl_says_what_is_wrong(weir):
    got = weirctl(weir, "metrics", "nothing")
    assert got.returncode == 1 and "configured" in got.stderr
    got = weirctl(weir, "flows", "--client", "nobody")
    assert got.returncode == 1 and "nobody" in got.stderr
    got = subprocess.run([ROOT / "tools/weirctl", "status", "--instance", "nobody"], text=True,
                         capture_output=True)
    assert got.returncode == 3
    assert "is weir running?" in got.stderr and "Traceback" not in got.stderr
    got = weirctl(weir, "no-such-command")
    assert got.returncode == 2


def test_weirctl_only_for_root(weir):
    got = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c",
                          f"import socket; socket.socket(socket.AF_UNIX).connect('{weir.control_socket}')"],
                         text=True, capture_output=True)
    assert "PermissionError" in got.stderr
