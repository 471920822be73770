# SPDX-License-Identifier: BSD-3-Clause
"""The work behind tools/bench."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import re
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Callable, Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import bench_http  # noqa: E402
import bench_tls  # noqa: E402
from weir_control import call  # noqa: E402

WEIR = ROOT / "build/app/weir"
CPU = str(max(os.sched_getaffinity(0)))

YARDSTICK_NS = 18.0  # testpmd 5tswap on net_null where absolute figures hold
QUIET_SPREAD = 1.5   # largest yardstick of a run over its smallest
WHOLE_TARGET = 0.6   # of testpmd's 5tswap packets per second at 64 k flows


@dataclasses.dataclass
class Service:
    """What is measured: a program that loops around the service, and a configuration of weir."""
    program: str
    loop: str                                # what the loop does, for people
    whole: str
    cases: list[tuple[int, str]]             # (flows, kind)
    targets: dict[tuple[int, str], float]    # nanoseconds a packet may take
    body: Callable[[], str]                  # of the configuration: load balancer and targets


def network_body(protocol: str = "UDP") -> str:
    lines = [f"local_address = 198.19.1.{i + 1}" for i in range(16)]
    lines.append(f"""[load_balancer lb]
type = network
address = 198.18.0.10
[listener lb:80]
protocol = {protocol}
default_action = forward g
[target_group g]
protocol = {protocol}
preserve_client_ip.enabled = false
health_check.enabled = false""")
    return "\n".join(lines + [f"target = 198.19.2.{i + 1}:80" for i in range(100)])


def gateway_body() -> str:
    lines = ["""[load_balancer lb]
type = gateway
[listener lb]
default_action = forward g
[endpoint e]
load_balancer = lb
interface = front
[target_group g]
protocol = GENEVE
health_check.enabled = false"""]
    return "\n".join(lines + [f"target = 198.19.2.{i + 1}:6081" for i in range(100)])


L4 = Service(
    "bench_nlb", "full_nat, 100 targets, both directions for hits", "UDP full_nat",
    [(f, "hit") for f in (1, 1_000, 64_000, 100_000, 1_000_000)] +
    [(f, "new") for f in (1_000, 64_000, 1_000_000)],
    {(1_000, "hit"): 100, (100_000, "hit"): 165, (1_000_000, "hit"): 220, (1_000, "new"): 500,
     (1_000_000, "new"): 830}, network_body)
GWLB = Service(
    "bench_gwlb", "routed, 100 appliances; hit: to the appliance, return: there and back",
    "UDP into GENEVE",
    [(f, "hit") for f in (1, 1_000, 100_000, 1_000_000)] +
    [(f, "return") for f in (1_000, 100_000, 1_000_000)] + [(f, "new") for f in (1_000, 1_000_000)],
    {(1_000, "hit"): 67, (100_000, "hit"): 111, (1_000_000, "hit"): 133}, gateway_body)


def progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def spread(values: list[float]) -> str:
    return f"{min(values):.1f}-{max(values):.1f}"


def table(rows: list[list[str]]) -> None:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


# The service path in a loop.

def service_round(what: Service, flows: int, kind: str) -> tuple[float, float]:
    """Nanoseconds per packet of one round, and bytes per flow."""
    program = str(ROOT / "build/test/perf" / what.program)
    done = subprocess.run(["taskset", "-c", CPU, program, str(flows), kind, "1"], text=True,
                          capture_output=True, check=True)
    values = [json.loads(line) for line in done.stdout.splitlines()]
    return values[0]["ns"], values[-1]["bytes_per_flow"]


def bench_service(what: Service, rounds: int, seconds: float) -> dict:
    """Each round: the yardstick, then every case with its null loop (A-B-A-B)."""
    cases = what.cases
    yardsticks: list[float] = []
    nulls: dict[tuple[int, str], list[float]] = {case: [] for case in cases}
    net: dict[tuple[int, str], list[float]] = {case: [] for case in cases}
    memory: dict[tuple[int, str], float] = {}
    for i in range(rounds):
        progress(f"round {i + 1} of {rounds}: yardstick, testpmd 5tswap on net_null")
        yardsticks.append(1e9 / testpmd("5tswap", ["net_null0", "net_null1"], seconds, 16384, 128))
        progress(f"round {i + 1} of {rounds}: service path")
        for case in cases:
            flows, kind = case
            nulls[case].append(service_round(what, flows, "null-new" if kind == "new" else "null")[0])
            ns, memory[case] = service_round(what, flows, kind)
            net[case].append(ns - nulls[case][-1])
    results = []
    for case in cases:
        scaled = [ns * YARDSTICK_NS / y for ns, y in zip(net[case], yardsticks)]
        results.append({"flows": case[0], "kind": case[1],
                        "null_ns": statistics.median(nulls[case]),
                        "ns": statistics.median(net[case]), "min_ns": min(net[case]),
                        "max_ns": max(net[case]), "scaled_ns": statistics.median(scaled),
                        "bytes_per_flow": memory[case], "target_ns": what.targets.get(case)})
    return {"yardstick_ns": yardsticks, "cases": results}


# testpmd.

def pages(memory_mb: int) -> list[str]:
    """EAL's memory options: huge pages when enough are free, as weir chooses for itself."""
    free = int(Path("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages").read_text())
    return ["--in-memory" if free * 2 >= memory_mb else "--no-huge", "-m", str(memory_mb)]


def testpmd(mode: str, devices: list[str], seconds: float, mbufs: int, memory_mb: int) -> float:
    """Packets per second that testpmd receives and forwards."""
    arguments = ["dpdk-testpmd", "-l", f"0,{CPU}", "--no-pci",
                 *pages(memory_mb), "--no-telemetry", "--log-level=lib.eal:error"]
    for device in devices:
        arguments.append(f"--vdev={device}")
    arguments += ["--", "-i", f"--forward-mode={mode}", f"--total-num-mbufs={mbufs}", "--burst=64"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    assert process.stdin is not None
    process.stdin.write("start\n")
    process.stdin.flush()
    time.sleep(4)  # its start-up, which loads the capture
    process.stdin.write("clear port stats all\nclear fwd stats all\n")
    process.stdin.flush()
    time.sleep(seconds)
    process.stdin.write("show fwd stats all\n")
    process.stdin.flush()
    time.sleep(0.2)
    output = process.communicate("stop\nquit\n", timeout=60)[0]
    accumulated = output.split("Accumulated forward statistics")[1]
    packets = int(re.search(r"TX-packets:\s*(\d+)", accumulated).group(1))
    return packets / seconds


# The whole binary on net_pcap.

def write_capture(path: Path, flows: int) -> None:
    """UDP packets of distinct clients and ports to 198.18.0.10:80, all checksums right, for net_pcap's MAC."""
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for i in range(flows):
            client = 0xC6120000 + 256 + i // 60000
            ports = struct.pack(">HHHH", 2000 + i % 60000, 80, 26, 0)
            frame = (bytes.fromhex("0270636170000200000000020800") + ip_header(client, 46, 17) + ports +
                     b"\0" * 18)
            out.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)


def ip_header(client: int, length: int, protocol: int) -> bytes:
    ip = struct.pack(">BBHHHBBHII", 0x45, 0, length, 0, 0, 64, protocol, 0, client, 0xC612000A)
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xFFFF) + (total >> 16)
    return ip[:10] + struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF) + ip[12:]


def write_syns(path: Path, flows: int) -> None:
    """TCP SYNs of distinct clients and ports to 198.18.0.10:80; sums of TCP are left out."""
    record = struct.pack("<IIII", 0, 0, 60, 60) + bytes.fromhex("0270636170000200000000020800")
    tail = struct.pack(">HIIHHHH", 80, 1, 0, 0x5002, 65535, 0, 0) + b"\0" * 6
    ports = [struct.pack(">H", 2000 + i) for i in range(60000)]
    with open(path, "wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for begin in range(0, flows, len(ports)):
            head = record + ip_header(0xC6120000 + 256 + begin // len(ports), 40, 6)
            out.write(b"".join(head + port + tail for port in ports[:flows - begin]))


def weir_config(body: str, directory: Path, device: str, mbufs: int, max_flows: int = 1048576) -> Path:
    lines = [f"""[system]
instance = weir-bench
state_directory = {directory}
shutdown_drain_seconds = 0
[management]
address = off
control_socket = {directory}/weir.sock
[dataplane]
workers = 1
lcores = 0@0,1@{CPU}
idle = poll
mbufs = {mbufs}
max_flows = {max_flows}
[interface front]
device = {device}
address = 198.18.0.1/16
[interface back]
device = net_null0,no-rx=1
address = 198.19.0.1/16"""]
    lines += [f"neighbor = 198.19.2.{i + 1} 02:00:00:00:01:{i:02x}" for i in range(100)]
    lines.append(body)
    path = directory / "bench.ini"
    path.write_text("\n".join(lines) + "\n")
    return path


def lcore(socket: str) -> dict:
    return call(socket, "lcores")["lcores"][0]


@contextlib.contextmanager
def running_weir(directory: Path, config: Path) -> Iterator[str]:
    """A weir that is ready; its control socket."""
    log = open(directory / "weir.log", "w")
    process = subprocess.Popen([str(WEIR), "--config", str(config)], stdout=log, stderr=log)
    try:
        end = time.monotonic() + 60
        while "weir: ready" not in (directory / "weir.log").read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError((directory / "weir.log").read_text())
            time.sleep(0.1)
        yield f"{directory}/weir.sock"
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def weir_whole(what: Service, directory: Path, capture: Path, mbufs: int, seconds: float) -> dict:
    config = weir_config(what.body(), directory, f"net_pcap0,rx_pcap={capture},infinite_rx=1", mbufs)
    with running_weir(directory, config) as socket:
        time.sleep(2)  # flows are made
        before, begin = lcore(socket), time.monotonic()
        time.sleep(seconds)
        after, elapsed = lcore(socket), time.monotonic() - begin
        packets = after["transmitted"] - before["transmitted"]
        busy = (after["busy_ticks"] - before["busy_ticks"]) / max(1, packets)
        return {"pps": packets / elapsed, "busy_cycles": busy}


# New flows of the whole binary: a capture read once, so that no packet finds a flow.

def weir_new_flows(directory: Path, capture: Path, flows: int) -> dict:
    """Packets per second of busy time, in which the whole capture is read."""
    config = weir_config(network_body("TCP"), directory, f"net_pcap0,rx_pcap={capture}", 32768,
                         flows * 5 // 4)
    with running_weir(directory, config) as socket:
        end = time.monotonic() + 60
        while (row := lcore(socket))["received"] < flows and time.monotonic() < end:
            time.sleep(0.05)
        made = call(socket, "metrics", {"load_balancer": "lb"})["NewFlowCount"]
        if made != flows:
            raise RuntimeError(f"{made} of {flows} SYNs began a flow")
        return {"pps": flows / (row["busy_ticks"] / row["tick_hz"]), "busy_cycles": row["busy_ticks"] / flows}


def testpmd_once(capture: Path, flows: int) -> float:
    """Packets per second of testpmd's busy time on the same capture: cycles a packet, as it counts them."""
    arguments = ["dpdk-testpmd", "-l", f"0,{CPU}", "--no-pci", *pages(384), "--no-telemetry",
                 "--log-level=lib.eal:error", f"--vdev=net_pcap0,rx_pcap={capture}", "--vdev=net_null0,no-rx=1",
                 "--", "-i", "--forward-mode=5tswap", "--total-num-mbufs=32768", "--burst=64",
                 "--no-flush-rx", "--record-core-cycles"]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True)
    assert process.stdin is not None
    process.stdin.write("start\n")
    process.stdin.flush()
    time.sleep(5 + flows / 1e6)
    output = process.communicate("show fwd stats all\nstop\nquit\n", timeout=60)[0]
    if int(re.findall(r"TX-packets:\s*(\d+)", output.split("Accumulated forward statistics")[1])[0]) != flows:
        raise RuntimeError("testpmd did not read the whole capture")
    cycles, mhz = re.search(r"CPU cycles/packet=([\d.]+).* at (\d+) MHz", output).groups()
    return int(mhz) * 1e6 / float(cycles)


def bench_new_flows(rounds: int) -> list[dict]:
    results = []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as temporary:
        directory = Path(temporary)
        for flows in (60_000, 1_000_000):
            capture = directory / f"{flows}.pcap"
            write_syns(capture, flows)
            rates: dict[str, list[float]] = {"5tswap": [], "weir": []}
            cycles = []
            for i in range(rounds):  # A-B-A-B
                progress(f"new flows of the whole binary, {flows}, round {i + 1} of {rounds}")
                rates["5tswap"].append(testpmd_once(capture, flows))
                measured = weir_new_flows(directory, capture, flows)
                rates["weir"].append(measured["pps"])
                cycles.append(measured["busy_cycles"])
            medians = {name: statistics.median(values) for name, values in rates.items()}
            results.append({"flows": flows, "pps": medians, "rounds": rates, "ns": 1e9 / medians["weir"],
                            "busy_cycles": statistics.median(cycles),
                            "ratio": medians["weir"] / medians["5tswap"]})
    return results


def bench_whole(what: Service, rounds: int, seconds: float) -> list[dict]:
    results = []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as temporary:
        directory = Path(temporary)
        for flows in (1, 1_000, 64_000):
            capture = directory / f"{flows}.pcap"
            packets = max(flows, 64)
            write_capture(capture, flows)
            mbufs = packets + 32768
            devices = [f"net_pcap0,rx_pcap={capture},infinite_rx=1", "net_null0,no-rx=1"]
            rates: dict[str, list[float]] = {"io": [], "macswap": [], "5tswap": [], "weir": []}
            cycles = []
            for i in range(rounds):  # A-B-A-B
                progress(f"whole binary, {flows} flows, round {i + 1} of {rounds}")
                for mode in ("io", "macswap", "5tswap"):
                    rates[mode].append(testpmd(mode, devices, seconds, mbufs, 384))
                measured = weir_whole(what, directory, capture, mbufs, seconds)
                rates["weir"].append(measured["pps"])
                cycles.append(measured["busy_cycles"])
            medians = {name: statistics.median(values) for name, values in rates.items()}
            results.append({"flows": flows, "pps": medians, "rounds": rates,
                            "ns": 1e9 / medians["weir"], "busy_cycles": statistics.median(cycles),
                            "ratio": medians["weir"] / medians["5tswap"],
                            "target_ratio": WHOLE_TARGET if flows == 64_000 else None})
    return results


def show_service(what: Service, service: dict) -> None:
    yardsticks = service["yardstick_ns"]
    print(f"\nservice path in a loop ({what.loop}; the loop's own "
          f"cost subtracted)\nyardstick: testpmd 5tswap on net_null "
          f"{statistics.median(yardsticks):.1f} ns a packet ({spread(yardsticks)}); figures also "
          f"scaled to {YARDSTICK_NS:.0f} ns, round by round")
    if max(yardsticks) > QUIET_SPREAD * min(yardsticks):
        print("the machine was not quiet: its own yardstick varies too much for these figures to "
              "be compared")
    rows = [["flows", "kind", "ns", "spread", "scaled ns", "target", "loop ns", "bytes/flow"]]
    for r in service["cases"]:
        rows.append([f"{r['flows']}", r["kind"], f"{r['ns']:.1f}",
                     f"{r['min_ns']:.1f}-{r['max_ns']:.1f}", f"{r['scaled_ns']:.1f}",
                     "-" if r["target_ns"] is None else str(r["target_ns"]), f"{r['null_ns']:.1f}",
                     f"{r['bytes_per_flow']:.0f}"])
    table(rows)


def show_whole(what: Service, results: list[dict]) -> None:
    print(f"\nwhole binary on net_pcap infinite_rx, null out, one worker, {what.whole}, "
          "million packets a second")
    rows = [["flows", "weir", "spread", "ns", "busy cycles", "io", "macswap", "5tswap", "spread",
             "weir/5tswap", "target"]]
    for r in results:
        m = {name: rate / 1e6 for name, rate in r["pps"].items()}
        rows.append([str(r["flows"]), f"{m['weir']:.2f}",
                     spread([x / 1e6 for x in r["rounds"]["weir"]]), f"{r['ns']:.0f}",
                     f"{r['busy_cycles']:.0f}", f"{m['io']:.2f}", f"{m['macswap']:.2f}",
                     f"{m['5tswap']:.2f}", spread([x / 1e6 for x in r["rounds"]["5tswap"]]),
                     f"{r['ratio']:.2f}", "-" if r["target_ratio"] is None else str(r["target_ratio"])])
    table(rows)


def show_new_flows(results: list[dict]) -> None:
    print("\nnew flows of the whole binary: TCP SYNs of distinct clients from net_pcap, each read once, null "
          "out, one worker, full_nat, million a second of busy time")
    rows = [["flows", "weir", "spread", "ns", "busy cycles", "5tswap", "spread", "weir/5tswap"]]
    for r in results:
        m = {name: rate / 1e6 for name, rate in r["pps"].items()}
        rows.append([str(r["flows"]), f"{m['weir']:.2f}", spread([x / 1e6 for x in r["rounds"]["weir"]]),
                     f"{r['ns']:.0f}", f"{r['busy_cycles']:.0f}", f"{m['5tswap']:.2f}",
                     spread([x / 1e6 for x in r["rounds"]["5tswap"]]), f"{r['ratio']:.2f}"])
    table(rows)


def bench(what: Service, options: argparse.Namespace) -> dict:
    rounds = 2 if options.quick else 5
    seconds = 2.0 if options.quick else 4.0
    result: dict = {}
    if not options.whole and not options.new_flows:
        result["service"] = bench_service(what, rounds, seconds)
        show_service(what, result["service"])
    if not options.service:
        if not options.new_flows:
            result["whole"] = bench_whole(what, rounds, seconds)
            show_whole(what, result["whole"])
        if what is L4:
            result["new_flows"] = bench_new_flows(rounds)
            show_new_flows(result["new_flows"])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/bench", description="Measure weir, with its yardsticks in the same run, in turns "
        "(A-B-A-B); medians and spread.", epilog="examples: tools/bench l4; tools/bench gwlb --service "
        "--quick; tools/bench l4 --json l4.json")
    parser.add_argument("what", choices=["l4", "gwlb", "http", "tls", "rules"], help="l4: flows through the network load "
                        "balancer; gwlb: through the gateway load balancer; http: requests through the application load "
                        "balancer, HAProxy and nginx; tls: handshakes and requests over TLS beside HAProxy; rules: a "
                        "request's rule among 1, 100, 1,000")
    parser.add_argument("--service", action="store_true", help="only the service path in a loop")
    parser.add_argument("--whole", action="store_true", help="only the whole binary")
    parser.add_argument("--new-flows", action="store_true", help="only new flows of the whole binary")
    parser.add_argument("--quick", action="store_true", help="two short rounds instead of five")
    parser.add_argument("--json", metavar="FILE", help="write all figures as JSON")
    options = parser.parse_args()
    if not (ROOT / "build/build.ninja").exists():
        subprocess.run(["meson", "setup", "build"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", "build", "--quiet"], cwd=ROOT, check=True)
    if options.what == "rules":
        return subprocess.run([ROOT / "build/test/perf/bench_rules"]).returncode
    subprocess.run([ROOT / "tools/hugepages", "reserve", "bench", "1024"])
    try:
        if options.what == "http":
            result = bench_http.run(options.quick)
        elif options.what == "tls":
            result = bench_tls.run(options.quick)
        else:
            result = bench(L4 if options.what == "l4" else GWLB, options)
    finally:
        subprocess.run([ROOT / "tools/hugepages", "restore", "bench"])
    if options.json:
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
