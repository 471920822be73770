# SPDX-License-Identifier: BSD-3-Clause
"""Security groups of a network load balancer, with real clients."""

import subprocess

import pytest

from topology import PYTHON, wait_until

CONFIG = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10
    security_group = web

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10
    security_group = web

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:5353]
    protocol = UDP
    default_action = forward echo

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group web]
    protocol = TCP
    health_check.interval_seconds = 5
    health_check.timeout_seconds = 2
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    preserve_client_ip.enabled = false
    target = 198.18.2.11:5353

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::11]:80

    [security_group web]
"""

HOLD = """
import socket, sys
s = socket.create_connection(("198.18.1.10", 80), 5)
print("open", flush=True)
sys.stdin.readline()
s.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
print(s.recv(100).decode().split("\\r\\n")[0], flush=True)
"""


def pings(lab, address: str) -> bool:
    return lab.client.try_run("ping", "-c", "1", "-W", "1", address).returncode == 0


def blocked(weir, lb: str = "shop") -> dict[str, int]:
    prefix = "SecurityGroupBlockedFlowCount_"
    return {k.removeprefix(prefix): v for k, v in weir.ask("metrics", load_balancer=lb).items()
            if k.startswith(prefix) and v}


@pytest.mark.parametrize("workers", [1, 2])
def test_inbound(lab, start_weir, workers):
    dataplane = "max_flows = 65536\nworkers = 1" if workers == 1 else "max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@1"
    weir = start_weir(CONFIG + "    inbound = tcp 80 198.18.1.0/24\n", dataplane=dataplane)
    assert set(lab.http("http://198.18.1.10/", 20)) == {"t1", "t2"}
    assert blocked(weir) == {}
    assert lab.udp("198.18.1.10", 5353) == [""]
    assert not pings(lab, "198.18.1.10")
    assert lab.client.try_run("curl", "-s", "-m", "2", "http://[2001:db8:1::10]/").returncode == 28  # no RST
    counts = blocked(weir)
    assert counts["Inbound_UDP"] >= 1 and counts["Inbound_ICMP"] == 1
    assert blocked(weir, "shop6")["Inbound_TCP"] >= 1
    assert weir.drops()["security_group"] >= 3
    assert weir.ask("metrics", load_balancer="shop")["RejectedFlowCount"] == 0
    told = weir.ask("trace", packet="udp 198.18.1.2:4000 > 198.18.1.10:5353")
    assert "security groups" in str(told)

    # Rules change: what is there goes on, what is new is asked anew.
    held = lab.client.start(PYTHON, "-c", HOLD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "open\n"
    text = weir.config_path.read_text()
    weir.config_path.write_text(text.replace(
        "inbound = tcp 80 198.18.1.0/24",
        "inbound = udp all 0.0.0.0/0\ninbound = icmp all 0.0.0.0/0\ninbound = tcp 80 2001:db8::/32"))
    weir.reload()
    assert lab.udp("198.18.1.10", 5353) == ["t1"]
    assert pings(lab, "198.18.1.10")
    assert set(lab.http("http://[2001:db8:1::10]/", 5)) == {"t1"}
    assert lab.client.try_run("curl", "-s", "-m", "2", "http://198.18.1.10/").returncode == 28
    assert held.communicate("\n", timeout=5)[0] == "HTTP/1.1 200 OK\n"


def test_outbound(lab, start_weir):
    """For flows and for health checks: a target that can't be reached gets unhealthy."""
    weir = start_weir(CONFIG + "    inbound = all all 198.18.1.0/24\n    outbound = tcp 80 198.18.2.11/32\n",
                      healthy=False)
    wait_until("t1 healthy", lambda: weir.target_states("web")["web 198.18.2.11:80"] == "healthy", 10)
    wait_until("t2 unhealthy", lambda: weir.target_states("web")["web 198.18.2.12:80"] == "unhealthy", 15)
    assert set(lab.http("http://198.18.1.10/", 20)) == {"t1"}
    assert lab.udp("198.18.1.10", 5353) == [""]
    assert blocked(weir)["Outbound_UDP"] >= 1
