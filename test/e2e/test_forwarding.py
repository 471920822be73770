# SPDX-License-Identifier: BSD-3-Clause
"""TCP and UDP from the client's kernel through weir to the targets' kernels and back."""

import collections
import hashlib
import json
import time
import os

import pytest

from topology import BACK_V4, BACK_V6, CLIENT_V4, CLIENT_V6

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

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [listener shop:5201]
    protocol = TCP_UDP
    default_action = forward iperf

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:53]
    protocol = UDP
    default_action = forward echo6

    [target_group web]
    protocol = TCP
    preserve_client_ip.enabled = {preserve}
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group web6]
    protocol = TCP
    preserve_client_ip.enabled = {preserve}
    target = [2001:db8:2::11]:80
    target = [2001:db8:2::12]:80
    target = [2001:db8:2::13]:80

    [target_group iperf]
    protocol = TCP_UDP
    preserve_client_ip.enabled = {preserve}
    health_check.port = 80
    target = 198.18.2.11:5201

    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = {preserve}
    health_check.port = 80
    target = 198.18.2.11:5353
    target = 198.18.2.12:5353

    [target_group echo6]
    protocol = UDP
    preserve_client_ip.enabled = {preserve}
    health_check.port = 80
    target = [2001:db8:2::11]:5353
    target = [2001:db8:2::12]:5353
"""


@pytest.fixture(params=["full_nat", "nat"])
def mode(request, start_weir):
    """Both ways of forwarding; weir runs with it."""
    return request.param, start_weir(SERVICES.format(preserve=str(request.param == "nat").lower()))


@pytest.mark.parametrize("address, seen", [
    ("198.18.1.10", {"nat": CLIENT_V4, "full_nat": BACK_V4}),
    ("[2001:db8:1::10]", {"nat": CLIENT_V6, "full_nat": BACK_V6})], ids=["v4", "v6"])
def test_curl(lab, mode, address, seen):
    """All connections are answered, by all targets, which see the right client address."""
    name, weir = mode
    answers = collections.Counter()
    for _ in range(60):
        got = lab.client.run("curl", "-sS", "-g", "-m", "5", f"http://{address}/").stdout.split()
        answers[got[0]] += 1
        assert got[1] == seen[name]
    assert set(answers) == {"t1", "t2", "t3"} and min(answers.values()) >= 5
    group = "web6" if ":" in address else "web"
    flows = {t["target"]: t["NewFlowCount"] for t in weir.ask("target_health", target_group=group)["targets"]}
    assert sorted(flows.values()) == sorted(answers.values())


@pytest.mark.parametrize("address", ["198.18.1.10", "2001:db8:1::10"], ids=["v4", "v6"])
def test_udp_echo(lab, mode, address):
    answers = collections.Counter(lab.udp(address, 53, 60))
    assert set(answers) == {"t1", "t2"} and min(answers.values()) >= 10


def test_bodies_arrive_unchanged(lab, mode):
    body = os.urandom(16 << 20)
    for target in lab.targets:
        (lab.directory / target.name / "files" / "body").write_bytes(body)
    for address in ("198.18.1.10", "[2001:db8:1::10]"):
        got = lab.client.run("sh", "-c", 'curl -sS -g -m 30 "$1" | sha256sum', "sh",
                             f"http://{address}/files/body").stdout.split()[0]
        assert got == hashlib.sha256(body).hexdigest()


def iperf3(lab, *arguments: str) -> dict:
    """One run.  The server takes one client at a time and a health check is one: try again then."""
    for _ in range(5):
        result = json.loads(lab.client.try_run("iperf3", "-J", "-c", "198.18.1.10", "-t", "1", *arguments).stdout)
        if "error" not in result and "sum" in result["end"] or "sum_received" in result["end"]:
            return result["end"]
        time.sleep(0.5)
    raise AssertionError(result.get("error", result["end"]))


def test_iperf3(lab, mode):
    """Bulk TCP and UDP in both directions, checked by the ratio of what arrived."""
    target = lab.targets[0]
    target.serve("iperf3", "iperf3", "-s", ready=lambda: target.is_listening(5201))
    try:
        for reverse in ([], ["-R"]):
            assert iperf3(lab, *reverse)["sum_received"]["bytes"] > 5_000_000
            udp = iperf3(lab, "-u", "-b", "20M", "-l", "1200", *reverse)["sum"]
            assert udp["packets"] > 1500
            assert udp["lost_percent"] < 20
    finally:
        target.stop("iperf3")


def test_many_connections(lab, mode):
    """3,000 connections of one request each, 50 at a time: none fails, all flows are counted."""
    _, weir = mode
    got = lab.client.run("python3", "-c", MANY, "198.18.1.10", "3000", "50").stdout
    assert got.split() == ["3000", "0"]
    metrics = weir.ask("metrics", load_balancer="shop")
    assert metrics["NewFlowCount"] == 3000
    assert metrics["RejectedFlowCount"] == metrics["PortAllocationErrorCount"] == 0


MANY = """
import asyncio, sys

async def one(address):
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection(address, 80), 10)
        writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer.startswith(b"HTTP/1.1 200")
    except (OSError, asyncio.TimeoutError):
        return False

async def main(address, n, at_once):
    good = bad = 0
    async def worker(times):
        nonlocal good, bad
        for _ in range(times):
            ok = await one(address)
            good, bad = good + ok, bad + (not ok)
    await asyncio.gather(*(worker(n // at_once) for _ in range(at_once)))
    print(good, bad)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""
