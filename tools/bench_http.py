# SPDX-License-Identifier: BSD-3-Clause
"""tools/bench http: weir, HAProxy and nginx in turn as the same HTTP proxy.

The proxy alone runs on core 1; clients, targets and weir's management core are on core 0.  First
each proxy is driven as fast as it goes; then all get the same rate, 70 % of what the slowest
carried.  CPU per request is the time that core 1 was not idle over the requests answered, so weir
pays for its naps, too: waking up is most of it while there is little to do.  Beside it: weir's turns
that had work.  Access logs are on everywhere.

The kernel measures idle time, if it stops its tick then (NO_HZ), but user, system and interrupts it
samples every few milliseconds, which a load that a timer paces makes a fool of.

A veth pair receives on the sender's core: every proxy pays for its clients' and targets' kernels
receiving, and kernel proxies don't pay for their own, which favours them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Iterator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "test" / "e2e"))

import bench_rings  # noqa: E402
from idle_clients import IdleClients  # noqa: E402
from topology import BACK_V4, CLIENT_V4, FRONT_V4, Lab, end_process, wait_until  # noqa: E402
from weir_control import call  # noqa: E402

PROXY_CPU = max(os.sched_getaffinity(0))
OTHER_CPU = min(os.sched_getaffinity(0))
VIP = "198.18.1.10"
LOAD = ROOT / "build" / "test" / "perf" / "http_load"
CONNECTIONS = 64
IDLE_CONNECTIONS = 9000  # what kernel proxies can hold with the files that a process may open
IDLE_SOURCES = [f"198.18.1.{100 + i}" for i in range(4)]

CASES = {
    "keep-alive 1 KiB": ("/files/1k", False),
    "new connection 1 KiB": ("/files/1k", True),
    "keep-alive 64 KiB": ("/files/64k", False),
}

WEIR = """[system]
instance = weir-bench-http
state_directory = {directory}
log_directory = {directory}
shutdown_drain_seconds = 0
[management]
address = off
control_socket = {directory}/weir.sock
[dataplane]
workers = 1
lcores = 0@{other},1@{cpu}
idle = adaptive
[interface front]
device = net_af_packet0,iface=weir-front
mac = own
address = 198.18.1.1/24
[interface back]
device = net_af_packet1,iface=weir-back
mac = own
address = 198.18.2.1/24
[load_balancer shop]
type = application
address = {vip}
access_logs.s3.enabled = true
access_logs.s3.bucket = logs
[listener shop:80]
protocol = HTTP
default_action = forward web
[target_group web]
protocol = HTTP
target = 198.18.2.11:80
target = 198.18.2.12:80
"""

HAPROXY = """global
    nbthread 1
    maxconn 9500
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend front
    bind {vip}:80
    default_backend web
backend web
    option forwardfor
    server t1 198.18.2.11:80
    server t2 198.18.2.12:80
"""

NGINX = """worker_processes 1;
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
    access_log {directory}/access.log;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    keepalive_requests 10000000;
    upstream web {{
        server 198.18.2.11:80;
        server 198.18.2.12:80;
        keepalive 128;
        keepalive_requests 10000000;
    }}
    server {{
        listen {vip}:80 backlog=4096;
        location / {{
            proxy_pass http://web;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


def progress(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def busy_seconds() -> float:
    """That the proxy's core was not idle, up to a constant."""
    text, now = Path("/proc/stat").read_text(), time.monotonic()
    for line in text.splitlines():
        if line.startswith(f"cpu{PROXY_CPU} "):
            idle, iowait, _irq, _softirq, steal = map(int, line.split()[4:9])
            return now - (idle + iowait + steal) / os.sysconf("SC_CLK_TCK")
    raise RuntimeError("no such core in /proc/stat")


def turn_seconds(directory: Path) -> float:
    """Of weir's worker, in turns that had work; 0 for other proxies."""
    socket = directory / "weir.sock"
    if not socket.exists():
        return 0.0
    row = call(str(socket), "lcores")["lcores"][0]
    return row["busy_ticks"] / row["tick_hz"]


@contextlib.contextmanager
def measured(directory: Path) -> Iterator[dict]:
    """What the proxy's core does in the block: cpu_us and turn_us for each of the block's `n`."""
    result: dict = {}
    busy, turns = busy_seconds(), turn_seconds(directory)
    yield result
    busy, turns = busy_seconds() - busy, turn_seconds(directory) - turns
    result["cpu_us"], result["turn_us"] = (seconds * 1e6 / max(1, result["n"]) for seconds in (busy, turns))


@contextlib.contextmanager
def kernel_addresses(lab: Lab) -> Iterator[None]:
    """The proxy's namespace as an ordinary host, for proxies that use the kernel's TCP."""
    lab.lb.address("weir-front", f"{FRONT_V4}/24", f"{VIP}/24")
    lab.lb.address("weir-back", f"{BACK_V4}/24")
    try:
        yield
    finally:
        for device in ("weir-front", "weir-back"):
            lab.lb.ip("address", "flush", "dev", device)


TEMPLATES = {"weir": WEIR, "haproxy": HAPROXY, "nginx": NGINX}


@contextlib.contextmanager
def running(lab: Lab, name: str, directory: Path, templates: dict[str, str] = TEMPLATES,
            url: str = f"http://{VIP}/files/1k") -> Iterator[subprocess.Popen]:
    """One of the proxies, until the block ends."""
    directory.mkdir(exist_ok=True)
    text = templates[name]
    config = directory / f"{name}.conf"
    config.write_text(text.format(directory=directory, vip=VIP, cpu=PROXY_CPU, other=OTHER_CPU))
    command = {"weir": [str(ROOT / "build/app/weir"), "--config", str(config)],
               "haproxy": ["taskset", "-c", str(PROXY_CPU), "haproxy", "-db", "-f", str(config)],
               "nginx": ["taskset", "-c", str(PROXY_CPU), "nginx", "-e", f"{directory}/error.log",
                         "-c", str(config)]}[name]
    with contextlib.ExitStack() as stack:
        if name != "weir":
            stack.enter_context(kernel_addresses(lab))
        log = stack.enter_context(open(directory / "out", "wb"))
        process = lab.lb.start(*command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        stack.callback(end_process, process)
        try:
            wait_until(f"{name} answers", lambda: lab.client.try_run(
                "curl", "-skf", "-m", "1", "-o", "/dev/null", url).returncode == 0, 30)
        except TimeoutError:
            raise RuntimeError((directory / "out").read_text(errors="replace")) from None
        yield process


def load(lab: Lab, directory: Path, path: str, new: bool, rate: float, seconds: float) -> dict:
    """One run of the load on the proxy of `directory`."""
    with measured(directory) as cpu:
        done = lab.client.run("taskset", "-c", str(OTHER_CPU), str(LOAD), VIP, "80", path, str(CONNECTIONS),
                              f"{rate:.0f}", str(seconds), *(["new"] if new else []))
        result = json.loads(done.stdout)
        cpu["n"] = result["requests"]
    return {**result, **cpu, "rate": result["requests"] / result["seconds"]}


@contextlib.contextmanager
def network() -> Iterator[Lab]:
    with Lab(f"weir-bench-{os.getpid()}", targets=2) as lab:
        lab.serve_http()
        for target in lab.targets:
            files = lab.directory / target.name / "files"
            (files / "1k").write_bytes(os.urandom(1024))
            (files / "64k").write_bytes(os.urandom(65536))
            (files / "1m").write_bytes(os.urandom(1 << 20))
            for process in target.servers.values():
                subprocess.run(["taskset", "-a", "-p", "-c", str(OTHER_CPU), str(process.pid)],
                               check=True, capture_output=True)
        yield lab


def kernel_bytes() -> int:
    """Of sockets and all else that the kernel keeps in slabs."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["Slab"].split()[0]) * 1024


def own_bytes(directory: Path, name: str, process: subprocess.Popen) -> int:
    """Of a proxy itself: its objects in use where it counts them, else what is resident."""
    if name == "weir":
        pools = {row["name"]: row["bytes"] for row in call(str(directory / "weir.sock"), "pools")["pools"]}
        return pools["connections"] + pools["client_connections"]
    pids = [str(process.pid), *Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    return sum(int(line.split()[1]) * 1024 for pid in pids
               for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))


def idle_round(lab: Lab, name: str, directory: Path) -> dict:
    """Connections that ask nothing: CPU to accept one, bytes to keep it."""
    with running(lab, name, directory) as process:
        with IdleClients(lab.client, VIP, len(IDLE_SOURCES), IDLE_SOURCES):
            time.sleep(1)  # now neighbors are known
        own, kernel, busy = own_bytes(directory, name, process), kernel_bytes(), busy_seconds()
        with IdleClients(lab.client, VIP, IDLE_CONNECTIONS, IDLE_SOURCES,
                         prefix=("taskset", "-c", str(OTHER_CPU))) as clients:
            busy = busy_seconds() - busy
            time.sleep(0.5)
            return {"accept_us": busy * 1e6 / IDLE_CONNECTIONS, "seconds": clients.seconds,
                    "failed": clients.failed,
                    "own_bytes": (own_bytes(directory, name, process) - own) / IDLE_CONNECTIONS,
                    "kernel_bytes": (kernel_bytes() - kernel) / IDLE_CONNECTIONS}


def bench_idle(lab: Lab, proxies: list[str], rounds: int, directory: Path) -> dict:
    lab.client.address("eth0", *(f"{source}/24" for source in IDLE_SOURCES))
    runs: dict[str, list[dict]] = {name: [] for name in proxies}
    for i in range(rounds):
        for name in proxies:
            progress(f"{IDLE_CONNECTIONS} idle connections: {name}, round {i + 1} of {rounds}")
            runs[name].append(idle_round(lab, name, directory / name))
    return runs


def show_idle(runs: dict) -> None:
    """The clients' sockets are of the same kernel: what it keeps in weir's runs is theirs."""
    medians = {name: {key: statistics.median(r[key] for r in rows) for key in rows[0]}
               for name, rows in runs.items()}
    print(f"\n{IDLE_CONNECTIONS} idle connections of {len(IDLE_SOURCES)} clients (medians); "
          "kernel: beyond what it keeps for the clients")
    print(f"  {'':8} {'accept CPU us':>14} {'failed':>7} {'own bytes':>10} {'kernel bytes':>13} {'it/weir':>8}")
    for name, row in medians.items():
        accept = row["accept_us"]
        ratio = f"{accept / medians['weir']['accept_us']:.2f}" if "weir" in medians else ""
        kernel = row["kernel_bytes"] - medians["weir"]["kernel_bytes"] if "weir" in medians else 0
        print(f"  {name:8} {accept:14.1f} {row['failed']:7.0f} {row['own_bytes']:10.0f} {kernel:13.0f} {ratio:>8}")


def bench(proxies: list[str], rounds: int, seconds: float) -> dict:
    results: dict = {"proxies": proxies, "cases": {}}
    with network() as lab, tempfile.TemporaryDirectory(prefix="weir-bench-") as temporary:
        directory = Path(temporary)
        for case, (path, new) in CASES.items():
            fastest: dict[str, float] = {}
            for name in proxies:
                progress(f"{case}: {name} as fast as it goes")
                with running(lab, name, directory / name):
                    load(lab, directory / name, path, new, 0, min(1, seconds))
                    fastest[name] = load(lab, directory / name, path, new, 0, seconds)["rate"]
            rate = 0.7 * min(fastest.values())
            runs: dict[str, list[dict]] = {name: [] for name in proxies}
            for i in range(rounds):  # A-B-C-A-B-C
                for name in proxies:
                    progress(f"{case}: {name} at {rate:.0f}/s, round {i + 1} of {rounds}")
                    with running(lab, name, directory / name):
                        load(lab, directory / name, path, new, rate, min(1, seconds))
                        runs[name].append(load(lab, directory / name, path, new, rate, seconds))
            results["cases"][case] = {"rate": rate, "fastest": fastest, "runs": runs}
        results["idle"] = bench_idle(lab, proxies, rounds, directory)
    return results


def show(results: dict) -> None:
    print(f"HTTP proxies, one core, {CONNECTIONS} client connections, the same rate for all "
          "(medians; spread of CPU)")
    for case, found in results["cases"].items():
        print(f"\n{case}, {found['rate']:.0f} requests/s")
        print(f"  {'':8} {'fastest/s':>10} {'CPU us':>8} {'spread':>13} {'turns us':>9} {'p50 us':>8} {'p99 us':>8} "
              f"{'p99.9 us':>9} {'errors':>7} {'weir/it':>8}")
        medians = {name: statistics.median(r["cpu_us"] for r in runs)
                   for name, runs in found["runs"].items()}
        for name, runs in found["runs"].items():
            cpu = [r["cpu_us"] for r in runs]
            row = [statistics.median(r[key] for r in runs) for key in ("turn_us", "p50_us", "p99_us", "p999_us")]
            ratio = f"{medians['weir'] / medians[name]:.2f}" if "weir" in medians else ""
            spread = f"{min(cpu):.1f}-{max(cpu):.1f}"
            print(f"  {name:8} {found['fastest'][name]:10.0f} {medians[name]:8.1f} {spread:>13} "
                  f"{row[0]:9.1f} {row[1]:8.0f} {row[2]:8.0f} {row[3]:9.0f} {sum(r['errors'] for r in runs):7} {ratio:>8}")


def run(quick: bool) -> dict:
    for program in ("haproxy", "nginx"):
        if shutil.which(program) is None:
            raise SystemExit(f"bench: {program} is not installed: tools/setup")
    results = bench(["weir", "haproxy", "nginx"], 2 if quick else 5, 3 if quick else 10)
    show(results)
    show_idle(results["idle"])
    haproxy = results["cases"]["keep-alive 1 KiB"]["runs"]["haproxy"]
    results["rings"] = bench_rings.bench(quick)
    bench_rings.show(results["rings"], statistics.median(r["cpu_us"] for r in haproxy))
    return results
