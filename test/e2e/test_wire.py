# SPDX-License-Identifier: BSD-3-Clause
"""TCP through a wire that loses, reorders, duplicates, delays and corrupts; and through a VLAN."""

import hashlib
import json
import os

import pytest

from conftest import FRONT
from topology import Lab, end_process

WEB = """
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
    {mode}
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    target = 198.18.2.11:5353
"""


@pytest.fixture(scope="module")
def lab():
    with Lab(f"weir-e2e-{os.getpid()}", wire=True) as lab:
        lab.serve_http()
        lab.serve_udp_echo()
        yield lab


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("mode", ["preserve_client_ip.enabled = false", "preserve_client_ip.enabled = true"],
                         ids=["full_nat", "nat"])
def test_bodies_arrive_unchanged(lab, start_weir, mode, seed):
    """weir must neither repair what the wire broke nor lose what TCP repairs."""
    weir = start_weir(WEB.format(mode=mode))
    body = os.urandom(600_000)
    for target in lab.targets:
        (lab.directory / target.name / "files" / "body").write_bytes(body)
    wire = lab.start_wire(f"seed={seed}", "loss=100", "duplicate=100", "reorder=200", "corrupt=100", "delay=1")
    try:
        for _ in range(3):
            got = lab.client.run("sh", "-c", "curl -sS -m 60 --retry 3 --connect-timeout 5 "
                                 "http://198.18.1.10/files/body | sha256sum").stdout.split()[0]
            assert got == hashlib.sha256(body).hexdigest()
    finally:
        end_process(wire)
    done = json.loads(wire.stdout.read())
    assert min(done[what] for what in ("lost", "duplicated", "reordered", "corrupted")) > 0
    assert weir.pool("mbufs")["failures"] == 0


@pytest.mark.parametrize("offloads", ["auto", "off"])
def test_vlan(lab, start_weir, offloads):
    """Clients in VLAN 7 reach load balancers through a VLAN interface; other VLANs are dropped."""
    trunk = f"device = net_af_packet0,iface=weir-front\nweir.offloads = {offloads}\n"
    vlan = "[interface clients]\nparent = front\nvlan = 7\n" + FRONT.split("\n", 1)[1]
    weir = start_weir(WEB.format(mode=""), front=trunk, more=vlan)
    wire = lab.start_wire("vlan=7")
    try:
        assert set(lab.http("http://198.18.1.10/", 40)) == {"t1", "t2"}
        assert lab.udp("198.18.1.10", 53, 10) == ["t1"] * 10
        rows = {row["name"]: row for row in weir.ask("interfaces")["interfaces"]}
        assert rows["clients"]["vlan"] == 7
        assert rows["clients"]["rx_packets"] > 100 and rows["clients"]["tx_packets"] > 100
        assert rows["front"]["tx_packets"] == 0
    finally:
        end_process(wire)

    before = weir.ask("drops")["vlan_unknown"]
    wire = lab.start_wire("vlan=8")
    try:
        lab.client.try_run("ip", "neigh", "flush", "all")
        lab.client.try_run("curl", "-s", "-m", "1", "http://198.18.1.10/")
        assert weir.ask("drops")["vlan_unknown"] > before
    finally:
        end_process(wire)
