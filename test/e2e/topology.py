# SPDX-License-Identifier: BSD-3-Clause
"""A network on one machine: a client, weir between two veth pairs, and targets behind a bridge.

      PREFIX-client            PREFIX-lb               PREFIX-net            PREFIX-t1, -t2, ...
    eth0 198.18.1.2 -------- weir-front
         2001:db8:1::2         [weir]
                             weir-back ------------ uplink (bridge) ------- eth0 198.18.2.11, .12 ...
                                                                                 2001:db8:2::11 ...

weir has no address in the kernel of its namespace: it takes frames from weir-front and weir-back by
itself.  Targets' default route is weir (198.18.2.1, 2001:db8:2::1), so that replies come back through
it when it keeps the clients' addresses.

tools/quickstart and test/e2e both use this.  Everything needs root.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, Callable, Sequence

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"  # Debian's, which has scapy
UDP_ECHO = str(Path(__file__).with_name("udp_echo.py"))
DIRECTORY = Path("/run/weir-lab")  # servers' files and logs, a directory for each lab

CLIENT_V4, CLIENT_V6 = "198.18.1.2", "2001:db8:1::2"
FRONT_V4, FRONT_V6 = "198.18.1.1", "2001:db8:1::1"
BACK_V4, BACK_V6 = "198.18.2.1", "2001:db8:2::1"


def target_v4(n: int) -> str:
    """Address of target n, counted from 1."""
    return f"198.18.2.{10 + n}"


def target_v6(n: int) -> str:
    return f"2001:db8:2::{10 + n}"


def run(*command: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command that must succeed; on failure say what it printed."""
    done = subprocess.run(command, text=True, capture_output=True, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def wait_until(what: str, condition: Callable[[], Any], seconds: float = 10, every: float = 0.05) -> Any:
    """Poll until `condition` returns something true; it is returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(every)


def end_process(process: subprocess.Popen, seconds: float = 5) -> int:
    """Ask a process that we started to end, then make it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class Namespace:
    """A network namespace, with what runs in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "add", name)
        self.sysctl("net.ipv6.conf.all.accept_dad=0", "net.ipv6.conf.default.accept_dad=0",
                    "net.ipv6.conf.default.accept_ra=0")
        self.ip("link", "set", "lo", "up")

    def command(self, *command: str) -> list[str]:
        """`command`, to be run inside."""
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", *command]

    def run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return run(*self.command(*command), **options)

    def try_run(self, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """As run(), but the caller looks at the return code."""
        return subprocess.run(self.command(*command), text=True, capture_output=True, **options)

    def start(self, *command: str, **options: Any) -> subprocess.Popen:
        return subprocess.Popen(self.command(*command), **options)

    def ip(self, *arguments: str) -> None:
        run("ip", "-n", self.name, *arguments)

    def sysctl(self, *settings: str) -> None:
        self.run("sysctl", "-q", *settings)

    def address(self, device: str, *addresses: str) -> None:
        for address in addresses:
            flags = ["nodad"] if ":" in address else []
            self.ip("address", "add", address, "dev", device, *flags)

    def plain(self, *devices: str) -> None:
        """No offloads: frames look as they would on a cable."""
        for device in devices:
            self.run("ethtool", "-K", device, "rx", "off", "tx", "off", "sg", "off", "tso", "off",
                     "gso", "off", "gro", "off", "txvlan", "off", "rxvlan", "off")

    def up(self, *devices: str) -> None:
        for device in devices:
            self.ip("link", "set", device, "up")

    def mac(self, device: str) -> str:
        return re.search(r"link/ether (\S+)", self.run("ip", "link", "show", device).stdout)[1]

    def remove(self) -> None:
        remove_namespace(self.name)


def remove_namespace(name: str) -> None:
    """Remove one of our namespaces and end what still runs in it."""
    found = subprocess.run(["ip", "netns", "pids", name], text=True, capture_output=True)
    pids = [int(pid) for pid in found.stdout.split()]
    for sign, seconds in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        for pid in pids:
            try:
                os.kill(pid, sign)
            except ProcessLookupError:
                pass
        end = time.monotonic() + seconds
        while pids and time.monotonic() < end:
            pids = [pid for pid in pids if is_running(pid)]
            time.sleep(0.02)
    subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def namespaces(pattern: str) -> list[str]:
    """Names of the machine's namespaces that match a regular expression completely."""
    directory = Path("/run/netns")
    names = sorted(p.name for p in directory.iterdir()) if directory.is_dir() else []
    return [name for name in names if re.fullmatch(pattern, name)]


def remove_lab(prefix: str) -> list[str]:
    """Remove what another process left of a lab; the namespaces' names."""
    left = namespaces(re.escape(prefix) + "-(client|lb|net|wire|server|t[0-9]+)")
    for name in left:
        remove_namespace(name)
    shutil.rmtree(DIRECTORY / prefix, ignore_errors=True)
    return left


class Host:
    """A namespace with servers in it."""

    def __init__(self, name: str, ns: Namespace) -> None:
        self.name = name
        self.ns = ns
        self.servers: dict[str, subprocess.Popen] = {}

    def serve(self, kind: str, *command: str, ready: Callable[[], bool] | None = None) -> None:
        """Start a server; `ready` tells when it listens.  Ctrl-C doesn't reach it."""
        self.servers[kind] = self.ns.start(*command, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, start_new_session=True)
        if ready is not None:
            wait_until(f"{kind} on {self.name}", ready, 15)

    def is_listening(self, port: int, udp: bool = False) -> bool:
        flag = "-lun" if udp else "-ltn"
        return f":{port} " in self.ns.run("ss", "-H", flag, "sport", "=", str(port)).stdout + " "

    def stop(self, kind: str) -> None:
        """End a server; new connections are refused from then on."""
        end_process(self.servers.pop(kind))

    def close(self) -> None:
        for kind in list(self.servers):
            self.stop(kind)
        self.ns.remove()


class Target(Host):
    """A namespace with one server's addresses."""

    def __init__(self, prefix: str, number: int, network: Namespace) -> None:
        super().__init__(f"t{number}", Namespace(f"{prefix}-t{number}"))
        self.number = number
        self.v4, self.v6 = target_v4(number), target_v6(number)
        network.ip("link", "add", self.name, "type", "veth", "peer", "name", "eth0",
                   "netns", self.ns.name)
        network.ip("link", "set", self.name, "master", "bridge")
        network.plain(self.name)
        self.ns.plain("eth0")
        self.ns.address("eth0", f"{self.v4}/24", f"{self.v6}/64")
        network.up(self.name)
        self.ns.up("eth0")
        self.ns.ip("route", "add", "default", "via", BACK_V4)
        self.ns.ip("-6", "route", "add", "default", "via", BACK_V6)


class Lab:
    """The whole network.  Use it in a `with` block, or call close()."""

    def __init__(self, prefix: str, targets: int = 3, front: Sequence[str] = (), wire: bool = False) -> None:
        """
        prefix  begins every namespace's name
        front   further arguments for the veth pair weir-front, such as "numrxqueues", "2"
        wire    put PREFIX-wire between client and weir; nothing passes until start_wire()
        """
        self.prefix = prefix
        self.directory = DIRECTORY / prefix
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.mkdir(parents=True)
        self.targets: list[Target] = []
        self.namespaces: list[Namespace] = []
        try:
            self._build(targets, front, wire)
        except BaseException:
            self.close()
            remove_lab(prefix)  # what was half made
            raise

    def _namespace(self, part: str) -> Namespace:
        ns = Namespace(f"{self.prefix}-{part}")
        self.namespaces.append(ns)
        return ns

    def _build(self, targets: int, front: Sequence[str], wire: bool) -> None:
        self.client = self._namespace("client")
        self.lb = self._namespace("lb")
        self.net = self._namespace("net")

        self.lb.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        self.net.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        if wire:
            self._build_wire()
        else:
            self.lb.ip("link", "add", "weir-front", *front, "type", "veth", "peer", "name", "eth0", *front,
                       "netns", self.client.name)
        self.lb.ip("link", "add", "weir-back", "type", "veth", "peer", "name", "uplink",
                   "netns", self.net.name)
        self.net.ip("link", "add", "bridge", "type", "bridge", "mcast_snooping", "0")
        self.net.ip("link", "set", "uplink", "master", "bridge")

        self.client.plain("eth0")
        self.lb.plain("weir-front", "weir-back")
        self.net.plain("uplink")
        self.client.address("eth0", f"{CLIENT_V4}/24", f"{CLIENT_V6}/64")
        self.client.up("eth0")
        self.lb.up("weir-front", "weir-back")
        self.net.up("uplink", "bridge")
        for n in range(1, targets + 1):
            self.targets.append(Target(self.prefix, n, self.net))

    def _build_wire(self) -> None:
        self.wire = self._namespace("wire")
        self.wire.sysctl("net.ipv6.conf.default.disable_ipv6=1")
        self.wire.ip("link", "add", "to-client", "type", "veth", "peer", "name", "eth0", "netns", self.client.name)
        self.wire.ip("link", "add", "to-weir", "type", "veth", "peer", "name", "weir-front", "netns", self.lb.name)
        self.wire.plain("to-client", "to-weir")
        self.wire.up("to-client", "to-weir")

    def start_wire(self, *settings: str) -> subprocess.Popen:
        """Let frames pass between client and weir; see wire.c for the settings."""
        program = Path(os.environ.get("WEIR_BUILD", ROOT / "build")) / "test" / "e2e" / "wire"
        process = self.wire.start(str(program), "to-client", "to-weir", *settings, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        if process.stdout.readline() != "wire: ready\n":
            raise RuntimeError(f"the wire does not start: exit code {process.wait()}")
        return process

    def serve_http(self, *targets: Host, port: int = 80) -> None:
        """nginx on each target: / answers with the target's name, /files/ with what is put there."""
        for target in targets or self.targets:
            directory = self.directory / target.name
            (directory / "files").mkdir(parents=True, exist_ok=True)
            config = directory / "nginx.conf"
            config.write_text(f"""
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {directory};
    proxy_temp_path {directory};
    fastcgi_temp_path {directory};
    uwsgi_temp_path {directory};
    scgi_temp_path {directory};
    keepalive_requests 1000000;
    server {{
        listen {port} backlog=4096;
        listen [::]:{port} backlog=4096;
        root {directory};
        location / {{ default_type text/plain; return 200 "{target.name} $remote_addr\\n"; }}
        location /files/ {{ default_type application/octet-stream; }}
    }}
}}
""")
            target.serve("http", "nginx", "-e", f"{directory}/error.log", "-c", str(config),
                         ready=lambda t=target: t.is_listening(port))

    def serve_udp_echo(self, *targets: Host, port: int = 5353) -> None:
        """Each datagram comes back with the target's name in front."""
        for target in targets or self.targets:
            target.serve("echo", PYTHON, UDP_ECHO, "serve", str(port), target.name,
                         ready=lambda t=target: t.is_listening(port, udp=True))

    def http(self, url: str, times: int = 1, header: str = "Accept: */*") -> list[str]:
        """First word of each answer, asked on a connection of its own; "" where there was none."""
        got = self.client.try_run("sh", "-c", 'for i in $(seq "$2"); do curl -s -m 5 -H "$3" "$1" || echo; done',
                                  "sh", url, str(times), header)
        return [(line.split() or [""])[0] for line in got.stdout.splitlines()]

    def udp(self, address: str, port: int, times: int = 1) -> list[str]:
        """First word of each answer, asked from a port of its own; "" where there was none."""
        got = self.client.run(PYTHON, UDP_ECHO, "ask", address, str(port), str(times))
        return got.stdout.split("\n")[:times]

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for target in self.targets:
            target.close()
        for ns in self.namespaces:
            ns.remove()
        self.targets, self.namespaces = [], []
        shutil.rmtree(self.directory, ignore_errors=True)
