# SPDX-License-Identifier: BSD-3-Clause
"""tools/geneve-appliance by itself: what it answers, counts and obeys."""

import json
import os
import subprocess

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6TimeExceeded, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from gateway import PROGRAM, Appliance, GatewayLab, geneve, options
from geneve_appliance import MANGLES
from raw_port import RawPort
from topology import end_process, wait_until

WEIR, APPLIANCE = "198.18.2.1", "198.18.2.11"
WEIR6, APPLIANCE6 = "2001:db8:2::1", "2001:db8:2::11"
SPORT = 51234
IDS = (0x1122334455667788, 0x99AABBCCDDEEFF00, 0xCAFE1234)
INNER = IP(src="10.0.0.1", dst="10.1.0.2") / UDP(sport=1000, dport=53) / Raw(b"question")
BACK = IP(src="10.1.0.2", dst="10.0.0.1") / UDP(sport=53, dport=1000) / Raw(b"answer")
INNER6 = IPv6(src="fd00::1", dst="fd00::2") / TCP(sport=1000, dport=80)


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}", appliances=1) as lab:
        yield lab


@pytest.fixture
def wire(lab):
    """Frames by hand on weir's side."""
    port = RawPort(lab.lb, "weir-back")
    yield port
    port.close()


@pytest.fixture
def start(lab):
    def start(*arguments: str) -> Appliance:
        return Appliance(lab.targets[0], str(lab.directory), *arguments)

    yield start
    if "appliance" in lab.targets[0].servers:
        lab.targets[0].stop("appliance")


def frame(lab, inner, header: bytes | None = None, outer: str = "v4"):
    ip = (IP(src=WEIR, dst=APPLIANCE, flags="DF", id=0, ttl=64) if outer == "v4" else
          IPv6(src=WEIR6, dst=APPLIANCE6))
    protocol = 0x86DD if IPv6 in inner else 0x0800
    return (Ether(src="02:00:00:00:00:01", dst=lab.targets[0].ns.mac("eth0")) / ip /
            UDP(sport=SPORT, dport=6081, chksum=0) /
            Raw((geneve(*options(*IDS), protocol=protocol) if header is None else header) + bytes(inner)))


def from_appliance(answer) -> bool:
    return UDP in answer and answer.src != "02:00:00:00:00:01" and SPORT in (answer[UDP].sport, answer[UDP].dport)


@pytest.mark.parametrize("outer", ["v4", "v6"])
@pytest.mark.parametrize("inner", [INNER, INNER6], ids=["inner-v4", "inner-v6"])
def test_answers_as_real_appliances_do(lab, wire, start, inner, outer):
    start()
    sent = frame(lab, inner, outer=outer)
    got = wire.ask(sent, from_appliance)
    assert got is not None
    assert (got.src, got.dst) == (sent.dst, sent.src)
    assert (got[UDP].sport, got[UDP].dport) == (SPORT, 6081)
    assert bytes(got[UDP].payload) == bytes(sent[UDP].payload)
    if outer == "v4":
        assert (got[IP].src, got[IP].dst) == (APPLIANCE, WEIR)
        assert (got[IP].ttl, got[IP].id, int(got[IP].flags)) == (2, 0, 0)
        checksum = got[IP].chksum
        del got[IP].chksum
        assert IP(bytes(got[IP])).chksum == checksum
    else:
        assert (got[IPv6].src, got[IPv6].dst, got[IPv6].hlim) == (APPLIANCE6, WEIR6, 2)


def test_counts_flows_by_direction(lab, wire, start):
    appliance = start()
    for inner in (INNER, INNER, BACK, INNER6):
        assert wire.ask(frame(lab, inner), from_appliance) is not None
    wire.send(frame(lab, INNER, header=geneve()))
    wait_until("count", lambda: appliance.counts()["invalid"] == 1)
    counts = appliance.counts()
    assert counts["packets"] == 4
    udp, tcp = counts["flows"]
    assert udp == {"protocol": "UDP", "a": "10.0.0.1:1000", "b": "10.1.0.2:53", "packets": [2, 1],
                   "bytes": [2 * len(INNER), len(BACK)], "endpoints": [f"{IDS[0]:#018x}"],
                   "attachments": [f"{IDS[1]:#018x}"], "cookies": [f"{IDS[2]:#010x}"]}
    assert (tcp["protocol"], tcp["a"], tcp["b"], tcp["packets"]) == ("TCP", "[fd00::1]:1000", "[fd00::2]:80", [1, 0])
    appliance.ask("reset")
    assert appliance.counts() == {"packets": 0, "invalid": 0, "flows": []}


def test_frames_for_others_are_left_alone(lab, wire, start):
    """A bridge floods frames whose station it has forgotten: the neighbours must not answer for it."""
    appliance = start()
    sent = frame(lab, INNER)
    sent.dst = "02:00:00:00:00:99"
    assert wire.ask(sent, from_appliance, 0.3) is None
    assert appliance.counts()["packets"] == 0


def test_modes(lab, wire, start):
    appliance = start("--mode", "drop")
    assert wire.ask(frame(lab, INNER), from_appliance, 0.3) is None
    appliance.mode("delay", "300")
    assert wire.ask(frame(lab, INNER), from_appliance, 0.2) is None
    assert len(wire.receive(from_appliance)) == 1
    appliance.mode("echo")
    assert wire.ask(frame(lab, INNER), from_appliance) is not None
    assert appliance.counts()["packets"] == 3
    with pytest.raises(AssertionError, match="no such mode"):
        appliance.mode("sing")
    process = lab.targets[0].servers["appliance"]
    with pytest.raises((AssertionError, OSError)):
        appliance.mode("die")
        appliance.ask("counts")
    assert process.wait(5) == 1


@pytest.mark.parametrize("kind", sorted(MANGLES))
def test_every_mangling_changes_something(lab, wire, start, kind):
    appliance = start()
    good = wire.ask(frame(lab, INNER), from_appliance)
    appliance.mode("mangle", kind)
    bad = wire.ask(frame(lab, INNER), from_appliance)
    assert bad is not None and bytes(bad[IP]) != bytes(good[IP])
    assert (bytes(bad[UDP]) == bytes(good[UDP])) == (kind == "source")
    assert bad[IP].len == len(bytes(bad)) - 14 and bad[UDP].len == bad[IP].len - 20


def test_health_checks(lab, start):
    appliance = start()
    got = lab.targets[0].ns.run("curl", "-sS", "-m", "5", "http://198.18.2.11/")
    assert got.stdout == "ok\n"
    appliance.ask("health", "off")
    assert not lab.targets[0].is_listening(80)
    appliance.ask("health", "on")
    assert lab.targets[0].is_listening(80)


def test_a_hop_counts_down_and_answers(lab, wire, start):
    start("--hop", "203.0.113.1", "--hop", "2001:db8:99::1")

    def ask(inner):
        return bytes(wire.ask(frame(lab, inner), from_appliance)[UDP].payload)[40:]

    assert IP(ask(INNER)).ttl == 63
    expired = IP(ask(IP(src="10.0.0.1", dst="10.1.0.2", ttl=1) / UDP(sport=1000, dport=53)))
    assert (expired.src, expired.dst, expired[ICMP].type) == ("203.0.113.1", "10.0.0.1", 11)
    expired = IPv6(ask(IPv6(src="fd00::1", dst="fd00::2", hlim=1) / UDP(sport=1000, dport=53)))
    assert ICMPv6TimeExceeded in expired and expired.src == "2001:db8:99::1"
    checksum = expired[ICMPv6TimeExceeded].cksum
    del expired[ICMPv6TimeExceeded].cksum
    assert IPv6(bytes(expired))[ICMPv6TimeExceeded].cksum == checksum


def test_command_line(lab, wire, start, tmp_path):
    dump = tmp_path / "counts.json"
    appliance = start("--dump", str(dump))
    wire.ask(frame(lab, INNER), from_appliance)

    def say(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run([PROGRAM, "--ask", appliance.control, *words], text=True, capture_output=True)

    assert json.loads(say("counts").stdout)["packets"] == 1
    assert (say("mode", "drop").stdout, say("mode", "drop").returncode) == ("ok\n", 0)
    assert say("mode", "sing").returncode == 1
    assert end_process(lab.targets[0].servers.pop("appliance")) == 0
    assert json.loads(dump.read_text())["packets"] == 1
    assert say("counts").returncode == 1
    for wrong in (["--mode", "sing"], ["--interface", "nothing"]):
        got = subprocess.run([PROGRAM, *wrong], text=True, capture_output=True)
        assert got.returncode == 2 and got.stderr.startswith("geneve-appliance: ")
    assert "examples:" in subprocess.run([PROGRAM, "--help"], text=True, capture_output=True).stdout
