# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams larger than a link, from a kernel through weir to a kernel and back, in any order.

Over net_af_xdp: behind net_af_packet the kernel puts IPv4 fragments together before weir sees them.
"""

import random

import pytest
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrFragment, fragment6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from conftest import BACK, FRONT
from raw_port import RawPort
from topology import PYTHON, wait_until

VIP, VIP6 = "198.18.1.10", "2001:db8:1::10"
HAND, HAND6, MAC = "198.18.1.77", "2001:db8:1::77", "02:00:00:00:00:77"
NEIGHBORS = f"neighbor = {HAND} {MAC}\nneighbor = {HAND6} {MAC}\n"

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:53]
    protocol = UDP
    default_action = forward echo6

    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = {preserve}
    health_check.enabled = false
    target = 198.18.2.11:5353
    target = 198.18.2.12:5353

    [target_group echo6]
    protocol = UDP
    preserve_client_ip.enabled = {preserve}
    health_check.enabled = false
    target = [2001:db8:2::11]:5353
    target = [2001:db8:2::12]:5353
"""
WORKERS = {"one worker": "workers = 1", "three workers": "workers = 3\nlcores = 0@0,1@1,2@0,3@1"}

BIG = """
import socket, sys
data = bytes(range(251)) * 200
wrong = 0
for size in (1473, 2000, 2960, 6000, 16000, 40000) * 2:
    with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(3)
        s.connect((sys.argv[1], 53))
        s.send(data[:size])
        try:
            wrong += s.recv(65535).split(b" ", 1)[1] != data[:size]
        except OSError as error:
            print(size, error)
            wrong += 1
print("wrong", wrong)
"""


def with_xdp(text: str) -> str:
    return text.replace("net_af_packet", "net_af_xdp")


@pytest.fixture(params=["false", "true"], ids=["full_nat", "nat"])
def preserve(request):
    return request.param


@pytest.fixture(params=WORKERS.values(), ids=WORKERS.keys())
def weir(request, start_weir, preserve):
    return start_weir(SERVICES.format(preserve=preserve), dataplane=request.param + "\nmax_flows = 65536",
                      healthy=False, front=with_xdp(FRONT) + NEIGHBORS, back=with_xdp(BACK))


def test_large_datagrams(lab, weir):
    """Of real kernels, in both directions, up to 28 fragments."""
    for address in (VIP, VIP6):
        assert lab.client.run(PYTHON, "-c", BIG, address).stdout == "wrong 0\n"
    assert not {"fragment_timeout", "fragment_table_full", "fragment_overlap"} & set(weir.drops())


def pieces(family: int, identification: int, sport: int) -> tuple[bytes, list]:
    data = random.Random(identification).randbytes(5000)
    udp = UDP(sport=sport, dport=53) / Raw(data)
    if family == 4:
        return data, fragment(IP(src=HAND, dst=VIP, id=identification) / udp, 1400)
    return data, fragment6(IPv6(src=HAND6, dst=VIP6) / IPv6ExtHdrFragment(id=identification) / udp, 1400)


def is_piece(frame) -> bool:
    return frame.dst == MAC and (IP in frame and frame[IP].proto == 17 or IPv6ExtHdrFragment in frame)


def content(frame) -> tuple[int, bytes]:
    """Offset and payload."""
    if IP in frame:
        return frame[IP].frag * 8, bytes(frame[IP].payload)
    return frame[IPv6ExtHdrFragment].offset * 8, bytes(frame[IPv6ExtHdrFragment].payload)


@pytest.mark.parametrize("family", [4, 6])
def test_any_order(lab, weir, family):
    """40 datagrams of 4 fragments, shuffled and some sent twice: each is answered whole by a kernel."""
    mac = weir.mac("front")
    client = RawPort(lab.client)
    rng = random.Random(family)
    try:
        for n in range(40):
            data, parts = pieces(family, 1000 + n, 2000 + n)
            rng.shuffle(parts)
            if n % 4 == 3:
                parts.insert(rng.randrange(len(parts)), parts[0])
            client.flush()
            client.send(*(Ether(src=MAC, dst=mac) / part for part in parts))
            got = dict(map(content, client.receive(is_piece, 4)))
            whole = b"".join(got[at] for at in sorted(got))
            assert whole[:4] == (53).to_bytes(2, "big") + (2000 + n).to_bytes(2, "big")
            assert whole[8:].split(b" ", 1)[1] == data
    finally:
        client.close()
    assert {flow["packets"] for flow in weir.ask("flows", limit=100)["flows"]} <= {8, 9}


@pytest.mark.parametrize("family", [4, 6])
def test_what_goes_nowhere(lab, weir, family):
    """Later fragments whose first one never comes wait a second; what overlaps the first one is dropped."""
    mac = weir.mac("front")
    client = RawPort(lab.client)
    try:
        client.send(*(Ether(src=MAC, dst=mac) / part for part in pieces(family, 3000, 2000)[1][1:]))
        _, parts = pieces(family, 3001, 2001)
        over = parts[1].copy()
        if family == 4:
            over.frag = 1
            del over.chksum
        else:
            over[IPv6ExtHdrFragment].offset = 1
        client.send(*(Ether(src=MAC, dst=mac) / part for part in (parts[0], over)))
        wait_until("drops", lambda: (weir.drops().get("fragment_timeout"), weir.drops().get("fragment_overlap")) ==
                   (3, 1), 20)
    finally:
        client.close()


def test_a_flood_is_bounded(lab, weir):
    """20,000 fragments whose first ones never come: whole packets go on, and fragments do after a second."""
    mac = weir.mac("front")
    client = RawPort(lab.client)
    frames = [bytes(Ether(src=MAC, dst=mac) / IP(src=HAND, dst=VIP, frag=100, proto=17, id=n) / Raw(b"x" * 64))
              for n in range(2000)]
    try:
        for n in range(10):
            client.send(*frames)
            assert len(lab.udp(VIP, 53, 3)) == 3
        assert weir.drops().get("fragment_table_full", 0) > 0
        wait_until("room", lambda: next(row["in_use"] for row in weir.ask("pools")["pools"]
                                        if row["name"] == "fragments") == 0, 10)
        assert lab.client.run(PYTHON, "-c", BIG, VIP).stdout == "wrong 0\n"
    finally:
        client.close()
