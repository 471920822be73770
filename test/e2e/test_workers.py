# SPDX-License-Identifier: BSD-3-Clause
"""Several workers, several queues, other devices, and offloads: the same traffic through each."""

import collections
import json
import os

import pytest

from conftest import BACK, FRONT
from topology import Lab, wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [target_group web]
    protocol = TCP
    preserve_client_ip.enabled = {preserve}
    target = 198.18.2.11:80
    target = 198.18.2.12:80
    target = 198.18.2.13:80

    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = {preserve}
    health_check.port = 80
    target = 198.18.2.11:5353
    target = 198.18.2.12:5353
"""
FULL_NAT = SERVICES.format(preserve="false")


@pytest.fixture(scope="module")
def lab():
    """As everywhere, but the front's veth pair has two queues."""
    with Lab(f"weir-e2e-{os.getpid()}", front=("numrxqueues", "2", "numtxqueues", "2")) as lab:
        lab.serve_http()
        lab.serve_udp_echo()
        yield lab


def passed_on(weir) -> bool:
    rows = weir.ask("lcores")["lcores"]
    return sum(row["handed_over"] for row in rows) == sum(row["taken_over"] for row in rows)


def assert_traffic_passes(lab, times: int = 60) -> None:
    http = collections.Counter(lab.http("http://198.18.1.10/", times))
    udp = collections.Counter(lab.udp("198.18.1.10", 53, times))
    assert set(http) == {"t1", "t2", "t3"}, http
    assert set(udp) == {"t1", "t2"}, udp


def assert_transfer_passes(lab) -> None:
    body = lab.directory / "t1" / "files" / "large"
    for target in lab.targets:
        (lab.directory / target.name / "files" / "large").write_bytes(bytes(range(251)) * 30_000)
    got = lab.client.run("sh", "-c", "curl -sS -m 30 http://198.18.1.10/files/large | cmp - $1 && echo same",
                         "sh", str(body))
    assert got.stdout == "same\n"


@pytest.mark.parametrize("preserve", ["false", "true"], ids=["full_nat", "nat"])
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_over_one_queue(lab, start_weir, workers, preserve):
    """Each flow belongs to one worker; packets that arrive elsewhere are passed on."""
    lcores = ",".join(["0@0"] + [f"{n}@{n % 2}" for n in range(1, workers + 1)])
    weir = start_weir(SERVICES.format(preserve=preserve), dataplane=f"workers = {workers}\nlcores = {lcores}")
    assert_traffic_passes(lab)
    assert_transfer_passes(lab)
    rows = weir.ask("lcores")["lcores"]
    assert len(rows) == workers
    assert all(row["taken_over"] > 0 for row in rows[1:])
    wait_until("what was handed over to be taken over", lambda: passed_on(weir))
    assert sum(row["received"] for row in weir.ask("lcores")["lcores"]) == sum(
        row["rx_packets"] for row in weir.ask("interfaces")["interfaces"])
    owners = {flow["worker"] for flow in weir.ask("flows", limit=1000)["flows"]}
    assert len(owners) == workers


def test_two_queues(lab, start_weir):
    weir = start_weir(FULL_NAT, dataplane="workers = 2\nlcores = 0@0,1@1,2@0",
                      front=FRONT.replace("iface=weir-front", "iface=weir-front,qpairs=2"))
    front = next(i for i in weir.ask("interfaces")["interfaces"] if i["name"] == "front")
    assert (front["rx_queues"], front["tx_queues"]) == (2, 2)
    assert_traffic_passes(lab)
    assert_transfer_passes(lab)


def test_more_queues_than_workers(lab, start_weir):
    """The one worker serves all queues that are configured."""
    weir = start_weir(FULL_NAT, front=FRONT.replace("iface=weir-front", "iface=weir-front,qpairs=2") +
                      "queues = 2\n")
    front = next(i for i in weir.ask("interfaces")["interfaces"] if i["name"] == "front")
    assert front["rx_queues"] == 2
    assert_traffic_passes(lab, 200)


@pytest.mark.parametrize("idle", ["poll", "adaptive"])
def test_idle(lab, start_weir, idle):
    weir = start_weir(FULL_NAT, dataplane=f"workers = 1\nidle = {idle}")
    assert weir.ask("info")["idle"] == idle
    assert_traffic_passes(lab, 30)


def test_offloads_off(lab, start_weir):
    off = "weir.offloads = off\n"
    weir = start_weir(FULL_NAT, front=FRONT + off, back=BACK + off)
    for row in weir.ask("interfaces")["interfaces"]:
        assert row["vlan_strip"] == row["vlan_insert"] == row["rx_ip_checksum"] == "software"
    assert_traffic_passes(lab)
    assert_transfer_passes(lab)


@pytest.mark.parametrize("mac", ["own", "02:00:00:00:5e:11"])
def test_mac_address(lab, start_weir, mac):
    """Another one than the kernel's, which drops what is for weir unread."""
    weir = start_weir(SERVICES.format(preserve="true"), front=FRONT + f"mac = {mac}\n", back=BACK + "mac = own\n")
    kernels = json.loads(lab.lb.run("ip", "-j", "link", "show", "weir-front").stdout)[0]["address"]
    own = f"{(int(kernels[:2], 16) | 2) ^ 8:02x}{kernels[2:]}"
    assert weir.mac("front") == (own if mac == "own" else mac)
    assert_traffic_passes(lab)
    for address in ("198.18.1.10", "2001:db8:1::1"):
        got = lab.client.try_run("ping", "-c", "3", "-i", "0.02", "-W", "1", address)
        assert got.returncode == 0, got.stdout
        assert weir.mac("front") in lab.client.run("ip", "neigh", "show", address).stdout


def test_cable_out_and_in_again(lab, start_weir):
    start_weir(FULL_NAT)
    assert_traffic_passes(lab, 30)
    lab.client.ip("link", "set", "eth0", "down")
    lab.client.up("eth0")
    assert_traffic_passes(lab, 30)


def test_port_that_takes_no_key(lab, start_weir):
    """net_null spreads by itself but can't be told how: the ring does it, and weir says so."""
    weir = start_weir(FULL_NAT, dataplane="workers = 2\nlcores = 0@0,1@1,2@0",
                      more="[interface third]\ndevice = net_null0,no-rx=1\naddress = 198.18.99.1/24\n")
    rows = {row["name"]: row for row in weir.ask("interfaces")["interfaces"]}
    assert rows["third"]["rx_queues"] == 2
    assert {(row["rss"], row["steering"]) for row in rows.values()} == {("none", "ring")}
    assert weir.ask("info")["steering"] == "ring"
    assert_traffic_passes(lab, 30)
