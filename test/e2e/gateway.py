# SPDX-License-Identifier: BSD-3-Clause
"""A network for gateway load balancers: two hosts on both sides of weir, and appliances behind it.

      PREFIX-client          PREFIX-lb                            PREFIX-server
    eth0 198.18.1.2 ------ weir-front    weir-far ------------- eth0 198.18.3.2, 198.18.1.3
         2001:db8:1::2          [weir]                               2001:db8:3::2, 2001:db8:1::3
                           weir-back   weir-mid1 -+
                               |       weir-mid2 -+ (one cable)
                            PREFIX-net (bridge)
                            |         |        |
                       PREFIX-t1  PREFIX-t2  PREFIX-t3   appliances, 198.18.2.11 ...

Routed, both hosts have a route through weir and the server is 198.18.3.2.  In line, weir is a piece of
wire, the server is the client's neighbour 198.18.1.3.  weir-mid1 and weir-mid2 are the cable between
two wires in a row.
"""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from typing import Sequence

from topology import (CLIENT_V4, CLIENT_V6, FRONT_V4, FRONT_V6, PYTHON, ROOT, Host, Lab, Target, end_process,
                      wait_until)

sys.path.insert(0, str(ROOT / "tools"))

import geneve_appliance  # noqa: E402

PROGRAM = str(ROOT / "tools" / "geneve-appliance")
FLOW_LOAD = str(ROOT / "test" / "e2e" / "flow_load.py")
ECHO_PORT, LINES_PORT = 5353, 7000  # on the server: UDP, TCP

SERVER_V4, SERVER_V6 = "198.18.3.2", "2001:db8:3::2"
FAR_V4, FAR_V6 = "198.18.3.1", "2001:db8:3::1"
NEAR_V4, NEAR_V6 = "198.18.1.3", "2001:db8:1::3"  # the server in line

JUMBO = 9100
LARGE = 2960  # room for GENEVE around 1,500 bytes, in buffers that net_af_xdp can use
# Receive frames of net_af_packet hold a packet and 66 bytes in front, whole ones a block, and what they
# hold has to fit in weir's buffers.
DEVICE_ARGUMENTS = {1500: "", LARGE: ",framesz=3072,blocksz=12288", JUMBO: ",framesz=9216,blocksz=36864"}

CHECKS = """\
health_check.interval_seconds = 5
health_check.timeout_seconds = 2
health_check.healthy_threshold_count = 2
health_check.unhealthy_threshold_count = 2
"""
DEAD_SECONDS = 2 * 5 + 2  # a target that dies is unhealthy by then


def device(number: int, interface: str, mtu: int = 1500) -> str:
    """Keys `device` and `mtu` of an interface."""
    return f"device = net_af_packet{number},iface={interface}{DEVICE_ARGUMENTS[mtu]}\nmtu = {mtu}\n"


def front(mtu: int = 1500) -> str:
    return device(0, "weir-front", mtu) + f"address = {FRONT_V4}/24\naddress = {FRONT_V6}/64\n"


def back(mtu: int = 1500) -> str:
    return device(1, "weir-back", mtu) + "address = 198.18.2.1/24\naddress = 2001:db8:2::1/64\n"


def far(mtu: int = 1500) -> str:
    return "[interface far]\n" + device(2, "weir-far", mtu) + f"address = {FAR_V4}/24\naddress = {FAR_V6}/64\n"


def wire_ends(mtu: int = 1500) -> tuple[str, str]:
    """The front and far interfaces as two ends of a wire."""
    return device(0, "weir-front", mtu), "[interface far]\n" + device(2, "weir-far", mtu)


def gateway(name: str, targets: Sequence[str], more: str = "", listener: str = "", balancer: str = "") -> str:
    """A gateway load balancer NAME and its group NAME-fleet, whose other keys are `more`."""
    lines = "".join(f"target = {target if ' ' in target else port(target)}\n" for target in targets)
    return (f"[load_balancer {name}]\ntype = gateway\n{balancer}\n"
            f"[listener {name}]\ndefault_action = forward {name}-fleet\n{listener}\n"
            f"[target_group {name}-fleet]\nprotocol = GENEVE\n{CHECKS}{more}\n{lines}\n")


def port(address: str) -> str:
    return f"[{address}]:6081" if ":" in address else f"{address}:6081"


def endpoint(name: str, load_balancer: str, *interfaces: str, more: str = "") -> str:
    lines = "".join(f"interface = {interface}\n" for interface in interfaces)
    return f"[endpoint {name}]\nload_balancer = {load_balancer}\n{lines}{more}\n"


def fleet(lab: Lab, *numbers: int) -> list[str]:
    """Addresses of appliances, of all by default."""
    return [target.v4 for target in lab.targets if not numbers or target.number in numbers]


def routed(lab: Lab, more: str = "", **keys: str) -> str:
    """The usual configuration: one load balancer for all appliances, between client and server."""
    return gateway("inspect", fleet(lab), more, **keys) + endpoint("edge", "inspect", "front", "far")


def in_line(lab: Lab, more: str = "", **keys: str) -> str:
    return gateway("inspect", fleet(lab), more, **keys) + endpoint("cable", "inspect", "front", "far",
                                                                   more="mode = in_line\n")


class Appliance:
    """tools/geneve-appliance in a target's namespace."""

    def __init__(self, target: Target, directory: str, *arguments: str) -> None:
        self.target = target
        self.name = target.name
        self.control = f"{directory}/{target.name}.sock"
        target.serve("appliance", PROGRAM, "--control", self.control, *arguments,
                     ready=lambda: target.is_listening(80))

    def ask(self, *words: str) -> str:
        answer = geneve_appliance.ask(self.control, " ".join(words))
        assert not answer.startswith("error"), answer
        return answer

    def mode(self, *words: str) -> None:
        self.ask("mode", *words)

    def counts(self) -> dict:
        return json.loads(self.ask("counts"))

    def flows(self, protocol: str | None = None) -> list[dict]:
        return [flow for flow in self.counts()["flows"] if protocol in (None, flow["protocol"])]

    def kill(self) -> None:
        """At once, as when a machine loses power (but its kernel still refuses connections)."""
        process = self.target.servers.pop("appliance")
        process.kill()
        process.wait()

    def stop(self) -> None:
        if "appliance" in self.target.servers:
            end_process(self.target.servers.pop("appliance"))


def flow_name(flow: dict) -> tuple[str, str, str]:
    return flow["protocol"], flow["a"], flow["b"]


def where_flows_went(appliances: Sequence[Appliance], protocol: str | None = None) -> dict[tuple, set[str]]:
    """The appliances that saw each inner flow."""
    seen: dict[tuple, set[str]] = {}
    for appliance in appliances:
        for flow in appliance.flows(protocol):
            seen.setdefault(flow_name(flow), set()).add(appliance.name)
    return seen


class GatewayLab(Lab):
    """Lab, and a server on the far side; its targets are appliances."""

    def __init__(self, prefix: str, appliances: int = 3, mtu: int = 1500, wire: bool = False,
                 hosts_mtu: int | None = None) -> None:
        self.mtu, self.hosts_mtu = mtu, hosts_mtu or mtu
        super().__init__(prefix, appliances, wire=wire)

    def _build(self, targets: int, front: Sequence[str], wire: bool) -> None:
        super()._build(targets, front, wire)
        ns = self._namespace("server")
        self.server = Host("server", ns)
        self.lb.ip("link", "add", "weir-far", "type", "veth", "peer", "name", "eth0", "netns", ns.name)
        self.lb.ip("link", "add", "weir-mid1", "type", "veth", "peer", "name", "weir-mid2")
        self.lb.plain("weir-far", "weir-mid1", "weir-mid2")
        ns.sysctl("net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0")
        ns.plain("eth0")
        ns.address("eth0", f"{SERVER_V4}/24", f"{SERVER_V6}/64", f"{NEAR_V4}/32", f"{NEAR_V6}/128")
        self.lb.up("weir-far", "weir-mid1", "weir-mid2")
        ns.up("eth0")
        self.client.ip("route", "add", "198.18.3.0/24", "via", FRONT_V4)
        self.client.ip("-6", "route", "add", "2001:db8:3::/64", "via", FRONT_V6)
        self.route_through_weir()
        if self.mtu != 1500:
            self._set_mtu(wire)

    def _set_mtu(self, wire: bool) -> None:
        hosts = [(self.client, "eth0"), (self.server.ns, "eth0")]
        hosts += [(self.lb, f"weir-{name}") for name in ("front", "far", "mid1", "mid2")]
        if wire:
            hosts += [(self.wire, "to-client"), (self.wire, "to-weir")]
        behind = [(self.lb, "weir-back"), (self.net, "uplink"), (self.net, "bridge")]
        behind += [(t.ns, "eth0") for t in self.targets] + [(self.net, t.name) for t in self.targets]
        for devices, mtu in ((hosts, self.hosts_mtu), (behind, self.mtu)):
            for ns, name in devices:
                ns.ip("link", "set", name, "mtu", str(mtu))

    def _forget_neighbors(self) -> None:
        for ns in (self.client, self.server.ns):
            ns.ip("neigh", "flush", "all")

    def route_through_weir(self) -> None:
        """The server finds the client by weir's far address."""
        ns = self.server.ns
        ns.ip("route", "replace", "198.18.1.0/24", "via", FAR_V4, "src", SERVER_V4)
        ns.ip("-6", "route", "replace", "2001:db8:1::/64", "via", FAR_V6, "src", SERVER_V6)
        self._forget_neighbors()

    def connect_in_line(self) -> None:
        """The server and the client are neighbours, weir a wire between them."""
        ns = self.server.ns
        ns.ip("route", "replace", "198.18.1.0/24", "dev", "eth0", "src", NEAR_V4)
        ns.ip("-6", "route", "replace", "2001:db8:1::/64", "dev", "eth0", "src", NEAR_V6)
        self._forget_neighbors()

    def start_appliances(self, *arguments: str) -> list[Appliance]:
        return [Appliance(target, str(self.directory), *arguments) for target in self.targets]

    def serve(self) -> None:
        """Web and echo servers on the server."""
        self.serve_http(self.server)
        self.serve_udp_echo(self.server, port=ECHO_PORT)
        self.server.serve("lines", PYTHON, FLOW_LOAD, "serve", str(LINES_PORT),
                          ready=lambda: self.server.is_listening(LINES_PORT))

    def close(self) -> None:
        if hasattr(self, "server"):
            for kind in list(self.server.servers):
                self.server.stop(kind)
        super().close()


def ping(lab: Lab, address: str, *arguments: str) -> subprocess.CompletedProcess:
    return lab.client.try_run("ping", "-n", "-W", "2", *arguments, address)


def received(done: subprocess.CompletedProcess) -> int:
    """Answers that ping saw."""
    words = done.stdout.split(" packets transmitted, ")[1].split()
    return int(words[0])


def wait_for_flows(weir, n: int) -> None:
    wait_until(f"{n} flows", lambda: len(weir.ask("flows", limit=10000)["flows"]) >= n)


# GENEVE by hand.


def option(kind: int, value: bytes, option_class: int = geneve_appliance.CLASS) -> bytes:
    return struct.pack("!HBB", option_class, kind, len(value) // 4) + value


def options(endpoint_id: int, attachment_id: int, cookie: int) -> list[bytes]:
    """The three options in order."""
    return [option(geneve_appliance.ENDPOINT, struct.pack("!Q", endpoint_id)),
            option(geneve_appliance.ATTACHMENT, struct.pack("!Q", attachment_id)),
            option(geneve_appliance.COOKIE, struct.pack("!I", cookie))]


def geneve(*parts: bytes, version: int = 0, flags: int = 0, protocol: int = 0x0800,
           length: int | None = None) -> bytes:
    """A GENEVE header with these options; `length` lies about theirs, in bytes."""
    joined = b"".join(parts)
    return struct.pack("!BBHI", version << 6 | (len(joined) if length is None else length) // 4, flags, protocol,
                       0) + joined


class Load:
    """flow_load.py on the client: long-lived flows, whose losses it tells."""

    def __init__(self, lab: Lab, protocol: str, address: str, flows: int, interval_ms: int) -> None:
        service = ECHO_PORT if protocol == "udp" else LINES_PORT
        self.process = lab.client.start(PYTHON, FLOW_LOAD, protocol, address, str(service), str(flows),
                                        str(interval_ms), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(f"no load: exit code {self.process.wait()}")

    def end(self) -> list[dict]:
        self.process.terminate()
        return json.loads(self.process.communicate(timeout=20)[0])

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def ports_of(appliance: Appliance, protocol: str) -> set[int]:
    """The client's ports of the flows that an appliance saw."""
    found = set()
    for flow in appliance.flows(protocol):
        for end in (flow["a"], flow["b"]):
            address, _, number = end.rpartition(":")
            if address.strip("[]") in (CLIENT_V4, CLIENT_V6):
                found.add(int(number))
    return found
