# SPDX-License-Identifier: BSD-3-Clause
"""Connections that weir ends: of targets that leave, or that turn unhealthy.  Nobody sends anything:
both ends, which are Linux, must learn it from weir."""

import contextlib
import re
import subprocess
import time

import pytest

from topology import PYTHON, wait_until

HOLD = """
import select, socket, sys
family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
sockets = []
for _ in range(int(sys.argv[3])):
    s = socket.socket(family)
    s.settimeout(5)
    s.connect((sys.argv[1], int(sys.argv[2])))
    sockets.append(s)
print(len(sockets), flush=True)
sys.stdin.readline()
reset = alive = closed = 0
for s in sockets:
    if not select.select([s], [], [], 0)[0]:
        alive += 1
        continue
    try:
        closed += not s.recv(1)
    except ConnectionResetError:
        reset += 1
print(reset, alive, closed, flush=True)
"""

PATIENT = """
import socket
server = socket.create_server(("::", 8088), family=socket.AF_INET6, dualstack_ipv6=True, backlog=100)
held = []
while True:
    held.append(server.accept()[0])
"""

CONFIG = """
    [load_balancer shop]
    type = network
    address = 198.18.1.10

    [load_balancer shop6]
    type = network
    address = 2001:db8:1::10

    [listener shop:80]
    protocol = TCP
    default_action = forward web

    [listener shop:81]
    protocol = TCP
    default_action = forward keep

    [listener shop6:80]
    protocol = TCP
    default_action = forward web6
"""

WAYS = {"full_nat": ("198.18.1.10", 80), "nat": ("198.18.1.10", 81), "IPv6": ("2001:db8:1::10", 80)}
EACH = 10


def groups(more: str, without: int = 0) -> str:
    """Three groups of the same servers, without one of them."""
    text = ""
    for name, family in (("web", 4), ("keep", 4), ("web6", 6)):
        text += f"\n    [target_group {name}]\n    protocol = TCP\n"
        if name == "keep":
            text += "    preserve_client_ip.enabled = true\n"
        text += "".join(f"    {line}\n" for line in more.split("\n") if line)
        for n in (1, 2):
            if n != without:
                text += f"    target = {'198.18.2.1' if family == 4 else '[2001:db8:2::1'}{n}{'' if family == 4 else ']'}:80\n"
    return text


class Held:
    """Connections that a client holds without a word."""

    def __init__(self, lab, address: str, port: int, n: int) -> None:
        self.process = lab.client.start(PYTHON, "-c", HOLD, address, str(port), str(n), stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == f"{n}\n"

    def result(self) -> tuple[int, int, int]:
        """How many were reset, live, or were closed."""
        reset, alive, closed = self.process.communicate("\n", timeout=10)[0].split()
        return int(reset), int(alive), int(closed)


@contextlib.contextmanager
def hold(lab):
    held = {way: Held(lab, address, port, EACH) for way, (address, port) in WAYS.items()}
    try:
        yield held
    finally:
        for h in held.values():
            h.process.kill()
            h.process.wait()


def connections_of(target, port: int = 80) -> int:
    """As the target's kernel has them."""
    return len(target.ns.run("ss", "-Htn", "state", "established", "sport", "=", f":{port}").stdout.splitlines())


def expect_ended(lab, weir, held, ended: int, lives: int) -> None:
    """Connections to target `ended` are reset at both ends, those to the other live."""
    wait_until("the target's ends are gone", lambda: connections_of(lab.targets[ended]) == 0, 5)
    stay = connections_of(lab.targets[lives])
    wait_until("flows", lambda: len(weir.ask("flows")["flows"]) == stay, 8)
    results = {way: h.result() for way, h in held.items()}
    assert all(reset + alive == EACH and closed == 0 for reset, alive, closed in results.values()), results
    assert sum(alive for _, alive, _ in results.values()) == stay
    assert all(reset > 0 for reset, _, _ in results.values()), results
    resets = sum(weir.ask("metrics", load_balancer=lb)["TCP_ELB_Reset_Count"] for lb in ("shop", "shop6"))
    assert resets == 2 * (3 * EACH - stay)


@pytest.mark.parametrize("workers", [1, 2])
def test_deregistration_terminates(lab, start_weir, workers):
    """When the delay is over, not before."""
    more = "deregistration_delay.timeout_seconds = 3\nderegistration_delay.connection_termination.enabled = true"
    dataplane = "workers = 1\nmax_flows = 65536" if workers == 1 else "workers = 2\nlcores = 0@0,1@1,2@1\nmax_flows = 65536"
    weir = start_weir(CONFIG + groups(more), dataplane=dataplane)
    with hold(lab) as held:
        before = connections_of(lab.targets[1])
        assert before + connections_of(lab.targets[0]) == 3 * EACH
        begin = time.monotonic()
        text = weir.config_path.read_text()
        weir.config_path.write_text("\n".join(
            line for line in text.split("\n")
            if not line.strip().startswith(("target = 198.18.2.12", "target = [2001:db8:2::12"))))
        weir.reload()
        assert weir.ask("info")["reloads"] == 1
        time.sleep(max(0.0, begin + 2.5 - time.monotonic()))
        assert connections_of(lab.targets[1]) == before
        expect_ended(lab, weir, held, 1, 0)


@pytest.fixture
def health_servers(lab):
    for target in lab.targets[:2]:
        target.serve("health", "sh", "-c", f"cd {lab.directory}; exec {PYTHON} -m http.server --bind :: 8081 2>/dev/null",
                     ready=lambda t=target: t.is_listening(8081))
    yield
    for target in lab.targets[:2]:
        if "health" in target.servers:
            target.stop("health")


CHECKS = """health_check.protocol = HTTP
health_check.port = 8081
health_check.interval_seconds = 5
health_check.timeout_seconds = 2
health_check.healthy_threshold_count = 2
"""


def test_unhealthy_target_is_terminated(lab, start_weir, health_servers):
    """By default.  The server itself lives: only its check fails, by HTTP."""
    weir = start_weir(CONFIG + groups(CHECKS))
    with hold(lab) as held:
        lab.targets[1].stop("health")
        wait_until("unhealthy", lambda: weir.target_states("keep")["keep 198.18.2.12:80"] == "unhealthy", 15)
        expect_ended(lab, weir, held, 1, 0)


def test_unhealthy_target_drains(lab, start_weir, health_servers):
    """With an interval, connections go on for it: unhealthy.draining."""
    weir = start_weir(CONFIG + groups(
        CHECKS + "target_health_state.unhealthy.connection_termination.enabled = false\n"
        "target_health_state.unhealthy.draining_interval_seconds = 4\n"))
    with hold(lab) as held:
        before = connections_of(lab.targets[1])
        lab.targets[1].stop("health")
        for group, address in (("web", "198.18.2.12"), ("web6", "[2001:db8:2::12]")):
            wait_until("draining", lambda g=group, a=address: weir.target_states(g)[f"{g} {a}:80"]
                       == "unhealthy.draining", 15)
        assert connections_of(lab.targets[1]) == before
        assert set(lab.http("http://198.18.1.10/", 20)) == {"t1"}
        wait_until("unhealthy", lambda: set(weir.target_states().values()) == {"healthy", "unhealthy"}
                   and "unhealthy.draining" not in weir.target_states().values(), 8)
        wait_until("the target's ends are gone", lambda: connections_of(lab.targets[1]) == 0, 5)
        results = {way: h.result() for way, h in held.items()}
        assert sum(reset for reset, _, _ in results.values()) == before, results


def test_unhealthy_target_keeps_its_flows(lab, start_weir, health_servers):
    weir = start_weir(CONFIG + groups(
        CHECKS + "target_health_state.unhealthy.connection_termination.enabled = false\n"))
    with hold(lab) as held:
        lab.targets[1].stop("health")
        wait_until("unhealthy", lambda: weir.target_states("keep")["keep 198.18.2.12:80"] == "unhealthy", 15)
        time.sleep(2)
        assert all(h.result() == (0, EACH, 0) for h in held.values())


def test_weight_zero_ends_connections(lab, start_weir):
    """Of a group; the other one's stay."""
    config = CONFIG.replace("forward web\n", "forward web weight 1, other weight 1\n", 1)
    weir = start_weir(config + groups("", without=2) + """
    [target_group other]
    protocol = TCP
    target = 198.18.2.12:80
""")
    held = Held(lab, "198.18.1.10", 80, 40)
    try:
        stay = connections_of(lab.targets[0])
        assert 0 < stay < 40 and stay + connections_of(lab.targets[1]) == 40
        text = weir.config_path.read_text()
        weir.config_path.write_text(text.replace("other weight 1", "other weight 0"))
        weir.reload()
        wait_until("ended", lambda: connections_of(lab.targets[1]) == 0, 5)
        assert connections_of(lab.targets[0]) == stay
        assert set(lab.http("http://198.18.1.10/", 20)) == {"t1"}
        assert held.result() == (40 - stay, stay, 0)
    finally:
        held.process.kill()
        held.process.wait()


def test_idle_connections_are_reset(lab, start_weir):
    """At both ends and without a packet of theirs, when the listener's timeout is over."""
    for target in lab.targets[:2]:  # nginx has no such patience
        target.serve("patient", PYTHON, "-c", PATIENT, ready=lambda t=target: t.is_listening(8088))
    weir = start_weir(CONFIG.replace("protocol = TCP\n", "protocol = TCP\n    tcp.idle_timeout.seconds = 60\n")
                      + re.sub(r"(target = .*):80\n", r"\1:8088\n", groups("")))
    with hold(lab) as held:
        assert sum(connections_of(t, 8088) for t in lab.targets[:2]) == 3 * EACH
        time.sleep(57)
        assert len(weir.ask("flows")["flows"]) == 3 * EACH
        wait_until("ended", lambda: all(connections_of(t, 8088) == 0 for t in lab.targets[:2]), 8)
        wait_until("forgotten", lambda: not weir.ask("flows")["flows"], 8)
        assert all(h.result() == (EACH, 0, 0) for h in held.values())


def test_new_flows_under_fail_open_stay(lab, start_weir, health_servers):
    """All are unhealthy: connections of before are reset, those of now go on."""
    weir = start_weir(CONFIG + groups(CHECKS))
    with hold(lab) as held:
        for target in lab.targets[:2]:
            target.stop("health")
        wait_until("unhealthy", lambda: set(weir.target_states().values()) == {"unhealthy"}, 15)
        wait_until("ended", lambda: all(connections_of(t) == 0 for t in lab.targets[:2]), 5)
        assert all(h.result() == (EACH, 0, 0) for h in held.values())
    with hold(lab) as held:
        time.sleep(3)
        assert all(h.result() == (0, EACH, 0) for h in held.values())
