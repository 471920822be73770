# SPDX-License-Identifier: BSD-3-Clause
"""Handshakes of which something is lost: the SYN-ACK goes again, and who asks late is still served."""

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from conftest import FRONT
from topology import wait_until

HAND, HAND6, MAC = "198.18.1.77", "2001:db8:1::77", "02:00:00:00:00:77"

SERVICES = """
    [load_balancer shop]
    type = application
    address = 198.18.1.10
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = HTTP
    default_action = fixed_response status=200
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n"


@pytest.fixture(scope="module")
def weir(start_module_weir):
    return start_module_weir(SERVICES, front=FRONT + f"neighbor = {HAND} {MAC}\nneighbor = {HAND6} {MAC}\n")


@pytest.mark.parametrize("ip", [IP(src=HAND, dst="198.18.1.10"), IPv6(src=HAND6, dst="2001:db8:1::10")],
                         ids=["v4", "v6"])
def test_last_ack_is_lost(weir, client_port, ip):
    """A client whose kernel takes it for connected asks only after the first repetition, seconds later."""
    mac = next(row["mac"] for row in weir.ask("interfaces")["interfaces"] if row["name"] == "front")

    def segment(**fields):
        return Ether(src=MAC, dst=mac) / ip / TCP(sport=4000, dport=80, window=60000, **fields)

    def is_ours(frame) -> bool:
        return type(ip) in frame and TCP in frame and frame[TCP].dport == 4000

    before = weir.ask("tcp")
    client_port.send(segment(flags="S", seq=1000))
    answers = client_port.receive(is_ours, 3, 10)
    assert [answer[TCP].flags for answer in answers] == ["SA"] * 3
    assert len({answer[TCP].seq for answer in answers}) == 1
    assert weir.pool("half_open")["in_use"] == 1
    client_port.flush()
    client_port.send(segment(flags="PA", seq=1001, ack=answers[0][TCP].seq + 1) / REQUEST)
    response = client_port.receive(lambda frame: is_ours(frame) and len(frame[TCP].payload) > 0)
    assert response and bytes(response[0][TCP].payload).startswith(b"HTTP/1.1 200 ")
    assert weir.pool("half_open")["in_use"] == 0
    client_port.send(segment(flags="R", seq=1001 + len(REQUEST)))
    wait_until("the reset is counted", lambda: weir.ask("tcp")["reset_received"] == before["reset_received"] + 1)
    counted = {name: value - before[name] for name, value in weir.ask("tcp").items()}
    assert (counted["accepted"], counted["segments_in"], counted["bytes_in"]) == (1, 3, len(REQUEST))
    assert counted["syn_ack_retransmitted"] >= 2 and counted["retransmitted"] == 0 and counted["cookies_sent"] == counted["refused"] == 0


def test_listener_goes_meanwhile(weir, client_port):
    """Of a handshake whose listener a reload takes nothing goes on: no SYN-ACK again, and its ACK is refused."""
    mac = next(row["mac"] for row in weir.ask("interfaces")["interfaces"] if row["name"] == "front")
    text = weir.config_path.read_text()
    before = weir.ask("tcp")

    def segment(**fields):
        return Ether(src=MAC, dst=mac) / IP(src=HAND, dst="198.18.1.10") / TCP(sport=4001, dport=80, window=60000, **fields)

    def is_ours(frame) -> bool:
        return TCP in frame and frame[TCP].dport == 4001

    client_port.send(segment(flags="S", seq=1000))
    answer = client_port.receive(is_ours, 1, 10)[0]
    weir.config_path.write_text(text.replace("[listener shop:80]", "[listener shop:81]"))
    weir.reload()
    try:
        wait_until("it is forgotten", lambda: weir.pool("half_open")["in_use"] == 0, 10)
        after = weir.ask("tcp")
        assert after["half_open_expired"] == before["half_open_expired"] + 1
        assert after["syn_ack_retransmitted"] <= before["syn_ack_retransmitted"] + 1, "the reload may have taken a second"
        client_port.send(segment(flags="A", seq=1001, ack=answer[TCP].seq + 1))
        assert weir.ask("tcp")["accepted"] == before["accepted"]
    finally:
        weir.config_path.write_text(text)
        weir.reload()
