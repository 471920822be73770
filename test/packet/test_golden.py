# SPDX-License-Identifier: BSD-3-Clause
"""
Golden captures: frames into the real binary on pcap devices, what comes out compared byte by byte.

A case is a function that returns the frames of an interface; want/CASE.txt has the frames expected on
each interface, one line of hexadecimal each, with a comment by scapy.  WEIR_GOLDEN_WRITE=1 writes
them anew; look at the difference (git diff) before committing.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))

from scapy.all import (ARP, Dot1Q, Ether, ICMP, ICMPv6EchoRequest, IP, IPv6, Raw, TCP, UDP, rdpcap,  # noqa: E402
                       wrpcap)
from weir_control import call  # noqa: E402
import subprocess  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
WANT = Path(__file__).with_name("want")
WEIR = Path(os.environ.get("WEIR_BINARY", ROOT / "build/app/weir"))
CLIENT, TARGET = "02:00:00:00:01:01", "02:00:00:00:02:02"

CONFIG = """
[system]
instance = golden-{pid}
state_directory = {directory}
shutdown_drain_seconds = 0
[cluster]
secret_file = {directory}/secret
[management]
control_socket = {directory}/weir.sock
[dataplane]
lcores = 0@0,1@0
hugepages = off
max_flows = 4096
mbufs = 4096
[interface front]
device = net_pcap0,rx_pcap={directory}/front.pcap,tx_pcap={directory}/front-out.pcap
address = 192.0.2.1/24
address = 2001:db8:1::1/64
neighbor = 192.0.2.9 02:00:00:00:01:01
neighbor = 2001:db8:1::9 02:00:00:00:01:01
[interface tagged]
parent = front
vlan = 7
address = 192.0.7.1/24
neighbor = 192.0.7.9 02:00:00:00:01:07
[interface back]
device = net_pcap1,rx_pcap={directory}/back.pcap,tx_pcap={directory}/back-out.pcap
address = 198.51.100.1/24
address = 2001:db8:2::1/64
neighbor = 198.51.100.20 02:00:00:00:02:02
neighbor = 2001:db8:2::20 02:00:00:00:02:02
[load_balancer lb]
type = network
address = 192.0.2.10
[load_balancer lb6]
type = network
address = 2001:db8:1::10
[listener lb:80]
protocol = TCP_UDP
default_action = forward web
[listener lb6:80]
protocol = TCP
default_action = forward web6
[target_group web]
protocol = TCP_UDP
health_check.enabled = false
target = 198.51.100.20:8080
[target_group web6]
protocol = TCP
preserve_client_ip.enabled = true
health_check.enabled = false
target = [2001:db8:2::20]:8080
"""


def v4(proto, src="192.0.2.9", dst="192.0.2.10", **fields):
    return Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff") / IP(src=src, dst=dst, **fields) / proto


def v6(proto, src="2001:db8:1::9", dst="2001:db8:1::10", **fields):
    return Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff") / IPv6(src=src, dst=dst, **fields) / proto


SYN = dict(sport=4000, dport=80, flags="S", seq=1000)


def tcp_syn_ipv4():
    return [v4(TCP(**SYN, options=[("MSS", 1460)]))]


def tcp_syn_ipv6():
    return [v6(TCP(**SYN, options=[("MSS", 9000)]))]


def udp_ipv4():
    return [v4(UDP(sport=4000, dport=80) / Raw(b"hello")), v4(UDP(sport=4000, dport=80, chksum=0) / Raw(b"x"))]


def reset_for_unknown_segments():
    return [v4(TCP(sport=4000, dport=80, flags="A", seq=5, ack=77) / Raw(b"abc")),
            v4(TCP(sport=4000, dport=80, flags="FA", seq=5, ack=78)),
            v6(TCP(sport=4000, dport=80, flags="A", seq=5, ack=79)),
            v4(TCP(sport=4000, dport=80, flags="R", seq=5))]


def echo():
    return [v4(ICMP(id=7, seq=1) / Raw(b"ping")), v4(ICMP(id=7, seq=2), dst="192.0.2.1"),
            v6(ICMPv6EchoRequest(id=7, seq=3, data=b"ping"))]


def vlan():
    return [Ether(src="02:00:00:00:01:07", dst="ff:ff:ff:ff:ff:ff") / Dot1Q(vlan=7) /
            IP(src="192.0.7.9", dst="192.0.7.1") / ICMP(id=9, seq=1)]


def arp():
    return [Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff") /
            ARP(op=1, hwsrc=CLIENT, psrc="192.0.2.9", pdst="192.0.2.10")]


def ttl_runs_out():
    return [v4(TCP(**SYN), ttl=1), v6(TCP(**SYN), hlim=1)]


def malformed():
    """Nothing comes out; each is counted."""
    good = bytes(v4(TCP(**SYN)))
    frames = [good[:10], good[:30], good[:50], good[:14] + b"\x44" + good[15:], good[:24] + b"\0\0" + good[26:],
              bytes(v4(TCP(sport=4000, dport=80, flags="SF"))), bytes(v4(TCP(sport=0, dport=80, flags="S"))),
              bytes(v4(TCP(**SYN), src="192.0.2.10")), bytes(v4(TCP(**SYN), src="127.0.0.1")),
              bytes(v4(TCP(**SYN), src="192.0.2.1")), bytes(v4(TCP(**SYN), flags="MF")),
              bytes(v4(UDP(sport=4000, dport=80, len=4000))), bytes(v4(TCP(sport=4000, dport=81, flags="S"))),
              bytes(Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff", type=0x88cc) / Raw(b"lldp"))]
    return [Ether(f) if len(f) >= 14 else Raw(f) for f in frames]


CASES = [tcp_syn_ipv4, tcp_syn_ipv6, udp_ipv4, reset_for_unknown_segments, echo, vlan, arp, ttl_runs_out,
         malformed]


def is_announcement(frame) -> bool:
    return (ARP in frame and frame[ARP].psrc == frame[ARP].pdst) or (IPv6 in frame and frame[IPv6].nh == 58
                                                                      and frame[IPv6].dst == "ff02::1")


def normalise(frame) -> bytes:
    """The devices' own MAC addresses differ from run to run."""
    data = bytearray(bytes(frame))
    data[6:12] = b"\x02\0\0\0\0\xff"
    if ARP in frame:
        data[22:28] = b"\x02\0\0\0\0\xff"
    return bytes(data)


def run_weir(directory: Path, frames: list) -> dict[str, list]:
    wrpcap(str(directory / "front.pcap"), frames)
    wrpcap(str(directory / "back.pcap"), [], linktype=1)
    (directory / "secret").write_text("5" * 64 + "\n")
    (directory / "secret").chmod(0o600)
    config = directory / "weir.ini"
    config.write_text(CONFIG.format(pid=os.getpid(), directory=directory))
    with open(directory / "log", "wb") as log:
        weir = subprocess.Popen([str(WEIR), "--config", str(config)], stdout=log, stderr=log,
                                stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 60
        while time.monotonic() < end and weir.poll() is None:
            time.sleep(0.1)
            try:
                lcore = call(f"{directory}/weir.sock", "lcores")["lcores"][0]
            except OSError:
                continue
            if lcore["received"] == len(frames):
                break
        time.sleep(0.2)
    finally:
        weir.terminate()
        code = weir.wait(timeout=60)
    log_text = (directory / "log").read_text()
    assert code == 0 and "was given back" in log_text, log_text
    return {name: [f for f in rdpcap(str(directory / f"{name}-out.pcap")) if not is_announcement(f)]
            for name in ("front", "back")}


def as_text(out: dict[str, list]) -> str:
    lines = []
    for name, frames in out.items():
        for frame in frames:
            lines.append(f"# {Ether(normalise(frame)).summary()}")
            lines.append(f"{name} {normalise(frame).hex()}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.__name__)
def test_golden(case, tmp_path):
    got = as_text(run_weir(tmp_path, case()))
    want = WANT / f"{case.__name__}.txt"
    if os.environ.get("WEIR_GOLDEN_WRITE"):
        WANT.mkdir(exist_ok=True)
        want.write_text(got)
    assert got == want.read_text()
