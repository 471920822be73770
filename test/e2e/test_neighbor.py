# SPDX-License-Identifier: BSD-3-Clause
"""ARP and ND: answers, announcements, resolution with waiting packets, age."""

import pytest
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import (ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, ICMPv6NDOptSrcLLAddr, IPv6)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

from conftest import FRONT
from topology import wait_until

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
    [target_group echo]
    protocol = UDP
    preserve_client_ip.enabled = false
    health_check.port = 80
    target = 198.18.2.11:5353
"""
STRANGER, STRANGER6, MAC = "198.18.1.77", "2001:db8:1::77", "02:00:00:00:00:77"


def front_mac(weir) -> str:
    return weir.mac("front")


@pytest.mark.parametrize("address", ["198.18.1.1", "198.18.1.10"])
def test_arp_is_answered(start_weir, client_port, address):
    weir = start_weir(SERVICES)
    request = (Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC) /
               ARP(op=1, hwsrc=MAC, psrc=STRANGER, hwdst="00:00:00:00:00:00", pdst=address))
    reply = client_port.ask(request, lambda f: ARP in f and f[ARP].op == 2 and f.dst == MAC)
    assert reply is not None
    assert (reply[ARP].hwsrc, reply[ARP].psrc) == (front_mac(weir), address)
    assert (reply[ARP].hwdst, reply[ARP].pdst) == (MAC, STRANGER)
    assert reply.src == front_mac(weir)


@pytest.mark.parametrize("address", ["198.18.1.2", "198.18.2.1", "198.18.1.99"])
def test_arp_for_others_is_not_answered(start_weir, client_port, address):
    """Not for clients, not for addresses of another interface, not for nobody's."""
    weir = start_weir(SERVICES)
    request = Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC) / ARP(op=1, hwsrc=MAC, psrc=STRANGER, pdst=address)
    assert client_port.ask(request, lambda f: ARP in f and f[ARP].op == 2 and f.src == front_mac(weir),
                           0.4) is None


@pytest.mark.parametrize("address", ["2001:db8:1::1", "2001:db8:1::10"])
def test_neighbor_solicitation_is_answered(start_weir, client_port, address):
    weir = start_weir(SERVICES)
    low = address.split("::")[1].rjust(6, "0")
    group, group_mac = f"ff02::1:ff00:{address.split('::')[1]}", f"33:33:ff:{low[0:2]}:{low[2:4]}:{low[4:6]}"
    request = (Ether(dst=group_mac, src=MAC) / IPv6(src=STRANGER6, dst=group, hlim=255) /
               ICMPv6ND_NS(tgt=address) / ICMPv6NDOptSrcLLAddr(lladdr=MAC))
    reply = client_port.ask(request, lambda f: ICMPv6ND_NA in f and f.dst == MAC)
    assert reply is not None
    assert (reply[IPv6].src, reply[IPv6].dst, reply[IPv6].hlim) == (address, STRANGER6, 255)
    assert (reply[ICMPv6ND_NA].tgt, reply[ICMPv6ND_NA].S, reply[ICMPv6ND_NA].R) == (address, 1, 0)
    assert reply[ICMPv6NDOptDstLLAddr].lladdr == front_mac(weir)


def test_addresses_are_announced_at_start(start_weir, client_port):
    client_port.flush()
    start_weir(SERVICES)

    def announced(address: str):
        def wanted(f) -> bool:
            if ":" in address:
                return ICMPv6ND_NA in f and f[ICMPv6ND_NA].tgt == address and f[ICMPv6ND_NA].S == 0
            return ARP in f and f[ARP].psrc == f[ARP].pdst == address and f.dst == "ff:ff:ff:ff:ff:ff"
        return wanted

    wanted = {address: announced(address) for address in ("198.18.1.10", "2001:db8:1::10")}
    seen = client_port.receive(lambda f: any(w(f) for w in wanted.values()), 20, 2)
    for address, is_announcement in wanted.items():
        assert any(is_announcement(f) for f in seen), address


def test_new_address_is_announced_on_reload(start_weir, client_port):
    weir = start_weir(SERVICES)
    text = weir.config_path.read_text()
    weir.config_path.write_text(text.replace("address = 198.18.1.10\n", "address = 198.18.1.20\n"))
    client_port.flush()
    weir.reload()
    assert client_port.receive(lambda f: ARP in f and f[ARP].psrc == f[ARP].pdst == "198.18.1.20")


def test_packets_wait_for_resolution_and_come_in_order(start_weir, client_port):
    """weir asks for the client's address; what waits leaves when the answer comes."""
    weir = start_weir(SERVICES)
    ether = Ether(dst=front_mac(weir), src=MAC)
    client_port.flush()
    for n in range(5):
        client_port.send(ether / IP(src=STRANGER, dst="198.18.1.10") / UDP(sport=7000, dport=53) / Raw(f"q{n}"))
    asked = client_port.receive(lambda f: ARP in f and f[ARP].op == 1 and f[ARP].pdst == STRANGER)
    assert asked and asked[0][ARP].hwsrc == front_mac(weir)
    assert asked[0][ARP].psrc == "198.18.1.1"
    client_port.send(Ether(dst=asked[0][ARP].hwsrc, src=MAC) /
                     ARP(op=2, hwsrc=MAC, psrc=STRANGER, hwdst=asked[0][ARP].hwsrc, pdst="198.18.1.1"))
    replies = client_port.receive(lambda f: UDP in f and f[IP].dst == STRANGER, 5)
    assert [bytes(f[Raw].load).rstrip(b"\0") for f in replies] == [f"t1 q{n}".encode() for n in range(5)]
    assert all(f.dst == MAC for f in replies)


def test_silent_next_hop(start_weir, client_port):
    """At most 16 packets wait for one address; the rest and those that waited in vain are counted."""
    weir = start_weir(SERVICES)
    ether = Ether(dst=front_mac(weir), src=MAC)
    for n in range(30):
        client_port.send(ether / IP(src=STRANGER, dst="198.18.1.10") / UDP(sport=7000, dport=53) / Raw(f"q{n}"))
    wait_until("drops", lambda: sum(weir.ask("drops")[r] for r in
                                    ("neighbor_unresolved", "neighbor_queue_full")) == 30, 15)
    drops = weir.ask("drops")
    assert drops["neighbor_queue_full"] > 0 and drops["neighbor_unresolved"] > 0
    wait_until("buffers", lambda: weir.pool("mbufs")["in_use"] == 0)


def test_moved_neighbor_is_followed(lab, start_weir, client_port):
    """A gratuitous ARP from the client's new MAC redirects what weir sends to it."""
    weir = start_weir(SERVICES)
    ether = Ether(dst=front_mac(weir), src=MAC)
    ping = ether / IP(src=STRANGER, dst="198.18.1.1") / ICMP(seq=7)

    def answered_to(mac: str) -> bool:
        got = client_port.ask(ping, lambda f: ICMP in f and f[ICMP].type == 0 and f[ICMP].seq == 7)
        return got is not None and got.dst == mac

    for mac in (MAC, "02:00:00:00:00:78"):
        client_port.send(Ether(dst=front_mac(weir), src=mac) / ARP(op=1, hwsrc=mac, psrc=STRANGER, pdst="198.18.1.1"))
        wait_until(f"answers to {mac}", lambda: answered_to(mac), 2)
    row = next(n for n in weir.ask("neighbors")["neighbors"] if n["address"] == STRANGER)
    assert (row["mac"], row["interface"]) == ("02:00:00:00:00:78", "front")


def test_claims_for_weirs_own_addresses_do_not_stick(lab, start_weir, client_port):
    weir = start_weir(SERVICES)
    client_port.send(Ether(dst="ff:ff:ff:ff:ff:ff", src=MAC) /
                     ARP(op=1, hwsrc=MAC, psrc="198.18.1.10", pdst="198.18.1.10"))
    wait_until("drop", lambda: weir.ask("drops")["arp_invalid"] == 1)
    assert "198.18.1.10" not in {n["address"] for n in weir.ask("neighbors")["neighbors"]}
    assert lab.udp("198.18.1.10", 53, 5) == ["t1"] * 5


def test_target_side_next_hops_are_known_before_the_first_client(lab, start_weir):
    weir = start_weir(SERVICES)
    row = next(n for n in weir.ask("neighbors")["neighbors"] if n["address"] == "198.18.2.11")
    assert (row["state"], row["interface"], row["mac"]) == ("reachable", "back", lab.targets[0].ns.mac("eth0"))


def test_gateway_and_route(lab, start_weir, client_port):
    """Clients beyond a router: replies go to the gateway, or by the longest prefix."""
    weir = start_weir(SERVICES, front=FRONT + "gateway = 198.18.1.254\nroute = 203.0.113.0/24 via 198.18.1.253\n"
                      "neighbor = 198.18.1.254 02:00:00:00:00:fe\nneighbor = 198.18.1.253 02:00:00:00:00:fd\n")
    ether = Ether(dst=front_mac(weir), src=MAC)
    for client, hop in (("192.0.2.9", "02:00:00:00:00:fe"), ("203.0.113.9", "02:00:00:00:00:fd")):
        got = client_port.ask(ether / IP(src=client, dst="198.18.1.10") / UDP(sport=9, dport=53) / Raw("q"),
                              lambda f: UDP in f and f[UDP].sport == 53)
        assert got is not None and (got.dst, got[IP].dst) == (hop, client)
