# SPDX-License-Identifier: BSD-3-Clause
"""The work behind tools/quickstart."""

from __future__ import annotations

import argparse
import collections
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test/e2e"))

from topology import Topology, Weir  # noqa: E402

REQUESTS = 60


def say(text: str) -> None:
    print(f"== {text}", flush=True)


def table(rows: list[list[object]], indent: str = "   ") -> None:
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print(indent + "  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())


def build() -> None:
    say("building weir (meson setup build && ninja -C build)")
    if not (ROOT / "build/build.ninja").exists():
        subprocess.run(["meson", "setup", "build"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", "build", "--quiet", "app/weir"], cwd=ROOT, check=True)


def curl(topology: Topology, url: str, times: int) -> collections.Counter[str]:
    """Each request is a new connection."""
    answers: collections.Counter[str] = collections.Counter()
    for _ in range(times):
        done = topology.run("client", "curl", "-sg", "-m", "3", url, check=False)
        answers[done.stdout.split(" ")[0].strip() or "no answer"] += 1
    return answers


def udp(topology: Topology, times: int) -> collections.Counter[str]:
    answers: collections.Counter[str] = collections.Counter()
    for i in range(times):
        done = topology.run("client", "socat", "-t", "0.3", "-", "UDP:198.18.1.10:53", check=False,
                            input=f"hello {i}")
        answers[done.stdout.split(" ")[0] or "no answer"] += 1
    return answers


def send_traffic(topology: Topology) -> bool:
    """Real requests, and a table of who answered. @return whether all were answered."""
    say(f"{REQUESTS} requests with curl to http://198.18.1.10/ (TCP, IPv4)")
    v4 = curl(topology, "http://198.18.1.10/", REQUESTS)
    say(f"{REQUESTS // 2} requests with curl to http://[2001:db8:1::10]/ (TCP, IPv6)")
    v6 = curl(topology, "http://[2001:db8:1::10]/", REQUESTS // 2)
    say("10 datagrams with socat to 198.18.1.10:53 (UDP)")
    datagrams = udp(topology, 10)
    names = sorted(set(v4) | set(v6) | set(datagrams))
    say("which target answered how often")
    table([["target", "TCP IPv4", "TCP IPv6", "UDP"]] +
          [[name, v4[name], v6[name], datagrams[name]] for name in names])
    return "no answer" not in names


def show_state(weir: Weir) -> None:
    say("health of the targets (weirctl targets)")
    rows = [["target group", "target", "state", "flows", "packets"]]
    for t in weir.call("target_health")["targets"]:
        rows.append([t["target_group"], t["target"], t["state"], t["NewFlowCount"],
                     t["ProcessedPackets"]])
    table(rows)
    say("load balancers (weirctl metrics)")
    rows = [["load balancer", "NewFlowCount", "ProcessedPackets", "ProcessedBytes"]]
    for lb in weir.call("load_balancers")["load_balancers"]:
        rows.append([lb["name"], lb["NewFlowCount"], lb["ProcessedPackets"], lb["ProcessedBytes"]])
    table(rows)
    drops = {k: v for k, v in weir.call("drops").items() if v > 0}
    say("packets not forwarded, by reason (weirctl drops): " + (str(drops) if drops else "none"))


def show_how_to_go_on() -> None:
    print("""
To look further while weir runs (tools/quickstart --keep):
   tools/weirctl status                     what runs, and how it is doing
   tools/weirctl targets | flows | drops | neighbors
   tools/weirctl capture /tmp/shop.pcapng --listener shop:80 --seconds 10
   dpdk-telemetry.py -f weir                then /weir/target_health,web or /weir/drops
   ip netns exec weir-client curl http://198.18.1.10/
   edit conf/quickstart.ini, then tools/weirctl reload""")


def run(options: argparse.Namespace) -> int:
    build()
    topology = Topology("weir")
    with tempfile.TemporaryDirectory(prefix="weir-quickstart-") as temporary:
        directory = Path(temporary)
        config = ROOT / "conf/quickstart.ini"
        if options.no_huge:
            config = directory / "quickstart.ini"
            text = (ROOT / "conf/quickstart.ini").read_text()
            config.write_text(text.replace("[dataplane]\n", "[dataplane]\nhugepages = off\n"))
        try:
            say("making namespaces weir-client, weir-lb, weir-net, weir-t1, weir-t2, weir-t3")
            topology.create()
            say("starting nginx in weir-t1 to t3 and UDP echo servers in t1 and t2")
            for name in ("t1", "t2", "t3"):
                topology.start_nginx(name, directory)
            for name in ("t1", "t2"):
                topology.start_udp_echo(name, 5353)
            say(f"starting weir in weir-lb with {config.relative_to(ROOT) if config.is_relative_to(ROOT) else config}")
            weir = Weir(topology, config, log=directory / "weir.log")
            weir.start()
            weir.wait_healthy()
            complete = send_traffic(topology)
            show_state(weir)
            show_how_to_go_on()
            if options.keep:
                say("weir keeps running; Ctrl-C ends it and removes everything")
                try:
                    while weir.process is not None and weir.process.poll() is None:
                        time.sleep(0.5)
                except KeyboardInterrupt:
                    pass
            code = weir.stop()
            say(f"weir ended with {code}: " + weir.text().strip().split("\n")[-1])
            return 0 if complete and code == 0 else 1
        except KeyboardInterrupt:
            return 130
        finally:
            say("removing the namespaces")
            topology.destroy()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tools/quickstart", description="Build weir, lay out a network of namespaces, run weir on it "
        "with conf/quickstart.ini, send real traffic through it, show what happened, and remove it all.")
    parser.add_argument("--keep", action="store_true", help="leave weir running until Ctrl-C")
    parser.add_argument("--no-huge", action="store_true", help="run without huge pages")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        return run(options)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
