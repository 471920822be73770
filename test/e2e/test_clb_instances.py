# SPDX-License-Identifier: BSD-3-Clause
"""Instances of classic load balancers that come, go, fail and recover, and what becomes of their connections."""

import socket

import pytest

from test_clb_tcp import INSTANCES, INSTANCES6, VIP, VIP6, connect, is_served, listener, load_balancer
from topology import ROOT, run, wait_until

PORT = 9101
VIPS = {"shop": VIP, "shop6": VIP6}


@pytest.fixture(scope="module", autouse=True)
def echoes(lab):
    for target in lab.targets[:2]:
        target.serve("echo-tcp", "socat", f"TCP6-LISTEN:{PORT},ipv6only=0,reuseaddr,fork,backlog=128", "EXEC:cat",
                     ready=lambda target=target: target.is_listening(PORT))


def services(without=0, *more):
    """An IPv4 and an IPv6 load balancer of the first two targets, without one of them."""
    text = ""
    for name, instances in ("shop", INSTANCES), ("shop6", INSTANCES6):
        left = [i for n, i in enumerate(instances[:2], 1) if n != without]
        text += load_balancer(name, VIPS[name], left, *more) + listener(name, PORT, "TCP", PORT)
    return text


@pytest.fixture
def start(start_weir):
    def start(text):
        weir = start_weir(text, dataplane="max_flows = 65536\nworkers = 2\nlcores = 0@0,1@1,2@0",
                          healthy=False)
        wait_until("instances are in service", lambda: states(weir) == {"InService"}, 20)
        return weir
    return start


def is_closed(s):
    try:
        return s.recv(1) == b""
    except ConnectionResetError:
        return True


def states(weir, name=None):
    return {i["state"] for i in weir.ask("instance_health", **({"load_balancer": name} if name else {}))["instances"]}


def down_if(weir, n):
    """Those out of service, if they are so many."""
    down = [i for i in weir.ask("instance_health")["instances"] if i["state"] == "OutOfService"]
    return down if len(down) == n else None


def reload(weir, text, before):
    """Replace the services of the configuration."""
    config = weir.config_path.read_text()
    assert before in config
    weir.config_path.write_text(config.replace(before, text))
    weir.reload()
    assert "refused" not in weir.ask("info")["state"]


def instance_of(address, n):
    return (INSTANCES6 if ":" in address else INSTANCES)[n - 1]


def connections(weir, address, n):
    return next(i["connections"] for i in weir.ask("instance_health")["instances"]
                if i["instance"] == instance_of(address, n))


def echo(s, text=b"x"):
    s.sendall(text)
    assert s.recv(len(text), socket.MSG_WAITALL) == text


def connect_to(lab, weir, address, n):
    """A connection to the n-th instance."""
    others = []
    while True:
        before = connections(weir, address, n)
        s = connect(lab, address, PORT)
        echo(s)
        if connections(weir, address, n) > before:
            for other in others:
                other.close()
            return s
        others.append(s)
        assert len(others) < 10


def test_health(lab, start):
    """An instance out of service gets nothing new, and keeps what it has; with none in service nobody is served."""
    alone = load_balancer("shop6", VIP6, INSTANCES6[:1], "health_check.target = TCP:80") + listener("shop6", PORT, "TCP", PORT)
    both = load_balancer("shop", VIP, INSTANCES[:2], "health_check.target = TCP:80") + listener("shop", PORT, "TCP", PORT)
    weir = start(both + alone)
    kept = [connect_to(lab, weir, address, 1) for address in VIPS.values()]
    lab.targets[0].stop("http")
    down = wait_until("the first is out of service", lambda: down_if(weir, 2), 20)
    assert [i["instance"] for i in down] == [INSTANCES[0], INSTANCES6[0]]
    assert down[0]["reason_code"] == "Instance" and "UnhealthyThreshold" in down[0]["description"]
    shown = run("/usr/bin/python3", str(ROOT / "tools" / "weirctl"), "instances", "shop", "--instance", weir.instance).stdout
    assert shown.count("InService") == 1 and INSTANCES[0] in shown and INSTANCES6[0] not in shown
    before = connections(weir, VIP, 1)
    for _ in range(6):
        with connect(lab, VIP, PORT) as s:
            echo(s)
    assert connections(weir, VIP, 1) == before
    assert not is_served(lab, VIP6, PORT)
    for s in kept:
        echo(s)
        s.close()
    lab.serve_http(lab.targets[0])
    wait_until("all are in service", lambda: states(weir) == {"InService"}, 20)
    assert is_served(lab, VIP6, PORT)


@pytest.mark.parametrize("draining", [False, True], ids=["at_once", "after_the_timeout"])
def test_deregistered(lab, start, draining):
    """Connections of an instance that is taken out end: at once, or when the draining is over."""
    more = ("connection_draining.enabled = true", "connection_draining.timeout = 3") if draining else ()
    weir = start(services(0, *more))
    leaving = [connect_to(lab, weir, address, 1) for address in VIPS.values()]
    staying = [connect_to(lab, weir, address, 2) for address in VIPS.values()]
    reload(weir, services(1, *more), services(0, *more))
    if draining:
        for s in leaving:
            echo(s)
    for s in leaving:
        assert is_closed(s)
    for s in staying:
        echo(s)
        s.close()
    for address in VIPS.values():
        with connect(lab, address, PORT) as s:
            echo(s)
    wait_until("the instance is gone", lambda: len(weir.target_states()) == 2, 10)


def test_idle(lab, start):
    """Silence of both sides ends a connection; bytes keep it."""
    weir = start(services(0, "idle_timeout.timeout_seconds = 2"))
    silent, busy = (connect(lab, VIP, PORT) for _ in range(2))
    silent.settimeout(0.3)
    for _ in range(20):
        echo(busy)
        try:
            assert silent.recv(1) == b""
            break
        except ConnectionResetError:
            break
        except TimeoutError:
            pass
    else:
        pytest.fail("the silent connection is still there")
    echo(busy)
    busy.close()


def test_reload(lab, start):
    """Listeners come and go with their instance ports; what is under way elsewhere goes on."""
    weir = start(services())
    kept = connect_to(lab, weir, VIP, 2)
    more = listener("shop", 82, "TCP", 80)
    reload(weir, services() + more, services())
    wait_until("the new port is checked", lambda: "healthy" in weir.target_states("shop:TCP:80").values(), 10)
    assert lab.http(f"http://{VIP}:82/", 4)[0] in ("t1", "t2")
    reload(weir, services() + more.replace("= 80\n", "= 81\n"), services() + more)
    wait_until("the other port is checked", lambda: set(weir.target_states("shop:TCP:81").values()) == {"healthy"}, 10)
    assert lab.http(f"http://{VIP}:82/") == [""]  # nobody listens there: TCP checks are of the first listener's port
    echo(kept)
    kept.close()
