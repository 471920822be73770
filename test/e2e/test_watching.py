# SPDX-License-Identifier: BSD-3-Clause
"""What operators see: metrics, telemetry, capture."""

import json
import socket
import subprocess
import time
from pathlib import Path

import pytest

from conftest import BACK
from topology import ROOT, wait_until

SERVICES = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:53]
    protocol = UDP
    default_action = forward echo

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6

    [target_group web]
    protocol = TCP
    target = 198.18.2.11:80
    target = 198.18.2.12:80

    [target_group web6]
    protocol = TCP
    target = [2001:db8:2::11]:80

    [target_group echo]
    protocol = UDP
    health_check.port = 80
    target = 198.18.2.12:5353
"""


@pytest.fixture
def weir(start_weir):
    return start_weir(SERVICES)


def weirctl(weir, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([ROOT / "tools/weirctl", *arguments, "--instance", weir.instance], text=True,
                          capture_output=True, timeout=30)


def test_metrics_count_what_passed(lab, weir):
    assert lab.udp("198.18.1.10", 53, 7) == ["t2"] * 7
    metrics = weir.ask("metrics", load_balancer="shop")
    assert (metrics["NewFlowCount"], metrics["ActiveFlowCount"], metrics["ProcessedPackets"]) == (7, 7, 14)
    question = 20 + 8 + len("question 0")
    assert metrics["ProcessedBytes"] == 7 * (question + question + len("t2 "))
    target = weir.ask("target_health", target_group="echo")["targets"][0]
    assert (target["NewFlowCount"], target["ProcessedPackets"]) == (7, 14)


# DPDK's telemetry socket, as dpdk-telemetry.py uses it.


class Telemetry:
    def __init__(self, instance: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.connect(f"/var/run/dpdk/{instance}/dpdk_telemetry.v2")
        self.limit = json.loads(self.socket.recv(1024))["max_output_len"]

    def ask(self, command: str) -> dict:
        self.socket.send(command.encode())
        return json.loads(self.socket.recv(self.limit))[command.split(",")[0]]


def test_telemetry(lab, weir):
    assert lab.udp("198.18.1.10", 53, 7) == ["t2"] * 7
    telemetry = Telemetry(weir.instance)
    assert {"/weir/info", "/weir/lcores", "/weir/interfaces", "/weir/load_balancers", "/weir/listeners",
            "/weir/target_groups", "/weir/target_health", "/weir/metrics", "/weir/drops", "/weir/neighbors",
            "/weir/flows", "/weir/pools"} <= set(telemetry.ask("/"))
    assert telemetry.ask("/weir/info")["instance"] == weir.instance
    assert telemetry.ask("/weir/metrics,shop")["NewFlowCount"] == 7
    health = telemetry.ask("/weir/target_health,web")
    assert health["total"] == 2
    assert health["target"] == ["198.18.2.11:80", "198.18.2.12:80"]
    assert health["state"] == ["healthy", "healthy"]
    flows = telemetry.ask("/weir/flows,client=198.18.1.2,limit=3")
    assert flows["protocol"] == ["UDP"] * 3
    assert telemetry.ask("/weir/listeners")["name"] == ["shop:80", "shop:53", "shop6:80"]
    assert "error" in telemetry.ask("/weir/metrics,nothing")
    assert set(telemetry.ask("/weir/drops")) == set(weir.ask("drops"))


def test_telemetry_pages_long_lists(lab, start_weir):
    """5,000 targets come in pages that fit DPDK's limits, none twice, none missing."""
    targets = "".join(f"    target = 198.18.{3 + n // 250}.{1 + n % 250}:80\n" for n in range(5000))
    weir = start_weir("    [target_group many]\n    protocol = TCP\n    health_check.enabled = false\n" + targets +
                      "    [load_balancer l]\n    type = network\n    address = 198.18.1.10\n", healthy=False,
                      back=BACK + "gateway = 198.18.2.254\n")
    telemetry = Telemetry(weir.instance)
    seen: list[str] = []
    while len(seen) < 5000:
        page = telemetry.ask(f"/weir/target_health,target_group=many,offset={len(seen)}")
        assert page["offset"] == len(seen) and page["total"] == 5000
        seen += page["target"]
    assert len(set(seen)) == 5000


def test_dpdk_telemetry_py(weir):
    got = subprocess.run(["dpdk-telemetry.py", "-f", weir.instance], input="/weir/target_health,web\nquit\n",
                         text=True, capture_output=True, timeout=20)
    assert '"healthy"' in got.stdout


# Capture


def capture(weir, path: Path, *arguments: str) -> subprocess.Popen:
    process = subprocess.Popen([ROOT / "tools/weirctl", "capture", str(path), "--instance", weir.instance, *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def running() -> bool:
        try:
            return weir.ask("capture_status")["state"] == "running"
        except Exception:
            return False

    wait_until("capture to begin", running, 5, 0.02)
    return process


def tcpdump(path: Path, *filters: str) -> list[str]:
    done = subprocess.run(["tcpdump", "-nn", "-r", str(path), *filters], text=True, capture_output=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("chosen, flows, packets", [
    (["--listener", "shop:53"], "198.18.1.10.53", 40),
    (["--target", "198.18.2.12:5353"], "198.18.2.12.5353", 40),
    (["--address", "198.18.1.2"], "198.18.1.2", 80),  # nat: the client is seen on both sides
    (["--port", "5353"], ".5353", 40)], ids=lambda v: "")
def test_capture(lab, weir, tmp_path, chosen, flows, packets):
    """20 questions and answers: each packet once on the side that was asked for, readable by others."""
    path = tmp_path / "packets.pcapng"
    process = capture(weir, path, "--seconds", "30", *chosen)
    assert lab.udp("198.18.1.10", 53, 20) == ["t2"] * 20
    lab.http("http://[2001:db8:1::10]/", 3)
    time.sleep(0.2)
    weir.ask("capture_stop")
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors
    lines = tcpdump(path)
    assert len(lines) == packets
    assert all(flows in line for line in lines)
    fields = subprocess.run(["tshark", "-r", str(path), "-T", "fields", "-e", "frame.interface_name", "-e",
                             "udp.checksum.status", "-o", "udp.check_checksum:TRUE"], text=True,
                            capture_output=True, check=True).stdout.split("\n")
    assert all(line.split("\t")[1] == "1" for line in fields if line)
    assert {line.split("\t")[0] for line in fields if line} <= {"front", "back"}


def test_capture_ends_after_so_many_packets(lab, weir, tmp_path):
    path = tmp_path / "packets.pcapng"
    process = capture(weir, path, "--seconds", "30", "--packets", "10")
    lab.udp("198.18.1.10", 53, 20)
    assert process.wait(10) == 0
    assert len(tcpdump(path)) == 10


def test_capture_to_a_full_disk_does_not_disturb_forwarding(lab, weir):
    """/dev/full refuses every byte: the error is told, traffic goes on."""
    process = subprocess.Popen([ROOT / "tools/weirctl", "capture", "/dev/full", "--seconds", "2", "--instance",
                                weir.instance], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert lab.udp("198.18.1.10", 53, 30) == ["t2"] * 30
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "No space left" in errors
    assert weir.ask("info")["state"] == "running"


def test_capture_where_nothing_can_be_written(weir):
    got = weirctl(weir, "capture", "/proc/nowhere/packets.pcapng")
    assert got.returncode == 1 and "/proc/nowhere" in got.stderr
