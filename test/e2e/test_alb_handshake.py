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


class Hand:
    """One connection of a client by hand."""

    def __init__(self, weir, port, ip, sport):
        self._port, self._ip, self._sport = port, ip, sport
        self._ether = Ether(src=MAC, dst=weir.mac("front"))

    def send(self, payload=b"", **fields):
        self._port.send(self._ether / self._ip / TCP(sport=self._sport, dport=80, window=60000, **fields) / payload)

    def receive(self, n=1, seconds=10, wanted=lambda tcp: True):
        """TCP headers, and what follows them."""
        def is_ours(frame):
            return type(self._ip) in frame and TCP in frame and frame[TCP].dport == self._sport and wanted(frame[TCP])
        return [frame[TCP] for frame in self._port.receive(is_ours, n, seconds)]


V4, V6 = IP(src=HAND, dst="198.18.1.10"), IPv6(src=HAND6, dst="2001:db8:1::10")


@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_last_ack_is_lost(weir, client_port, ip):
    """A client whose kernel takes it for connected asks only after the first repetition, seconds later."""
    hand, before = Hand(weir, client_port, ip, 4000), weir.ask("tcp")
    hand.send(flags="S", seq=1000)
    answers = hand.receive(3)
    assert [answer.flags for answer in answers] == ["SA"] * 3
    assert len({answer.seq for answer in answers}) == 1
    assert weir.pool("half_open")["in_use"] == 1
    client_port.flush()
    hand.send(REQUEST, flags="PA", seq=1001, ack=answers[0].seq + 1)
    response = hand.receive(wanted=lambda tcp: len(tcp.payload) > 0)
    assert response and bytes(response[0].payload).startswith(b"HTTP/1.1 200 ")
    assert weir.pool("half_open")["in_use"] == 0
    hand.send(flags="R", seq=1001 + len(REQUEST))
    wait_until("the reset is counted", lambda: weir.ask("tcp")["reset_received"] == before["reset_received"] + 1)
    counted = {name: value - before[name] for name, value in weir.ask("tcp").items()}
    assert (counted["accepted"], counted["segments_in"], counted["bytes_in"]) == (1, 3, len(REQUEST))
    assert counted["syn_ack_retransmitted"] >= 2 and counted["retransmitted"] == 0 and counted["cookies_sent"] == counted["refused"] == 0


def test_listener_goes_meanwhile(weir, client_port):
    """Of a handshake whose listener a reload takes nothing goes on: no SYN-ACK again, and its ACK is refused."""
    hand, before = Hand(weir, client_port, V4, 4001), weir.ask("tcp")
    text = weir.config_path.read_text()
    hand.send(flags="S", seq=1000)
    answer = hand.receive()[0]
    weir.config_path.write_text(text.replace("[listener shop:80]", "[listener shop:81]"))
    weir.reload()
    try:
        wait_until("it is forgotten", lambda: weir.pool("half_open")["in_use"] == 0, 10)
        after = weir.ask("tcp")
        assert after["half_open_expired"] == before["half_open_expired"] + 1
        assert after["syn_ack_retransmitted"] <= before["syn_ack_retransmitted"] + 1, "the reload may have taken a second"
        resets, dropped = weir.ask("tcp")["reset_sent"], weir.drops().get("no_listener", 0)
        hand.send(flags="A", seq=1001, ack=answer.seq + 1)
        wait_until("its ACK is refused by the listener that drains, or finds none",
                   lambda: weir.ask("tcp")["reset_sent"] > resets or weir.drops().get("no_listener", 0) > dropped)
        assert weir.ask("tcp")["accepted"] == before["accepted"]
    finally:
        weir.config_path.write_text(text)
        weir.reload()


@pytest.mark.parametrize("ip", [V4, V6], ids=["v4", "v6"])
def test_listener_drains_meanwhile(weir, client_port, ip):
    """A listener that drains keeps the connections it has; a handshake under way gets RST."""
    old, new = Hand(weir, client_port, ip, 4002), Hand(weir, client_port, ip, 4003)
    text, before = weir.config_path.read_text(), weir.ask("tcp")
    old.send(flags="S", seq=1000)
    theirs = old.receive()[0].seq
    old.send(REQUEST[:9], flags="PA", seq=1001, ack=theirs + 1)
    wait_until("one is accepted", lambda: weir.ask("tcp")["accepted"] == before["accepted"] + 1)
    new.send(flags="S", seq=1000)
    answer = new.receive(wanted=lambda tcp: tcp.flags == "SA")[0]
    weir.config_path.write_text(text.replace("[listener shop:80]", "[listener shop:81]"))
    weir.reload()
    try:
        new.send(flags="A", seq=1001, ack=answer.seq + 1)
        refusal = new.receive(wanted=lambda tcp: "R" in tcp.flags)
        assert refusal and refusal[0].seq == answer.seq + 1
        assert weir.ask("tcp")["accepted"] == before["accepted"] + 1
        old.send(REQUEST[9:], flags="PA", seq=1010, ack=theirs + 1)
        response = old.receive(wanted=lambda tcp: len(tcp.payload) > 0)
        assert response and bytes(response[0].payload).startswith(b"HTTP/1.1 200 ")
    finally:
        old.send(flags="R", seq=1001 + len(REQUEST))
        weir.config_path.write_text(text)
        weir.reload()
