# SPDX-License-Identifier: BSD-3-Clause
"""What operators see of gateway load balancers: metrics, flows, telemetry, capture, trace."""

import collections
import json
import os
import re
import subprocess
import time

import pytest

from gateway import SERVER_V4, SERVER_V6, GatewayLab, endpoint, far, fleet, gateway, ports_of, routed
from test_watching import Telemetry, capture, weirctl
from topology import CLIENT_V4, wait_until


@pytest.fixture(scope="module")
def lab():
    with GatewayLab(f"weir-e2e-{os.getpid()}") as lab:
        lab.serve()
        yield lab


@pytest.fixture
def appliances(lab):
    started = lab.start_appliances()
    yield started
    for appliance in started:
        appliance.stop()


@pytest.fixture
def weir(lab, appliances, start_weir):
    body = routed(lab).replace("[endpoint edge]\n", "[endpoint edge]\nid = 0x00000000deadbeef\n"
                               "attachment_id = 0x0123456789abcdef\n")
    return start_weir(body, more=far())


NAMES = {"ActiveFlowCount", "NewFlowCount", "ProcessedBytes", "ProcessedPackets", "PeakBytesPerSecond",
         "PeakPacketsPerSecond", "RejectedFlowCount", "RejectedFlowCount_TCP", "HealthyHostCount",
         "UnHealthyHostCount"}


def test_metrics_count_what_passed(lab, weir, appliances):
    """Names of namespace AWS/GatewayELB. Packets to and from appliances count, their bytes without overhead."""
    assert lab.udp(SERVER_V4, 5353, 7) == ["server"] * 7
    metrics = weir.ask("metrics", load_balancer="inspect")
    assert NAMES <= set(metrics)
    assert (metrics["NewFlowCount"], metrics["ActiveFlowCount"], metrics["ProcessedPackets"]) == (7, 7, 28)
    question = 20 + 8 + len("question 0")
    assert metrics["ProcessedBytes"] == 2 * 7 * (question + question + len("server "))
    assert (metrics["HealthyHostCount"], metrics["UnHealthyHostCount"]) == (3, 0)
    assert (metrics["RejectedFlowCount"], metrics["RejectedFlowCount_TCP"]) == (0, 0)
    wait_until("peaks", lambda: weir.ask("metrics", load_balancer="inspect")["PeakPacketsPerSecond"] > 0, 5)
    by_appliance = {t["target"]: t for t in weir.ask("target_health", target_group="inspect-fleet")["targets"]}
    for appliance in appliances:
        seen = appliance.flows("UDP")
        row = by_appliance[f"{appliance.target.v4}:6081"]
        assert (row["NewFlowCount"], row["ActiveFlowCount"]) == (len(seen), len(seen))
        assert row["ProcessedPackets"] == 2 * sum(sum(f["packets"]) for f in seen)


def test_rejected_flows_are_counted(lab, weir, appliances):
    """With every appliance gone from the group."""
    text = weir.config_path.read_text()
    weir.config_path.write_text(re.sub(r"target = .*\n", "", text))
    weir.reload()
    assert lab.udp(SERVER_V4, 5353, 2) == ["", ""]
    assert lab.client.try_run("curl", "-s", "-m", "0.5", f"http://{SERVER_V4}/").returncode != 0
    metrics = weir.ask("metrics", load_balancer="inspect")
    assert metrics["RejectedFlowCount"] >= 3 and metrics["RejectedFlowCount_TCP"] >= 1


def test_flows_by_appliance(lab, weir, appliances):
    assert lab.udp(SERVER_V4, 5353, 20) == ["server"] * 20
    for appliance in appliances:
        address = appliance.target.v4
        rows = weir.ask("flows", target=address, limit=1000)["flows"]
        assert {row["target"] for row in rows} == {f"{address}:6081"}
        assert {int(row["client"].rsplit(":", 1)[1]) for row in rows} == ports_of(appliance, "UDP")
        assert {row["cookie"] for row in rows} == {c for f in appliance.flows("UDP") for c in f["cookies"]}
    shown = weirctl(weir, "flows", "--target", appliances[0].target.v4)
    assert shown.returncode == 0 and f"{appliances[0].target.v4}:6081" in shown.stdout


def test_endpoints(weir):
    row, = weir.ask("endpoints")["endpoints"]
    assert (row["name"], row["load_balancer"], row["mode"]) == ("edge", "inspect", "routed")
    assert (row["id"], row["attachment_id"]) == ("0x00000000deadbeef", "0x0123456789abcdef")
    assert "front" in row["interfaces"] and "far" in row["interfaces"]
    assert "edge" in weirctl(weir, "endpoints").stdout


def test_telemetry(lab, weir):
    assert lab.udp(SERVER_V4, 5353, 5) == ["server"] * 5
    telemetry = Telemetry(weir.instance)
    metrics = telemetry.ask("/weir/metrics,inspect")
    assert NAMES <= set(metrics) and metrics["NewFlowCount"] == 5
    assert telemetry.ask("/weir/load_balancers")["type"] == ["gateway"]
    assert telemetry.ask("/weir/endpoints")["name"] == ["edge"]
    flows = telemetry.ask("/weir/flows,client=198.18.1.2,limit=3")
    assert flows["protocol"] == ["UDP"] * 3
    assert telemetry.ask("/weir/target_health,inspect-fleet")["state"] == ["healthy"] * 3
    assert {"geneve_cookie_foreign", "geneve_inner_other", "fragment_timeout"} <= set(telemetry.ask("/weir/drops"))


def test_status(lab, weir):
    shown = weirctl(weir, "status")
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"inspect +gateway", shown.stdout) and "GENEVE" in shown.stdout


# Capture.


def captured(weir, path, *chosen: str):
    return capture(weir, path, "--seconds", "30", *chosen)


def end_capture(weir, process) -> None:
    time.sleep(0.2)
    weir.ask("capture_stop")
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 0, errors


def tshark(path, *fields: str) -> list[list[str]]:
    arguments = [word for field in fields for word in ("-e", field)]
    done = subprocess.run(["tshark", "-r", str(path), "-T", "fields", *arguments], text=True, capture_output=True,
                          check=True)
    return [line.split("\t") for line in done.stdout.splitlines()]


def test_capture_at_the_appliances(lab, weir, appliances, tmp_path):
    """Each packet on its way to an appliance and back, in GENEVE that Wireshark can read."""
    path = tmp_path / "appliances.pcapng"
    process = captured(weir, path, "--listener", "inspect")
    assert lab.udp(SERVER_V4, 5353, 10) == ["server"] * 10
    end_capture(weir, process)
    rows = [row for row in tshark(path, "frame.interface_name", "ip.src", "ip.dst", "udp.dstport", "geneve.vni")
            if "6081" in row[3]]
    assert len(rows) == 10 * 2 * 2
    assert {row[0] for row in rows} == {"back"}
    directions = collections.Counter(row[1].split(",")[0] == "198.18.2.1" for row in rows)
    assert directions == {True: 20, False: 20}
    inner = collections.Counter(row[1].split(",")[1] for row in rows)
    assert inner == {CLIENT_V4: 20, SERVER_V4: 20}


def test_capture_of_one_appliance(lab, weir, appliances, tmp_path):
    path = tmp_path / "appliance.pcapng"
    process = captured(weir, path, "--target", f"{appliances[1].target.v4}:6081")
    assert lab.udp(SERVER_V4, 5353, 20) == ["server"] * 20
    end_capture(weir, process)
    rows = [row for row in tshark(path, "udp.dstport") if "6081" in row[0]]
    assert len(rows) == 2 * sum(sum(f["packets"]) for f in appliances[1].flows("UDP"))


def test_capture_before_and_after(lab, weir, appliances, tmp_path):
    """A host's packets as they came and as they left, on both sides."""
    path = tmp_path / "hosts.pcapng"
    process = captured(weir, path, "--address", CLIENT_V4)
    assert lab.udp(SERVER_V4, 5353, 10) == ["server"] * 10
    end_capture(weir, process)
    plain = [row for row in tshark(path, "frame.interface_name", "ip.src", "ip.ttl", "udp.dstport")
             if "," not in row[1] and row[3]]
    seen = collections.Counter((row[0], row[1]) for row in plain)
    assert seen == {("front", CLIENT_V4): 10, ("far", CLIENT_V4): 10, ("far", SERVER_V4): 10, ("front", SERVER_V4): 10}
    assert {(row[0], row[2]) for row in plain if row[1] == CLIENT_V4} == {("front", "64"), ("far", "63")}


# Trace.


def trace(weir, packet: str, *arguments: str) -> dict:
    done = weirctl(weir, "trace", "--json", packet, *arguments)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


ASK_FROM = """
import socket, sys
with socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as s:
    s.settimeout(2)
    s.bind(("", int(sys.argv[2])))
    s.connect((sys.argv[1], 5353))
    s.send(b"question")
    print(s.recv(100).decode().split()[0])
"""


@pytest.mark.parametrize("server, client", [(SERVER_V4, "198.18.1.2"), (f"[{SERVER_V6}]", "[2001:db8:1::2]")],
                         ids=["v4", "v6"])
def test_trace_tells_the_appliance_before_and_after(lab, weir, appliances, server, client):
    """What weir says it would do is what it does, for new flows and for old ones, in both directions."""
    for port in range(3001, 3013):
        said = trace(weir, f"udp {client}:{port} > {server}:5353")
        assert said["verdict"] == "inspect"
        text = "\n".join(said["steps"])
        chosen = re.search(r"Maglev chooses (\S+):6081", text)[1]
        assert "there is no flow" in text and "0x00000000deadbeef" in text
        assert lab.client.run("/usr/bin/python3", "-c", ASK_FROM, server.strip("[]"), str(port)).stdout == "server\n"
        assert [a.target.v4 for a in appliances if port in ports_of(a, "UDP")] == [chosen]
        for packet in (f"udp {client}:{port} > {server}:5353", f"udp {server}:5353 > {client}:{port}"):
            text = "\n".join(trace(weir, packet)["steps"])
            assert "there is a flow" in text and f"{chosen}:6081" in text


def test_trace_for_people(weir):
    shown = weirctl(weir, "trace", f"tcp {CLIENT_V4}:1000 > {SERVER_V4}:80")
    assert shown.returncode == 0
    assert "endpoint edge" in shown.stdout and "load balancer inspect" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "=>  inspect"


@pytest.mark.parametrize("packet", ["", "udp", "udp 1.2.3.4 > 5.6.7.8", "udp 1.2.3.4:5 > [::1]:6",
                                    "xyz 1.2.3.4 > 5.6.7.8", "udp 1.2.3.4:99999 > 5.6.7.8:1",
                                    "udp 1.2.3.4:5 5.6.7.8:1"])
def test_trace_refuses_nonsense(weir, packet):
    got = weirctl(weir, "trace", packet)
    assert got.returncode == 1 and len(got.stderr) > 20


def test_trace_tells_the_reason_of_a_drop(lab, weir):
    said = trace(weir, f"udp {SERVER_V4}:1 > {CLIENT_V4}:2", "--interface", "back")
    assert (said["verdict"], said["reason"]) == ("drop", "not_a_flow")
    said = trace(weir, f"udp {CLIENT_V4}:1 > 224.0.0.5:2", "--interface", "front")
    assert (said["verdict"], said["reason"]) == ("drop", "ip_multicast")
    said = trace(weir, f"udp 198.18.1.1:1 > {SERVER_V4}:2", "--interface", "front")
    assert (said["verdict"], said["reason"]) == ("drop", "ip_source_spoofed")
    assert weirctl(weir, "trace", f"udp {CLIENT_V4}:1 > {SERVER_V4}:2", "--interface", "nothing").returncode == 1


def test_trace_in_line_and_without_appliances(lab, start_weir):
    near_end = "device = net_af_packet0,iface=weir-front\n"
    body = gateway("inspect", fleet(lab), "weir.fail_mode = fail_close\n") + endpoint(
        "cable", "inspect", "front", "far", more="mode = in_line\n")
    weir = start_weir(body, healthy=False, front=near_end,
                      more="[interface far]\ndevice = net_af_packet2,iface=weir-far\n")
    wait_until("all unhealthy", lambda: set(weir.target_states().values()) == {"unhealthy"}, 20)
    said = trace(weir, "udp 10.0.0.1:53 > 10.1.0.2:53", "--interface", "front")
    assert (said["verdict"], said["reason"]) == ("drop", "target_unhealthy")
    assert "cable" in "\n".join(said["steps"])
