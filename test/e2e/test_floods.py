# SPDX-License-Identifier: BSD-3-Clause
"""Floods of new flows: limits by listener and by source leave room for others, and flows that exist go on."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from raw_port import RawPort
from topology import PYTHON

VIP, HAND, MAC = "198.18.1.10", "198.18.1.77", "02:00:00:00:00:77"

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [listener shop:80]
    protocol = TCP
    default_action = forward web
    weir.new_flows_per_second_per_source = 40

    [listener shop:81]
    protocol = TCP
    default_action = forward web
    weir.new_flows_per_second = 20

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
    target = 198.18.2.12:80
"""

# A connection that asks again and again, and ten times more once its standard input has ended.
KEEP = """
import socket, sys, select
with socket.create_connection(("198.18.1.10", 80), 5) as s:
    f, n, more = s.makefile("rb"), 0, 10
    while more:
        s.sendall(b"GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        while (line := f.readline()) != b"\\r\\n":
            assert line
            if line.lower().startswith(b"content-length:"):
                length = int(line.split()[1])
        assert f.read(length).startswith(b"t")
        n += 1
        if n == 1:
            print("begun", flush=True)
        more -= bool(select.select([0], [], [], 0.005)[0])
print(n)
"""


@pytest.fixture(params=["workers = 1", "workers = 2\nlcores = 0@0,1@1,2@0"], ids=["one worker", "two workers"])
def weir(request, start_weir):
    return start_weir(SERVICES, dataplane=request.param + "\nmax_flows = 8192")


def syns(mac: str, dport: int, n: int) -> list[bytes]:
    """From one address that never answers."""
    template = Ether(src=MAC, dst=mac) / IP(src=HAND, dst=VIP) / TCP(sport=1024, dport=dport, flags="S")
    frames = []
    for port in range(1024, 1024 + n):
        template[TCP].sport = port
        frames.append(bytes(template))
    return frames


def test_one_source(lab, weir):
    """16,000 SYNs of one source: it gets what it may, a connection goes on, new ones of another source succeed."""
    mac = weir.mac("front")
    flood = syns(mac, 80, 4000)
    keep = lab.client.start(PYTHON, "-c", KEEP, stdin=-1, stdout=-1, text=True)
    port = RawPort(lab.client)
    try:
        assert keep.stdout.readline() == "begun\n"
        for _ in range(4):
            port.send(*flood)
            assert len([name for name in lab.http(f"http://{VIP}/", 5) if name]) == 5
        done = keep.communicate(timeout=20)[0]
        assert keep.returncode == 0 and int(done) > 10
    finally:
        keep.kill()
        port.close()
    drops, metrics = weir.drops(), weir.ask("metrics", load_balancer="shop")
    assert drops["source_rate"] > 4000, "what a busy machine's kernel leaves of them"
    assert metrics["RejectedFlowCount"] == drops["source_rate"]
    assert weir.pool("flows")["in_use"] < 2000
    assert "flow_table_full" not in drops


def test_listener(lab, weir):
    """More than the listener takes: the rest is refused, and another listener does not notice."""
    mac = weir.mac("front")
    port = RawPort(lab.client)
    try:
        port.send(*syns(mac, 81, 4000))
        assert len([name for name in lab.http(f"http://{VIP}/", 10) if name]) == 10
    finally:
        port.close()
    drops = weir.drops()
    assert drops["flow_rate"] > 1000 and "source_rate" not in drops
    assert 20 <= weir.ask("metrics", load_balancer="shop")["NewFlowCount"] < 2000
