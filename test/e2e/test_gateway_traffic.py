# SPDX-License-Identifier: BSD-3-Clause
"""Real traffic between two hosts through appliances: routed and in line, byte-identical at the end."""

import hashlib
import json
import os
import re
import time

import pytest

from gateway import (JUMBO, NEAR_V4, NEAR_V6, SERVER_V4, SERVER_V6, GatewayLab, back, far, front, in_line, ping,
                     received, routed, where_flows_went, wire_ends)
from topology import CLIENT_V4, FRONT_V4

ROUTED = (SERVER_V4, SERVER_V6)
IN_LINE = (NEAR_V4, NEAR_V6)


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", mtu=9100) as lab:
        lab.serve()
        lab.server.serve("iperf3", "iperf3", "-s", ready=lambda: lab.server.is_listening(5201))
        (lab.directory / "server" / "files" / "body").write_bytes(os.urandom(24 << 20))
        yield lab


@pytest.fixture
def appliances(lab):
    started = lab.start_appliances()
    yield started
    for appliance in started:
        appliance.stop()


@pytest.fixture(params=["routed", "in_line"])
def network(request, lab, appliances, start_weir):
    """weir with jumbo frames; the server's addresses in this mode."""
    if request.param == "routed":
        lab.route_through_weir()
        start_weir(routed(lab), front=front(JUMBO), back=back(JUMBO), more=far(JUMBO))
        return ROUTED
    lab.connect_in_line()
    near_end, far_end = wire_ends(JUMBO)
    start_weir(in_line(lab), front=near_end, back=back(JUMBO), more=far_end)
    return IN_LINE


def in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def assert_one_appliance_each(appliances, flows: int) -> None:
    """Both directions of every flow reached the same appliance. Ports of clients may come again."""
    went = where_flows_went(appliances, "TCP") | where_flows_went(appliances, "UDP")
    assert {name: sorted(who) for name, who in went.items() if len(who) != 1} == {}
    assert len(went) >= flows * 0.9
    one_way = [flow for a in appliances for flow in a.flows("TCP") if min(flow["packets"]) == 0]
    assert one_way == []


def test_curl(lab, appliances, network):
    """Bodies of 24 MB arrive unchanged; each connection sees one appliance, and all appliances work."""
    wanted = hashlib.sha256((lab.directory / "server" / "files" / "body").read_bytes()).hexdigest()
    for address in network:
        got = lab.client.run("sh", "-c", 'curl -sS -g -m 60 "$1" | sha256sum', "sh",
                             f"http://{in_url(address)}/files/body").stdout.split()[0]
        assert got == wanted
        assert lab.http(f"http://{in_url(address)}/", 30) == ["server"] * 30
    assert_one_appliance_each(appliances, 62)
    assert all(len(appliance.flows("TCP")) >= 5 for appliance in appliances)


def test_the_server_sees_the_client(lab, network):
    assert lab.client.run("curl", "-sS", "-m", "5", f"http://{network[0]}/").stdout.split() == ["server", CLIENT_V4]


def test_udp(lab, appliances, network):
    for address in network:
        assert lab.udp(address, 5353, 40) == ["server"] * 40
    assert_one_appliance_each(appliances, 80)


def iperf3(lab, address: str, *arguments: str) -> dict:
    for _ in range(3):
        result = json.loads(lab.client.try_run("iperf3", "-J", "-c", address, "-t", "2", *arguments).stdout)
        if "error" not in result:
            return result["end"]
        time.sleep(0.5)
    raise AssertionError(result["error"])


def test_iperf3(lab, appliances, network):
    """TCP and UDP, in both directions, over IPv4 and IPv6."""
    for address in network:
        for reverse in ([], ["-R"]):
            assert iperf3(lab, address, *reverse)["sum_received"]["bytes"] > 2_000_000
            lost = []
            while not lost or (lost[-1] >= 10 and len(lost) < 4):  # a machine that is busy drops in its sockets
                udp = iperf3(lab, address, "-u", "-b", "20M", "-l", "1200", *reverse)["sum"]
                assert udp["packets"] > 3000
                lost.append(udp["lost_percent"])
            assert min(lost) < 10
    assert_one_appliance_each(appliances, 16)


def test_ping_of_every_size(lab, network, appliances):
    """Up to the 8,500 bytes that an appliance takes; one byte more is dropped."""
    v4, v6 = network
    for size in (0, 1, 56, 1472, 1473, 4000, 8471, 8472):
        assert received(ping(lab, v4, "-c", "2", "-i", "0.05", "-M", "do", "-s", str(size))) == 2, size
    for size in (0, 56, 1452, 1453, 8452):
        assert received(ping(lab, v6, "-c", "2", "-i", "0.05", "-M", "do", "-s", str(size))) == 2, size
    assert received(ping(lab, v4, "-c", "1", "-W", "1", "-M", "do", "-s", "8473")) == 0
    assert sum(flow["packets"][0] for a in appliances for flow in a.flows("ICMP")) == 2 * 8


def test_what_is_too_long_is_counted(lab, appliances, start_weir):
    """ELB tells nobody; with icmp_mtu_exceeded.enabled the sender learns the limit."""
    lab.route_through_weir()
    weir = start_weir(routed(lab), front=front(JUMBO), back=back(JUMBO), more=far(JUMBO))
    assert "exceeded" not in ping(lab, SERVER_V4, "-c", "2", "-W", "1", "-M", "do", "-s", "8473").stdout
    assert weir.drops()["packet_too_big"] == 2


@pytest.mark.parametrize("size, address, limit", [(8473, SERVER_V4, 8500), (8453, SERVER_V6, 8500)],
                         ids=["v4", "v6"])
def test_icmp_mtu_exceeded(lab, appliances, start_weir, size, address, limit):
    lab.route_through_weir()
    weir = start_weir(routed(lab, balancer="icmp_mtu_exceeded.enabled = true"), front=front(JUMBO), back=back(JUMBO),
                      more=far(JUMBO))
    for ns in (lab.client, lab.server.ns):
        ns.ip("route", "flush", "cache")
        ns.ip("-6", "route", "flush", "cache")
    got = ping(lab, address, "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", str(size))
    said = got.stdout + got.stderr
    assert re.search(rf"mtu ?= ?{limit}", said), said
    assert weir.drops()["packet_too_big"] >= 1
    assert received(ping(lab, address, "-c", "2", "-i", "0.2", "-s", "3000")) == 2


def test_a_smaller_mtu_towards_appliances(lab, appliances, start_weir):
    """MSS is clamped to what fits in GENEVE, so that TCP works where nobody thought of the overhead."""
    lab.route_through_weir()
    for address in (SERVER_V4, SERVER_V6):
        lab.client.ip("route", "flush", "cache")
    start_weir(routed(lab), front=front(), back=back(), more=far())
    wanted = hashlib.sha256((lab.directory / "server" / "files" / "body").read_bytes()).hexdigest()
    for address in (SERVER_V4, SERVER_V6):
        got = lab.client.run("sh", "-c", 'curl -sS -g -m 60 "$1" | sha256sum', "sh",
                             f"http://{in_url(address)}/files/body").stdout.split()[0]
        assert got == wanted


@pytest.mark.parametrize("workers, lcores", [(2, "0@0,1@1,2@0"), (4, "0@0,1@1,2@0,3@1,4@0")])
def test_workers(lab, appliances, start_weir, workers, lcores):
    """Flows are spread over workers, and both directions still meet the same appliance."""
    lab.route_through_weir()
    weir = start_weir(routed(lab), front=front(), back=back(), more=far(),
                      dataplane=f"workers = {workers}\nlcores = {lcores}\nmax_flows = 65536")
    for address in ROUTED:
        assert lab.http(f"http://{in_url(address)}/", 40) == ["server"] * 40
        assert lab.udp(address, 5353, 40) == ["server"] * 40
    assert received(ping(lab, SERVER_V4, "-c", "3", "-i", "0.05")) == 3
    assert_one_appliance_each(appliances, 160)
    rows = weir.ask("lcores")["lcores"]
    assert sum(row["handed_over"] for row in rows) == sum(row["taken_over"] for row in rows)
    assert {flow["worker"] for flow in weir.ask("flows", limit=1000)["flows"]} == set(range(workers))


@pytest.mark.parametrize("stickiness, flows", [("source_ip_dest_ip_proto", {"TCP", "UDP", "ICMP"}),
                                               ("source_ip_dest_ip", {"all"})])
def test_stickiness(lab, appliances, start_weir, stickiness, flows):
    """All connections between two hosts, of a protocol or at all, see one appliance."""
    lab.route_through_weir()
    weir = start_weir(routed(lab, f"stickiness.enabled = true\nstickiness.type = {stickiness}\n"),
                      front=front(), back=back(), more=far())
    assert lab.http(f"http://{SERVER_V4}/", 15) == ["server"] * 15
    assert lab.udp(SERVER_V4, 5353, 15) == ["server"] * 15
    assert received(ping(lab, SERVER_V4, "-c", "2", "-i", "0.05")) == 2
    seen = {}
    for appliance in appliances:
        for flow in appliance.flows():
            # Not of other hosts: what a test before had under way may be retransmitted still.
            if all(SERVER_V4 in flow[end] or CLIENT_V4 in flow[end] for end in "ab"):
                seen.setdefault(flow["protocol"], set()).add(appliance.name)
    assert set(seen) == {"TCP", "UDP", "ICMP"}
    assert all(len(who) == 1 for who in seen.values()), [appliance.flows() for appliance in appliances]
    if flows == {"all"}:
        assert len(set.union(*seen.values())) == 1
    between = [flow for flow in weir.ask("flows", limit=1000)["flows"] if SERVER_V4 in json.dumps(flow)]
    assert len(between) == len(flows)


def test_outer_ipv6(lab, appliances, start_weir):
    """An extension: appliances that are reached over IPv6."""
    lab.route_through_weir()
    body = routed(lab)
    for target in lab.targets:
        body = body.replace(f"target = {target.v4}:6081", f"target = [{target.v6}]:6081")
    start_weir(body, front=front(JUMBO), back=back(JUMBO), more=far(JUMBO))
    for address in ROUTED:
        assert lab.http(f"http://{in_url(address)}/", 20) == ["server"] * 20
        assert lab.udp(address, 5353, 20) == ["server"] * 20
    assert_one_appliance_each(appliances, 80)


def test_appliances_see_what_they_are_told(lab, appliances, start_weir):
    """Endpoint and attachment id as configured, and a cookie of its own for each flow."""
    lab.route_through_weir()
    body = routed(lab).replace("[endpoint edge]\n", "[endpoint edge]\nid = 0x00000000deadbeef\n"
                               "attachment_id = 0x0123456789abcdef\n")
    start_weir(body, front=front(), back=back(), more=far())
    assert lab.udp(SERVER_V4, 5353, 30) == ["server"] * 30
    flows = [flow for a in appliances for flow in a.flows("UDP")]
    assert {tuple(flow["endpoints"]) for flow in flows} == {("0x00000000deadbeef",)}
    assert {tuple(flow["attachments"]) for flow in flows} == {("0x0123456789abcdef",)}
    cookies = [cookie for flow in flows for cookie in flow["cookies"]]
    assert len(set(cookies)) == len(cookies) == len(flows) > 20


def test_weights(lab, appliances, start_weir):
    """An extension: an appliance of weight 0 gets nothing, one of weight 9 most."""
    lab.route_through_weir()
    body = routed(lab)
    for target, weight in zip(lab.targets, (0, 1, 9)):
        body = body.replace(f"target = {target.v4}:6081", f"target = {target.v4}:6081 weight={weight}")
    start_weir(body, front=front(), back=back(), more=far())
    assert lab.udp(SERVER_V4, 5353, 150) == ["server"] * 150
    none, few, most = (len(appliance.flows("UDP")) for appliance in appliances)
    assert none == 0 and 0 < few < most / 3 and few + most > 140


def test_slow_appliances(lab, appliances, start_weir):
    """What an appliance holds back for 200 ms comes later, and is not lost."""
    lab.route_through_weir()
    start_weir(routed(lab), front=front(), back=back(), more=far())
    for appliance in appliances:
        appliance.mode("delay", "200")
    got = ping(lab, SERVER_V4, "-c", "3", "-i", "0.2")
    assert received(got) == 3
    assert float(re.search(r"min/avg/max/mdev = ([\d.]+)/", got.stdout)[1]) >= 400
    assert lab.http(f"http://{SERVER_V4}/", 3) == ["server"] * 3


def test_payload_that_an_appliance_changes_is_its_business(lab, appliances, start_weir):
    """Appliances rewrite what they inspect: weir passes it on, and the hosts' checksums tell."""
    lab.route_through_weir()
    weir = start_weir(routed(lab), front=front(), back=back(), more=far())
    for appliance in appliances:
        appliance.mode("mangle", "payload")
    assert received(ping(lab, SERVER_V4, "-c", "2", "-W", "1", "-i", "0.05")) == 0
    assert not [reason for reason in weir.drops() if reason.startswith("geneve")]


def test_not_for_weir_itself(lab, appliances, start_weir):
    """weir's own addresses on an endpoint answer as ever: no appliance sees it."""
    lab.route_through_weir()
    start_weir(routed(lab), front=front(), back=back(), more=far())
    assert received(ping(lab, FRONT_V4, "-c", "2", "-i", "0.05")) == 2
    assert [flow for a in appliances for flow in a.flows("ICMP")] == []
