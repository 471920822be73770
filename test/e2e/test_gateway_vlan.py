# SPDX-License-Identifier: BSD-3-Clause
"""An endpoint in a VLAN: the client's frames carry a tag on their way to weir."""

import os

import pytest

from gateway import SERVER_V4, SERVER_V6, GatewayLab, back, endpoint, far, fleet, front, gateway, where_flows_went
from topology import end_process


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", wire=True) as lab:
        lab.serve()
        yield lab


@pytest.mark.parametrize("offloads", ["auto", "off"])
def test_vlan_endpoint(lab, start_weir, offloads):
    trunk = f"device = net_af_packet0,iface=weir-front\nweir.offloads = {offloads}\n"
    vlan = "[interface clients]\nparent = front\nvlan = 7\n" + front().split("\n", 2)[2]
    body = gateway("inspect", fleet(lab)) + endpoint("edge", "inspect", "clients", "far")
    appliances = lab.start_appliances()
    wire = lab.start_wire("vlan=7")
    try:
        weir = start_weir(body, front=trunk, back=back(), more=vlan + far())
        assert lab.udp(SERVER_V4, 5353, 20) == ["server"] * 20
        assert lab.http(f"http://[{SERVER_V6}]/", 10) == ["server"] * 10
        went = where_flows_went(appliances)
        assert len(went) >= 27 and all(len(who) == 1 for who in went.values())
        rows = {row["name"]: row for row in weir.ask("interfaces")["interfaces"]}
        assert rows["clients"]["rx_packets"] > 30 and rows["front"]["tx_packets"] == 0
    finally:
        end_process(wire)
        for appliance in appliances:
            appliance.stop()


def test_wire_between_vlans(lab, start_weir):
    """In line, a VLAN on one side and an untagged port on the other: the tag is weir's to add and take."""
    trunk = "device = net_af_packet0,iface=weir-front\n"
    more = "[interface clients]\nparent = front\nvlan = 7\n[interface far]\ndevice = net_af_packet2,iface=weir-far\n"
    body = gateway("inspect", fleet(lab)) + endpoint("cable", "inspect", "clients", "far", more="mode = in_line\n")
    appliances = lab.start_appliances()
    lab.connect_in_line()
    wire = lab.start_wire("vlan=7")
    try:
        start_weir(body, front=trunk, back=back(), more=more)
        assert lab.udp("198.18.1.3", 5353, 20) == ["server"] * 20
        assert lab.http("http://[2001:db8:1::3]/", 10) == ["server"] * 10
        assert sum(sum(f["packets"]) for a in appliances for f in a.flows("UDP")) == 2 * 20
    finally:
        end_process(wire)
        for appliance in appliances:
            appliance.stop()
