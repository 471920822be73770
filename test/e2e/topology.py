# SPDX-License-Identifier: BSD-3-Clause
"""A network of namespaces around weir, used by the quick start and by the end-to-end tests.

    PREFIX-client            PREFIX-lb                PREFIX-net            PREFIX-t1..tN
    198.18.1.2    ===veth=== weir-front
                             weir-back   ===veth===   bridge   ===veth===  198.18.2.11 ...
    2001:db8:1::2                                                          2001:db8:2::11 ...

weir runs in PREFIX-lb on the veth ends weir-front and weir-back.  Clients reach targets only
through it.  Everything is removed by destroy(), also what a crashed run left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PYTHON = "/usr/bin/python3"


def sh(*args: str, check: bool = True, **kwargs) -> subprocess.CompletedProcess:
    """Run a command; on failure its output is in the exception."""
    done = subprocess.run(args, text=True, capture_output=True, **kwargs)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(args)}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class Topology:
    """Namespaces PREFIX-client, PREFIX-lb, PREFIX-net and PREFIX-t1 to tN."""

    def __init__(self, prefix: str, targets: int = 3, mtu: int = 1500) -> None:
        self.prefix = prefix
        self.targets = targets
        self.mtu = mtu
        self.processes: list[subprocess.Popen] = []

    def ns(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def names(self) -> list[str]:
        return ["client", "lb", "net"] + [f"t{i + 1}" for i in range(self.targets)]

    def create(self) -> None:
        self.destroy()
        for name in self.names():
            sh("ip", "netns", "add", self.ns(name))
            sh("ip", "-n", self.ns(name), "link", "set", "lo", "up")
        self._veth("client", "eth0", "lb", "weir-front")
        self._veth("net", "uplink", "lb", "weir-back")
        sh("ip", "-n", self.ns("net"), "link", "add", "br0", "type", "bridge")
        self._up("net", "br0")
        self._enslave("uplink")
        for i in range(self.targets):
            self._veth(f"t{i + 1}", "eth0", "net", f"t{i + 1}")
            self._enslave(f"t{i + 1}")
        self.address("client", "eth0", "198.18.1.2/24", "2001:db8:1::2/64")
        self.route("client", "198.18.2.0/24", "198.18.1.1")
        self.route("client", "2001:db8:2::/64", "2001:db8:1::1")
        for i in range(self.targets):
            name = f"t{i + 1}"
            self.address(name, "eth0", f"198.18.2.{11 + i}/24", f"2001:db8:2::{11 + i}/64")
            self.route(name, "198.18.1.0/24", "198.18.2.1")
            self.route(name, "2001:db8:1::/64", "2001:db8:2::1")

    def destroy(self) -> None:
        self.stop_all()
        listed = sh("ip", "netns", "list").stdout.split("\n")
        for line in listed:
            name = line.split(" ")[0]
            if name.startswith(self.prefix + "-"):
                for pid in sh("ip", "netns", "pids", name, check=False).stdout.split():
                    _end(int(pid))
                sh("ip", "netns", "del", name, check=False)

    def address(self, name: str, device: str, *addresses: str) -> None:
        for address in addresses:
            extra = ["nodad"] if ":" in address else []
            sh("ip", "-n", self.ns(name), "addr", "add", address, "dev", device, *extra)

    def route(self, name: str, prefix: str, via: str) -> None:
        sh("ip", "-n", self.ns(name), "route", "add", prefix, "via", via)

    def run(self, name: str, *args: str, check: bool = True, **kwargs) -> subprocess.CompletedProcess:
        return sh("ip", "netns", "exec", self.ns(name), *args, check=check, **kwargs)

    def start(self, name: str, *args: str, **kwargs) -> subprocess.Popen:
        """Start a process in a namespace; it is ended by stop_all()."""
        process = subprocess.Popen(["ip", "netns", "exec", self.ns(name), *args], **kwargs)
        self.processes.append(process)
        return process

    def stop_all(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.terminate()
        for process in self.processes:
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.processes.clear()

    def start_nginx(self, name: str, directory: Path, port: int = 80) -> subprocess.Popen:
        """nginx that answers every request with its namespace's name."""
        home = directory / name
        home.mkdir(parents=True, exist_ok=True)
        (home / "big").write_bytes(bytes(range(256)) * 4096)
        config = home / "nginx.conf"
        config.write_text(
            f"""daemon off; pid {home}/nginx.pid; error_log {home}/error.log; user root;
worker_processes 1;
events {{ worker_connections 8192; }}
http {{
    access_log off; keepalive_timeout 30; keepalive_requests 100000;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    server {{
        listen {port}; listen [::]:{port};
        location / {{ return 200 "{name} $remote_addr\\n"; }}
        location /big {{ root {home}; }}
    }}
}}
"""
        )
        return self.start(name, "nginx", "-c", str(config), "-e", f"{home}/error.log",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def start_udp_echo(self, name: str, port: int) -> subprocess.Popen:
        """UDP server that answers a datagram with its name, the sender, and the datagram."""
        return self.start(name, PYTHON, str(Path(__file__).with_name("udp_echo.py")), name, str(port))

    def _veth(self, a: str, a_device: str, b: str, b_device: str) -> None:
        sh("ip", "link", "add", a_device, "netns", self.ns(a), "mtu", str(self.mtu), "type", "veth",
           "peer", "name", b_device, "netns", self.ns(b), "mtu", str(self.mtu))
        for name, device in ((a, a_device), (b, b_device)):
            # Packets cross as they would on a wire: whole, with their checksums.
            self.run(name, "ethtool", "-K", device, "tx", "off", "rx", "off", "tso", "off", "gso",
                     "off", "gro", "off", "txvlan", "off", "rxvlan", "off", check=False)
            if device in ("weir-front", "weir-back", "uplink") or (name == "net"):
                self.run(name, "sysctl", "-qw", f"net.ipv6.conf.{device}.disable_ipv6=1")
            else:
                self.run(name, "sysctl", "-qw", f"net.ipv6.conf.{device}.accept_dad=0")
            self._up(name, device)

    def _up(self, name: str, device: str) -> None:
        sh("ip", "-n", self.ns(name), "link", "set", device, "up")

    def _enslave(self, device: str) -> None:
        sh("ip", "-n", self.ns("net"), "link", "set", device, "master", "br0")


class Weir:
    """A weir process in a namespace, its log, and its control socket."""

    def __init__(self, topology: Topology, config: Path, binary: Path | None = None,
                 instance: str = "weir", log: Path | None = None, extra: tuple[str, ...] = ()) -> None:
        self.topology = topology
        self.config = config
        self.binary = binary or Path(os.environ.get("WEIR_BINARY", ROOT / "build/app/weir"))
        self.instance = instance
        self.socket = f"/run/weir/{instance}.sock"
        self.log = log or config.with_suffix(".log")
        self.extra = extra
        self.process: subprocess.Popen | None = None

    def start(self, timeout: float = 30) -> None:
        with open(self.log, "wb") as log:
            self.process = self.topology.start("lb", str(self.binary), "--config", str(self.config),
                                               *self.extra, stdout=log, stderr=log)
        end = time.monotonic() + timeout
        while "weir: ready" not in self.text():
            if self.process.poll() is not None:
                raise RuntimeError(f"weir ended with {self.process.returncode}:\n{self.text()}")
            if time.monotonic() > end:
                raise RuntimeError(f"weir is not ready after {timeout} s:\n{self.text()}")
            time.sleep(0.05)

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def call(self, op: str, **args) -> dict:
        sys.path.insert(0, str(ROOT / "tools"))
        import weir_control
        return weir_control.call(self.socket, op, args)

    def wait_healthy(self, timeout: float = 20) -> None:
        end = time.monotonic() + timeout
        while True:
            states = [t["state"] for t in self.call("target_health")["targets"]]
            if states and all(state == "healthy" for state in states):
                return
            if time.monotonic() > end:
                raise RuntimeError(f"targets are not healthy after {timeout} s: {states}\n{self.text()}")
            time.sleep(0.1)

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout: float = 15) -> int:
        """SIGTERM. @return the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(timeout=timeout)


def _end(pid: int) -> None:
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            return
        for _ in range(20):
            if not Path(f"/proc/{pid}").exists():
                return
            time.sleep(0.05)
